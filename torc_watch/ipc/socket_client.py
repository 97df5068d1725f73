"""The daemon of this login node, over its socket."""

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


async def connect(paths: Sequence[Path]) -> SocketStream:
    """To the daemon, at the first of ``paths`` where one listens. Raises OSError."""
    for path in paths:
        with suppress(OSError):
            stream = await anyio.connect_unix(path)
            if is_ours(stream.extra(SocketAttribute.raw_socket)):  # noqa: S610 - no SQL
                return stream
            await stream.aclose()
    raise ConnectionRefusedError("No daemon of yours listens here.")


async def poke(paths: Sequence[Path], seconds: float) -> bool:
    """Whether the daemon said within ``seconds`` that it has taken in what is in the spool."""
    left = anyio.EndOfStream, anyio.BrokenResourceError
    with anyio.move_on_after(seconds), suppress(OSError, *left):
        async with await connect(paths) as stream:
            await stream.send(b"poke\n")
            return bool(await stream.receive())
    return False


def is_ours(connection: socket.socket) -> bool:
    """Whether a process of this user is at the other end of a Unix connection. Raises OSError."""
    size = struct.calcsize(_CREDENTIALS)
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    _, user, _ = struct.unpack(_CREDENTIALS, credentials)
    return bool(user == os.getuid())
