"""Work that may compute for seconds, on an event loop in a thread of its own.

The screen goes on meanwhile. Canceled here, the work is canceled there.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from anyio import to_thread

T = TypeVar("T")


async def in_own_thread(work: Callable[[], Awaitable[T]]) -> T:
    """Raises what ``work`` raises."""
    stop: list[Callable[[], object]] = []

    async def stoppable() -> T:
        loop, this = asyncio.get_running_loop(), asyncio.current_task()
        assert this is not None  # noqa: S101 - a loop runs tasks
        stop.append(lambda: loop.call_soon_threadsafe(this.cancel))
        return await work()

    try:
        return await to_thread.run_sync(anyio.run, stoppable, abandon_on_cancel=True)
    except asyncio.CancelledError:
        for end in stop:
            end()
        raise
