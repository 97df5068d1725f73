"""Reads files in threads that may be given up, since a file system may hang."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio

MAX_SECONDS = 20.0  # for all jobs of a workflow
Perform = Callable[[Callable[[], None]], Awaitable[None]]


class OutputReader:
    """Reads in a thread for each workflow, and begins no other while one hangs.

    The threads do not keep the process from ending.
    """

    def __init__(self, max_seconds: float = MAX_SECONDS) -> None:
        self._max_seconds = max_seconds
        self._hanging: threading.Thread | None = None

    async def __call__(self, work: Callable[[], None]) -> None:
        if self._hanging is not None and self._hanging.is_alive():
            return
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def run() -> None:
            try:
                work()
            finally:
                with suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(done.set)

        thread = threading.Thread(target=run, name="job outputs", daemon=True)
        thread.start()
        with anyio.move_on_after(self._max_seconds) as waiting:
            await done.wait()
        if waiting.cancelled_caught:
            self._hanging = thread
