"""A question to the daemon of this login node, over its socket: quick to import."""

import json
import os
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from torc_watch.core.workflow_key import WorkflowKey

_CREDENTIALS = "3i"  # process, user, group
_AT_FIRST = 2.0  # seconds for the daemon to begin its answer: otherwise it hangs
_AFTERWARDS = 30.0  # seconds for each further part, for which it may have to ask a server


def socket_paths(home: Path, environment: Mapping[str, str]) -> list[Path]:
    """Where the daemon of this state folder may listen on this login node, the best place first.

    XDG_RUNTIME_DIR is not set by every way to log in: daemon and client may differ in it.
    """
    user = os.getuid()
    told = environment.get("XDG_RUNTIME_DIR", "")
    runtimes = [told] if told.startswith("/") else []
    folders = [f"{runtime}/torc-watchd" for runtime in (*runtimes, f"/run/user/{user}")]
    folders.append(f"/tmp/torc-watchd-{user}")  # noqa: S108 - made ours, or refused
    key = sha256(os.fsencode(home.absolute())).hexdigest()[:12]
    return [Path(folder) / f"{key}.sock" for folder in dict.fromkeys(folders)]


def inspected(home: Path, key: WorkflowKey) -> Iterator[dict[str, Any]]:
    """The parts of `inspection` that the daemon says, the first ones: it may hang, or not run."""
    server, workflow_id = key
    with suppress(OSError, ValueError):
        yield from ask(socket_paths(home, os.environ), f"inspect {workflow_id} {server}")


def ask(paths: Sequence[Path], wish: str) -> Iterator[dict[str, Any]]:
    """The parts of the daemon's answer; fewer than expected where it cannot answer.

    Raises OSError when none listens at ``paths``, or does not go on.
    """
    with _connected(paths) as connection, connection.makefile("rb") as answer:
        connection.sendall(f"{wish}\n".encode())
        for line in answer:
            yield json.loads(line)
            connection.settimeout(_AFTERWARDS)


def _connected(paths: Sequence[Path]) -> socket.socket:
    for path in paths:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_AT_FIRST)
        with suppress(OSError):
            connection.connect(str(path))
            if is_ours(connection):
                return connection
        connection.close()
    raise ConnectionRefusedError("No daemon of yours listens here.")


def is_ours(connection: socket.socket) -> bool:
    """Whether a process of this user is at the other end of a Unix connection. Raises OSError."""
    size = struct.calcsize(_CREDENTIALS)
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    _, user, _ = struct.unpack(_CREDENTIALS, credentials)
    return bool(user == os.getuid())
