"""No change without the lease: the fence stands before everything that the daemon changes.

A change waits until there was a heartbeat of ours at most a second ago: no takeover happens before
our patience, counted from that heartbeat, is over. A process that was suspended and is resumed
finds that its last heartbeat was long ago.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import anyio
from anyio import to_thread

from torc_watch.core.allocation import AllocationSpec, AllocationStatus, NodeClass, StepEnd
from torc_watch.core.errors import JournalError
from torc_watch.core.os_errors import describe_os_error
from torc_watch.daemon.lease import Lease
from torc_watch.schedulers.base import EndedAttempts, Scheduler, WorkerAssignment

_MAX_AGE = 1.0  # seconds since a heartbeat
_PATIENCE_PART = 12  # the age is at most this part of the patience: less than between heartbeats


class Fence:
    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._patience = lease.me.patience
        self._beaten_at = float("-inf")
        self._lock = anyio.Lock()
        # Its own thread: all shared ones may block on a file system that does not answer.
        self._thread = anyio.CapacityLimiter(1)

    async def check(self) -> None:
        """Returns if we hold the lease. Raises LeaseLost, or JournalError if that is unknown."""
        asked = anyio.current_time()
        async with self._lock:  # one heartbeat is enough for all calls that were made before it
            now = anyio.current_time()
            max_age = min(_MAX_AGE, self._patience / _PATIENCE_PART)
            if self._beaten_at < min(asked, now - max_age):
                await self._beat()
                self._beaten_at = now  # before the heartbeat: it may have taken long

    async def _beat(self) -> None:
        began = anyio.current_time()
        try:
            await to_thread.run_sync(self._lease.beat, limiter=self._thread)
        except OSError as error:
            raise JournalError(
                f"The state folder cannot be used: {describe_os_error(error)} "
                "Nothing is changed until it can."
            ) from error
        if anyio.current_time() - began >= self._patience / 2:  # leave the rest to the change
            raise JournalError("The state folder took too long to answer. Nothing is changed.")


class FencedScheduler:
    def __init__(self, scheduler: Scheduler, fence: Fence) -> None:
        self._scheduler = scheduler
        self._fence = fence

    @property
    def type(self) -> str:
        return self._scheduler.type

    async def node_classes(self) -> tuple[NodeClass, ...]:
        return await self._scheduler.node_classes()

    async def cluster_name(self) -> str:
        return await self._scheduler.cluster_name()

    async def kill_wait(self) -> int | None:
        return await self._scheduler.kill_wait()

    async def expected_start(self, spec: AllocationSpec) -> datetime | None:
        return await self._scheduler.expected_start(spec)

    async def find(self, tokens: Collection[str]) -> Mapping[str, int]:
        return await self._scheduler.find(tokens)

    async def submit(self, spec: AllocationSpec, work: WorkerAssignment) -> int:
        await self._fence.check()
        return await self._scheduler.submit(spec, work)

    async def release(self, numbers: Sequence[int]) -> None:
        await self._fence.check()
        await self._scheduler.release(numbers)

    async def statuses(self, numbers: Collection[int]) -> Mapping[int, AllocationStatus]:
        return await self._scheduler.statuses(numbers)

    async def steps(self, numbers: Collection[int]) -> Mapping[int, Mapping[str, StepEnd]]:
        return await self._scheduler.steps(numbers)

    async def cancel(self, number: int) -> None:
        await self._fence.check()
        await self._scheduler.cancel(number)

    async def end_remnants(self, number: int, attempts: EndedAttempts) -> int:
        await self._fence.check()
        return await self._scheduler.end_remnants(number, attempts)
