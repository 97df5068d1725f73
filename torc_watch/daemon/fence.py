"""No change without the lease: what the daemon has between itself and all that it could change.

A change is held back until there was a heartbeat of ours not more than a moment ago: there is no
takeover before our patience, counted from then, is over. A process that was stopped and resumes
finds that its last heartbeat was long ago.
"""

from collections.abc import Collection, Mapping

import anyio
from anyio import to_thread

from torc_watch.core.allocation import AllocationSpec, AllocationStatus, NodeClass
from torc_watch.core.errors import JournalError
from torc_watch.core.os_errors import describe_os_error
from torc_watch.daemon.lease import Lease
from torc_watch.schedulers.base import Scheduler, WorkerAssignment

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

    async def check(self) -> None:
        """Raises LeaseLost, or JournalError when the lease cannot be read."""
        asked = anyio.current_time()
        async with self._one_at_a_time:  # one heartbeat is enough for all that asked before it
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

    async def node_classes(self) -> tuple[NodeClass, ...]:
        return await self._scheduler.node_classes()

    async def submit(self, spec: AllocationSpec, work: WorkerAssignment) -> int:
        await self._fence.check()
        return await self._scheduler.submit(spec, work)

    async def statuses(self, numbers: Collection[int]) -> Mapping[int, AllocationStatus]:
        return await self._scheduler.statuses(numbers)

    async def cancel(self, number: int) -> None:
        await self._fence.check()
        await self._scheduler.cancel(number)
