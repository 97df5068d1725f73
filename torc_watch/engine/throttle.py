"""How the watches of one server share its attention.

A few look at once, however many there are. When the server is unwell one of them tries, after a
pause that grows, and the others wait for how that ends.
"""

import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from torc_watch.core import polling
from torc_watch.core.errors import ServerFault, ServerUnreachable

_LOOKS = 8  # at once; a look is a handful of requests, one after the other
_STREAMS = 100  # further watches do without hints: a stream costs the server a connection


class ServerThrottle:
    def __init__(self) -> None:
        self._looks = anyio.CapacityLimiter(_LOOKS)
        self._streams = anyio.Semaphore(_STREAMS)
        self._trying = anyio.Lock()
        self._failures = 0
        self._trouble = ""
        self._not_before = 0.0
        self._planned = Counter[int]()

    @property
    def trouble(self) -> str:
        """What the last met who tried; empty while the server is well."""
        return self._trouble if self._failures else ""

    @asynccontextmanager
    async def look(self, patience: float | None = None) -> AsyncIterator[None]:
        """Waits for a turn. What is raised inside tells whether the server is well.

        Raises ServerUnreachable, with what the last met who tried, when nobody is to try again for
        longer than ``patience``, in seconds.
        """
        async with self._looks:
            if not self._failures:  # also of those who had their turn while we waited for ours
                async with self._minding():
                    yield
                return
            async with self._trying:
                pause = self._not_before - anyio.current_time()
                if patience is not None and pause > patience:
                    raise ServerUnreachable(self._trouble)
                await anyio.sleep_until(self._not_before)
                async with self._minding():
                    yield

    def until_next_look(self, interval: float, *, is_first: bool) -> float:
        """Seconds, about ``interval``, to a look that comes when the fewest others do."""
        now = anyio.current_time()
        for second in [second for second in self._planned if second < int(now)]:
            del self._planned[second]
        chance = random.random()  # noqa: S311
        moment = polling.next_poll(now, interval, chance, self._planned, is_first=is_first)
        self._planned[int(moment)] += 1
        return moment - now

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[bool]:
        """Whether there may be one more event stream; if so, it counts until this is left."""
        try:
            self._streams.acquire_nowait()
        except anyio.WouldBlock:
            yield False
            return
        try:
            yield True
        finally:
            self._streams.release()

    @asynccontextmanager
    async def _minding(self) -> AsyncIterator[None]:
        failures = self._failures
        try:
            yield
        except (ServerUnreachable, ServerFault) as error:
            if self._failures == failures:  # what several meet at the same time is one failure
                self._fail(str(error))
            raise
        self._failures, self._not_before = 0, 0.0

    def _fail(self, reason: str) -> None:
        self._failures += 1
        self._trouble = reason
        pause = polling.until_next_try(self._failures, random.random())  # noqa: S311
        self._not_before = anyio.current_time() + pause
