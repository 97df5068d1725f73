"""Whether two URLs lead to the same Torc server."""

import socket
from contextlib import suppress

import httpx

from torc_watch.core.errors import InvalidInput
from torc_watch.torc.transport import normalize_url


def is_same_server(server: str, written: str) -> bool:
    """Whether ``written``, as any user wrote it, leads to ``server``, a normalized URL.

    Another name of the same host will do. False where that cannot be told: a job of the same number
    on another server is not ours to end.
    """
    try:
        one, other = httpx.URL(server), httpx.URL(normalize_url(written))
    except InvalidInput:
        return False
    if (one.scheme, one.port, one.path) != (other.scheme, other.port, other.path):
        return False
    return one.host == other.host or not _addresses(one.host).isdisjoint(_addresses(other.host))


def _addresses(host: str) -> set[object]:
    with suppress(OSError, UnicodeError):  # an unknown name, or none at all
        return {info[4][0] for info in socket.getaddrinfo(host, None)}
    return set()
