"""What the engine needs of a scheduler: a cluster's, or this machine's processes without one."""

from collections.abc import Collection
from typing import Protocol

from torc_watch.core.allocation import AllocationFailure, AllocationRequest, AllocationState
from torc_watch.core.provisioning import Capacity


class Scheduler(Protocol):
    """``type`` is what Torc's rows of allocations call it. Methods raise SchedulerError."""

    @property
    def type(self) -> str: ...

    async def capacity(self) -> Capacity: ...

    async def find(self, token: str) -> int | None:
        """The scheduler's number of the allocation with this token, running or ended."""

    async def submit(self, request: AllocationRequest) -> int:
        """Submits one allocation and returns its number.

        Repeated with the same token after a crash it returns the allocation there is.
        """

    async def states(self, scheduler_ids: Collection[int]) -> dict[int, AllocationState]:
        """A state for each number asked after: GONE only when it surely ended. Changes nothing."""

    async def failure(self, scheduler_id: int) -> AllocationFailure | None:
        """What an allocation that is gone said when its worker ended with an error, if it did."""

    async def cancel(self, scheduler_id: int) -> None:
        """Ends an allocation, or what one that is gone left running."""
