"""Outlasting a server that is away: jobs go on meanwhile, and their results are kept."""

import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from structlog.typing import FilteringBoundLogger

from torc_watch.core.errors import ServerFault, ServerUnreachable

OUTAGE = 20 * 60.0  # seconds; as long as Torc's own runner waits for a healthy database
FAREWELL = 20.0  # seconds that a worker told to stop may still take for its reports
FAULTS = 5  # answers with an error to one call, from a server that is there
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0

T = TypeVar("T")


class OutagePatience:
    """Repeats calls until the server answers, the outage is too long, or there is no more time.

    ``stop`` is set when the worker is told to stop: from then on there are ``farewell`` seconds.
    """

    def __init__(self, stop: anyio.Event, log: FilteringBoundLogger, *, farewell: float) -> None:
        self._stop = stop
        self._log = log
        self._farewell = farewell
        self._last_moment = math.inf

    def hurry(self) -> None:
        """No long waits from now on: the worker is about to leave."""
        self._last_moment = min(self._last_moment, anyio.current_time() + self._farewell)

    async def outlast(self, call: Callable[[], Awaitable[T]]) -> T:
        """The answer to ``call``, which must bear repetition.

        Raises what the server refuses at once, ServerUnreachable after a long outage, and
        ServerFault when the server answers but fails ``FAULTS`` times.
        """
        too_long = anyio.current_time() + OUTAGE
        pause = FIRST_PAUSE
        faults = 0
        while True:
            try:
                return await call()
            except (ServerUnreachable, ServerFault) as error:
                faults += isinstance(error, ServerFault)
                self._log.warning("server_away", error=str(error))
                if faults == FAULTS or not await self._rest(pause, too_long):
                    raise
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _rest(self, pause: float, too_long: float) -> bool:
        """Waits before the next call, less when told to stop; False if there shall be none."""
        if self._stop.is_set():
            self.hurry()
            await anyio.sleep(min(FIRST_PAUSE, self._farewell))
        else:
            with anyio.move_on_after(pause):
                await self._stop.wait()
                self.hurry()
        return anyio.current_time() < min(too_long, self._last_moment)
