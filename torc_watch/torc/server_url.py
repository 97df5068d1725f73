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
    return bool(_leads_to(server, written))


def is_other_server(server: str, written: str) -> bool:
    """Whether it surely leads to another one: a host may have addresses that are not known here.

    A tunnel to the same server, at another port, counts as another.
    """
    return _leads_to(server, written) is False


def _leads_to(server: str, written: str) -> bool | None:
    """None where that cannot be told."""
    try:
        one, other = httpx.URL(server), httpx.URL(normalize_url(written))
    except InvalidInput:
        return None
    if (one.scheme, one.port, one.path) != (other.scheme, other.port, other.path):
        return False
    is_same_host = one.host == other.host
    return is_same_host or not _addresses(one.host).isdisjoint(_addresses(other.host)) or None


def _addresses(host: str) -> set[object]:
    with suppress(OSError, UnicodeError):  # an unknown name, or none at all
        return {info[4][0] for info in socket.getaddrinfo(host, None)}
    return set()
