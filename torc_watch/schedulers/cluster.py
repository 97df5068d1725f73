"""Where the workers of all workflows run, as the engine knows it: no scheduler in particular."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from torc_watch.core.allocation import AllocationState, AllocationStatus
from torc_watch.core.errors import SchedulerError
from torc_watch.core.model import Allocation
from torc_watch.schedulers.base import Machine, Scheduler
from torc_watch.schedulers.status_cache import StatusCache

_UNKNOWN = AllocationStatus(state=AllocationState.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One object in a process, however many Torc servers and watches there are.

    ``schedulers`` has at least one, by Torc's ``scheduler_type``; the first is asked where nothing
    says which.
    """

    schedulers: Mapping[str, StatusCache]
    machine: Machine

    @classmethod
    def of(cls, *schedulers: Scheduler, machine: Machine) -> Self:
        caches = {scheduler.type: StatusCache(scheduler) for scheduler in schedulers}
        return cls(schedulers=caches, machine=machine)

    @property
    def default(self) -> StatusCache:
        return next(iter(self.schedulers.values()))

    def scheduler(self, scheduler_type: str | None) -> StatusCache:
        """The default where no type is given. Raises SchedulerError for one not known here."""
        if scheduler_type is None:
            return self.default
        try:
            return self.schedulers[scheduler_type]
        except KeyError:
            raise SchedulerError(
                f"There is no scheduler of type {scheduler_type!r} here, for which the plan was "
                "made. Recover the workflow where there is one."
            ) from None

    async def statuses(
        self, allocations: Iterable[Allocation], *, max_age: float
    ) -> tuple[tuple[Allocation, AllocationStatus], ...]:
        """Each with its status, by one query of each scheduler; UNKNOWN for one not known here.

        Raises SchedulerError. ``max_age`` is in seconds: ``StatusCache.statuses``.
        """
        allocations = tuple(allocations)
        known: dict[tuple[str, int], AllocationStatus] = {}
        for kind, scheduler in self.schedulers.items():
            numbers = [each.scheduler_id for each in allocations if each.scheduler_type == kind]
            if numbers:
                statuses = await scheduler.statuses(numbers, max_age=max_age)
                known |= {(kind, number): status for number, status in statuses.items()}
        return tuple(
            (each, known.get((each.scheduler_type, each.scheduler_id), _UNKNOWN))
            for each in allocations
        )

    async def cancel(self, allocation: Allocation) -> None:
        """Nothing for an allocation whose scheduler is not known here. Raises SchedulerError."""
        if scheduler := self.schedulers.get(allocation.scheduler_type):
            await scheduler.cancel(allocation.scheduler_id)
