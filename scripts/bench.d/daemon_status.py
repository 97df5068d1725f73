"""Reads the workflow states that the daemon sends on its socket."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

_LONGEST_LINE = 2**20  # bytes
_PAUSE = 0.02  # seconds between attempts to connect while the daemon starts

Change = tuple[int, dict[str, Any] | None]  # workflow, and its view or None if it was removed


class StatusStream:
    """The state changes of all workflows; the current states come first."""

    def __init__(self, lines: BufferedByteReceiveStream) -> None:
        self._lines = lines

    async def changes(self) -> AsyncGenerator[Change, None]:
        while True:
            change = json.loads(await self._lines.receive_until(b"\n", _LONGEST_LINE))
            yield change["workflow_id"], change["view"]

    async def until_polled(self, workflows: int) -> None:
        """Waits until this number of workflows has been polled and has a time for the next poll."""
        polled = set()
        async for workflow_id, view in self.changes():
            if view is not None and view["next_look"]:
                polled.add(workflow_id)
            if len(polled) == workflows:
                return

    async def until_counted(self, expected: int) -> None:
        """Waits until the first poll of this workflow has counted its jobs."""
        async for workflow_id, view in self.changes():
            if workflow_id == expected and view is not None and view["counts"] is not None:
                return

    async def until_removed(self, removed: int) -> None:
        async for workflow_id, view in self.changes():
            if workflow_id == removed and view is None:
                return


@asynccontextmanager
async def follow(socket: Path) -> AsyncIterator[StatusStream]:
    """Connects as soon as the daemon listens."""
    async with await _connected(socket) as stream:
        await stream.send(b"follow\n")
        yield StatusStream(BufferedByteReceiveStream(stream))


async def _connected(socket: Path) -> SocketStream:
    while True:
        try:
            return await anyio.connect_unix(socket)
        except OSError:
            await anyio.sleep(_PAUSE)
