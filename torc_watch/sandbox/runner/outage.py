"""Waits for the end of a server's outage; jobs keep running, and their results are kept."""

import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from structlog.typing import FilteringBoundLogger

from torc_watch.torc.retry_policy import FailedAttempt, failure, outage_policy

OUTAGE = 20 * 60.0  # seconds; as long as Torc's own runner waits for a healthy database
FAREWELL = 20.0  # seconds that a stopped worker may still take for its reports
_PAUSE_WHEN_STOPPED = 1.0

T = TypeVar("T")


class OutagePatience:
    """Repeats calls until the server answers, the outage is too long, or the worker has to end.

    ``stop`` is set when the worker is told to stop: from then on there are ``farewell`` seconds.
    """

    def __init__(self, stop: anyio.Event, log: FilteringBoundLogger, *, farewell: float) -> None:
        self._stop = stop
        self._log = log
        self._farewell = farewell
        self._deadline = math.inf

    def hurry(self) -> None:
        """The worker is about to end: ``farewell`` seconds are left for all calls."""
        self._deadline = min(self._deadline, anyio.current_time() + self._farewell)

    async def outlast(self, call: Callable[[], Awaitable[T]]) -> T:
        """The result of ``call``, which must be safe to repeat.

        Raises what the server refuses at once, ServerUnreachable after a long outage, and
        ServerFault when the server answers but keeps failing.
        """
        too_long = anyio.current_time() + OUTAGE

        async def pause(attempt: FailedAttempt) -> None:
            error = failure(attempt)
            self._log.warning("server_away", error=str(error))
            await self._rest(attempt.upcoming_sleep)
            if error is not None and anyio.current_time() >= min(too_long, self._deadline):
                raise error

        async def answer() -> T:
            return await call()

        return await outage_policy(pause)(answer)

    async def _rest(self, seconds: float) -> None:
        """Shorter when the worker has been told to stop, and ends when it is told so."""
        if self._stop.is_set():
            self.hurry()
            await anyio.sleep(min(_PAUSE_WHEN_STOPPED, self._farewell))
        else:
            with anyio.move_on_after(seconds):
                await self._stop.wait()
                self.hurry()
