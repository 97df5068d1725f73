"""Where the daemon's socket is, whose process is at its other end, and what ails the daemon.

Quick to import: `list` asks, too.
"""

import json
import os
import socket
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

_CREDENTIALS = "3i"  # process, user, group
_PATIENCE = 0.5  # seconds for the daemon to answer: it may hang
_MAX_ANSWER = 2**16  # bytes


def socket_paths(home: Path, environment: Mapping[str, str]) -> list[Path]:
    """Where the daemon of this state folder may listen on this login node, in order of preference.

    Not every login sets XDG_RUNTIME_DIR, so the daemon and its client may differ in it.
    """
    user = os.getuid()
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    runtimes = [runtime] if runtime.startswith("/") else []
    folders = [f"{runtime}/torc-watchd" for runtime in (*runtimes, f"/run/user/{user}")]
    folders.append(f"/tmp/torc-watchd-{user}")  # noqa: S108 - refused if it is not private
    key = sha256(os.fsencode(home.absolute())).hexdigest()[:12]
    return [Path(folder) / f"{key}.sock" for folder in dict.fromkeys(folders)]


def is_ours(connection: socket.socket) -> bool:
    """Whether the peer of a Unix connection is a process of this user. Raises OSError."""
    size = struct.calcsize(_CREDENTIALS)
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    _, user, _ = struct.unpack(_CREDENTIALS, credentials)
    return bool(user == os.getuid())


def is_anyone_at(paths: Sequence[Path]) -> bool:
    """Whether a process listens at one of ``paths``."""
    for path in paths:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_PATIENCE)
            connection.connect(str(path))
            return True
    return False


def daemon_trouble(paths: Sequence[Path]) -> str:
    """Why the daemon on this login node cannot go on, as it says itself.

    Empty if it can, or does not answer.
    """
    for path in paths:
        with suppress(OSError, ValueError, KeyError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_PATIENCE)
            connection.connect(str(path))
            if is_ours(connection):
                connection.sendall(b"trouble\n")
                answer = connection.makefile("rb").readline(_MAX_ANSWER)
                return str(json.loads(answer)["trouble"])
    return ""
