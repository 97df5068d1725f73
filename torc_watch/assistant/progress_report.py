"""Tells the client of a call that it still waits, and for what."""

import asyncio
from contextlib import suppress
from typing import Self

import anyio
from mcp.server.mcpserver import Context

_INTERVAL = 2.0  # seconds


class ProgressReport:
    """A context manager. ``text`` is what is told next, and may be changed.

    There is no total: how long a server or a round takes is not known. A client that does not want
    to know is told nothing.
    """

    def __init__(self, context: Context, text: str) -> None:
        self.text = text
        self._context = context
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._tell())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()

    async def _tell(self) -> None:
        """Until the client is gone, which is no reason to end what it asked for."""
        steps = 0
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                steps += 1
                await self._context.report_progress(steps, None, self.text)
                await asyncio.sleep(_INTERVAL)
