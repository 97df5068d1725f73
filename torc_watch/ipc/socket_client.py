"""The client of the daemon's socket on this login node."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import anyio
from anyio.abc import SocketAttribute, SocketStream

from torc_watch.ipc.socket_paths import is_ours


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
