"""What the daemon says on its socket, and when it has said what is waited for."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

_LONGEST_LINE = 2**20  # bytes
_PAUSE = 0.02  # seconds until a daemon that starts is looked for again

Change = tuple[int, dict[str, Any] | None]  # workflow, what is shown of it or None once removed


class Following:
    """``workflows`` is how many are known, whose present state is told first."""

    def __init__(self, lines: BufferedByteReceiveStream) -> None:
        self._lines = lines

    async def changes(self) -> AsyncGenerator[Change, None]:
        while True:
            change = json.loads(await self._lines.receive_until(b"\n", _LONGEST_LINE))
            yield change["workflow_id"], change["view"]

    async def until_looked_at(self, workflows: int) -> None:
        """Waits until so many were looked at, and the next look of each is known."""
        looked_at = set()
        async for workflow_id, view in self.changes():
            if view is not None and view["next_look"]:
                looked_at.add(workflow_id)
            if len(looked_at) == workflows:
                return

    async def until_counted(self, wanted: int) -> None:
        """Waits until the jobs of this workflow were counted, by the first look at it."""
        async for workflow_id, view in self.changes():
            if workflow_id == wanted and view is not None and view["counts"] is not None:
                return

    async def until_removed(self, unwanted: int) -> None:
        async for workflow_id, view in self.changes():
            if workflow_id == unwanted and view is None:
                return


@asynccontextmanager
async def following(socket: Path) -> AsyncIterator[Following]:
    """From when the daemon listens."""
    async with await _connected(socket) as stream:
        await stream.send(b"follow\n")
        yield Following(BufferedByteReceiveStream(stream))


async def _connected(socket: Path) -> SocketStream:
    while True:
        try:
            return await anyio.connect_unix(socket)
        except OSError:
            await anyio.sleep(_PAUSE)
