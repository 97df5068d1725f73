"""How the watches of one server share it.

A few poll at once, however many watches there are. While the server fails, one watch retries it
with backoff, and the others wait for the outcome.
"""

import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from torc_watch.core import intervals
from torc_watch.core.errors import ServerFault, ServerUnreachable
from torc_watch.torc.retry_policy import jittered_backoff

_POLLS = 8  # at once; a poll is a handful of requests, one after the other
_STREAMS = 100  # further watches get no event stream: each costs the server a connection


class ServerThrottle:
    def __init__(self) -> None:
        self._polls = anyio.CapacityLimiter(_POLLS)
        self._streams = anyio.Semaphore(_STREAMS)
        self._retrying = anyio.Lock()
        self._failures = 0
        self._last_error = ""
        self._not_before = 0.0
        self._planned = Counter[int]()

    @property
    def outage(self) -> str:
        """The error of the last attempt; empty while the server answers."""
        return self._last_error if self._failures else ""

    @asynccontextmanager
    async def poll_slot(self, patience: float | None = None) -> AsyncIterator[None]:
        """Waits for a slot. What is raised inside tells whether the server fails.

        Raises ServerUnreachable, with the error of the last attempt, when the next attempt is
        further away than ``patience``, in seconds.
        """
        async with self._polls:
            if not self._failures:  # not even of those that had their slot while this one waited
                async with self._track_outage():
                    yield
                return
            async with self._retrying:
                pause = self._not_before - anyio.current_time()
                if patience is not None and pause > patience:
                    raise ServerUnreachable(self._last_error)
                await anyio.sleep_until(self._not_before)
                async with self._track_outage():
                    yield

    def next_poll_delay(self, interval: float, *, is_first: bool) -> float:
        """Seconds, about ``interval``, until a poll at a time with the fewest other polls."""
        now = anyio.current_time()
        for second in [second for second in self._planned if second < int(now)]:
            del self._planned[second]
        moment = intervals.next_poll_time(
            now, interval, _chance(), self._planned, is_first=is_first
        )
        self._planned[int(moment)] += 1
        return moment - now

    @asynccontextmanager
    async def stream_slot(self) -> AsyncIterator[bool]:
        """Whether one more event stream is allowed; if so, it counts until this is left."""
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
    async def _track_outage(self) -> AsyncIterator[None]:
        failures = self._failures
        try:
            yield
        except (ServerUnreachable, ServerFault) as error:
            if self._failures == failures:  # simultaneous errors of several watches count once
                self._record_failure(str(error))
            raise
        self._failures, self._not_before = 0, 0.0

    def _record_failure(self, reason: str) -> None:
        self._failures += 1
        self._last_error = reason
        self._not_before = anyio.current_time() + jittered_backoff(self._failures)


def _chance() -> float:
    return random.random()  # noqa: S311 - spreads load, protects nothing
