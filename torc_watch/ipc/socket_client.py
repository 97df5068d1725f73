"""The client of the daemon's socket on this login node."""

import os
import socket
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import anyio
from anyio.abc import SocketAttribute, SocketStream

_CREDENTIALS = "3i"  # process, user, group


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


async def connect(paths: Sequence[Path]) -> SocketStream:
    """Connects to the daemon at the first of ``paths`` where one listens. Raises OSError."""
    for path in paths:
        with suppress(OSError):
            stream = await anyio.connect_unix(path)
            if is_ours(stream.extra(SocketAttribute.raw_socket)):  # noqa: S610 - no SQL
                return stream
            await stream.aclose()
    raise ConnectionRefusedError("No daemon of yours listens here.")


async def poke(paths: Sequence[Path], seconds: float) -> bool:
    """Whether the daemon confirmed within ``seconds`` that it applied the commands in the spool."""
    disconnected = anyio.EndOfStream, anyio.BrokenResourceError
    with anyio.move_on_after(seconds), suppress(OSError, *disconnected):
        async with await connect(paths) as stream:
            await stream.send(b"poke\n")
            return bool(await stream.receive())
    return False


def is_ours(connection: socket.socket) -> bool:
    """Whether the peer of a Unix connection is a process of this user. Raises OSError."""
    size = struct.calcsize(_CREDENTIALS)
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    _, user, _ = struct.unpack(_CREDENTIALS, credentials)
    return bool(user == os.getuid())
