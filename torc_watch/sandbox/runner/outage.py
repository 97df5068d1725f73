"""Retries calls during an outage of the server, while jobs keep running and results are kept."""

import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from structlog.typing import FilteringBoundLogger

from torc_watch.torc.retry_policy import FailedAttempt, failure, outage_policy

OUTAGE = 20 * 60.0  # seconds; Torc's own runner waits as long for a healthy database
SHUTDOWN_GRACE = 20.0  # seconds in which a stopped worker may still report results
_WAIT_WHEN_STOPPED = 1.0

T = TypeVar("T")


class OutageRetry:
    """Retries calls until the server answers, the outage is too long, or the worker must end.

    ``stop`` is set when the worker has to stop; then ``shutdown_grace`` seconds remain.
    """

    def __init__(
        self, stop: anyio.Event, log: FilteringBoundLogger, *, shutdown_grace: float
    ) -> None:
        self._stop = stop
        self._log = log
        self._shutdown_grace = shutdown_grace
        self._deadline = math.inf

    def start_shutdown_grace(self) -> None:
        """Limit all calls to ``shutdown_grace`` seconds from now, because the worker ends."""
        self._deadline = min(self._deadline, anyio.current_time() + self._shutdown_grace)

    async def call(self, function: Callable[[], Awaitable[T]]) -> T:
        """The result of ``function``, which must be safe to repeat.

        Raises a refusal at once, ServerUnreachable after a long outage, and ServerFault if the
        server answers but keeps failing.
        """
        deadline = anyio.current_time() + OUTAGE

        async def wait(attempt: FailedAttempt) -> None:
            error = failure(attempt)
            self._log.warning("server_away", error=str(error))
            await self._wait(attempt.upcoming_sleep)
            if error is not None and anyio.current_time() >= min(deadline, self._deadline):
                raise error

        async def answer() -> T:
            return await function()

        return await outage_policy(wait)(answer)

    async def _wait(self, seconds: float) -> None:
        """Wait for the next attempt; a stop ends the wait or makes it short."""
        if self._stop.is_set():
            self.start_shutdown_grace()
            await anyio.sleep(min(_WAIT_WHEN_STOPPED, self._shutdown_grace))
        else:
            with anyio.move_on_after(seconds):
                await self._stop.wait()
                self.start_shutdown_grace()
