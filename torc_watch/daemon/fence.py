"""No change without the lease: what the daemon has between itself and all that it could change.

A change is kept back until there was a heartbeat of ours not more than a moment ago: nobody takes
over before our patience, counted from then, is over. A process that was stopped and goes on finds
that its last heartbeat was long ago.
"""

from collections.abc import Collection

import anyio
from anyio import to_thread

from torc_watch.core.allocation import AllocationFailure, AllocationRequest, AllocationState
from torc_watch.core.errors import JournalError
from torc_watch.core.os_errors import describe_os_error
from torc_watch.core.provisioning import Capacity
from torc_watch.daemon.lease import Lease
from torc_watch.schedulers.base import Scheduler

_MOMENT = 1.0  # seconds
_OF_PATIENCE = 12  # a moment is never more of it than that, and so less than between heartbeats


class Fence:
    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._patience = lease.me.patience
        self._beaten_at = float("-inf")
        self._one_at_a_time = anyio.Lock()
        # Its own: those that all others share may wait for a file system that does not answer.
        self._thread = anyio.CapacityLimiter(1)

    async def pass_(self) -> None:
        """Raises LeaseLost, or JournalError when nobody could tell."""
        asked = anyio.current_time()
        async with self._one_at_a_time:  # one heartbeat is enough for all who have asked before it
            now = anyio.current_time()
            moment = min(_MOMENT, self._patience / _OF_PATIENCE)
            if self._beaten_at < min(asked, now - moment):
                await self._beat()
                self._beaten_at = now  # its answer may have come to us much later

    async def _beat(self) -> None:
        began = anyio.current_time()
        try:
            await to_thread.run_sync(self._lease.beat, limiter=self._thread)
        except OSError as error:
            raise JournalError(
                f"The state folder cannot be used: {describe_os_error(error)} "
                "Nothing is changed until it can."
            ) from error
        if anyio.current_time() - began >= self._patience / 2:  # the rest is for the change itself
            raise JournalError("The state folder took too long to answer. Nothing is changed.")


class FencedScheduler:
    def __init__(self, scheduler: Scheduler, fence: Fence) -> None:
        self._scheduler = scheduler
        self._fence = fence

    @property
    def type(self) -> str:
        return self._scheduler.type

    async def capacity(self) -> Capacity:
        return await self._scheduler.capacity()

    async def find(self, token: str) -> int | None:
        return await self._scheduler.find(token)

    async def submit(self, request: AllocationRequest) -> int:
        await self._fence.pass_()
        return await self._scheduler.submit(request)

    async def states(self, scheduler_ids: Collection[int]) -> dict[int, AllocationState]:
        return await self._scheduler.states(scheduler_ids)

    async def failure(self, scheduler_id: int) -> AllocationFailure | None:
        return await self._scheduler.failure(scheduler_id)

    async def cancel(self, scheduler_id: int) -> None:
        await self._fence.pass_()
        await self._scheduler.cancel(scheduler_id)
