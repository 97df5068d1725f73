"""Where the workers of all workflows run, as the engine knows it: no scheduler in particular.

All watches of all servers share one status query for each scheduler. A query asks for every
allocation that was asked for lately and whose status is too old for the caller, so one query serves
all watches of a cycle. There is one query at a time. An error is raised to every caller that waited
for that query, and forgotten: the next caller makes a new one, and no answer from before the error
is given again.

A scheduler may have a minimum interval, in which what has been asked for once is not asked for
again, nor anything after an error, unless a caller is about to act.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import anyio

from torc_watch.core.allocation import (
    AllocationSpec,
    AllocationState,
    AllocationStatus,
    NodeClass,
    StepEnd,
)
from torc_watch.core.errors import SchedulerError
from torc_watch.core.model import Allocation
from torc_watch.schedulers.base import EndedAttempts, Machine, Scheduler, WorkerAssignment

_FORGOTTEN_AFTER = 3600.0  # seconds since an allocation was asked for
_UNKNOWN = AllocationStatus(state=AllocationState.UNKNOWN)


class StatusCache:
    """A scheduler whose statuses are shared; one for each scheduler in a process."""

    def __init__(self, scheduler: Scheduler, *, min_interval: float = 0.0) -> None:
        self._scheduler = scheduler
        self._min_interval = min_interval  # seconds
        self._query_lock = anyio.Lock()  # held while the scheduler is asked
        self._asked_for: dict[int, float] = {}  # numbers, and when last
        self._ended: dict[int, AllocationStatus] = {}
        self._seen: dict[int, tuple[float, AllocationStatus]] = {}  # and when it was asked for
        self._changed: set[int] = set()  # by us, since the running query began
        self._failures = 0  # of queries, so far
        self._error = SchedulerError()  # of the last of them
        self._error_began = float("-inf")
        self._quiet_until = float("-inf")  # after an error

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
        number = await self._scheduler.submit(spec, work)
        self._forget(number)
        return number

    async def release(self, numbers: Sequence[int]) -> None:
        await self._scheduler.release(numbers)

    async def cancel(self, number: int) -> None:
        await self._scheduler.cancel(number)
        self._forget(number)

    async def steps(self, numbers: Collection[int]) -> Mapping[int, Mapping[str, StepEnd]]:
        return await self._scheduler.steps(numbers)

    async def end_remnants(self, number: int, attempts: EndedAttempts) -> int:
        return await self._scheduler.end_remnants(number, attempts)

    async def statuses(
        self, numbers: Collection[int], *, max_age: float
    ) -> dict[int, AllocationStatus]:
        """A status for each number, asked for at most ``max_age`` seconds before this call.

        A ``max_age`` below the minimum interval is raised to it, except 0: that is for a caller
        that must not act on what it, or another, has seen before. One that is GONE is final, and
        given without another query. Raises SchedulerError.
        """
        max_age = max(max_age, self._min_interval) if max_age else 0.0
        oldest = anyio.current_time() - max_age
        failures = self._failures
        self._asked_for |= dict.fromkeys(numbers, anyio.current_time())
        while not all(self._knows(number, oldest) for number in numbers):
            async with self._query_lock:
                has_failed = self._failures > failures and self._error_began >= oldest  # meanwhile
                if has_failed or (max_age and anyio.current_time() < self._quiet_until):
                    # One for each caller: an error collects the frames that it is raised through.
                    raise type(self._error)(str(self._error)) from self._error
                if not all(self._knows(number, oldest) for number in numbers):
                    await self._ask(numbers, oldest)
        return {number: self._ended.get(number) or self._seen[number][1] for number in numbers}

    def _knows(self, number: int, oldest: float) -> bool:
        if number in self._ended:
            return True
        return number in self._seen and self._seen[number][0] >= oldest

    async def _ask(self, wanted: Iterable[int], oldest: float) -> None:
        """The caller holds the lock. If it is canceled, the next one that waits asks anew.

        Also for what will be too old soon: else watches that began one after the other would need
        as many queries for ever.
        """
        self._forget_long_unasked()
        self._changed.clear()
        began = anyio.current_time()
        half_as_old = (oldest + began) / 2
        numbers = {
            number for number in {*self._asked_for, *wanted} if not self._knows(number, half_as_old)
        }
        try:
            answer = await self._scheduler.statuses(numbers)
        except SchedulerError as error:
            self._failures += 1
            self._error, self._error_began = error, began
            self._quiet_until = began + self._min_interval
            self._seen.clear()
            raise
        self._quiet_until = float("-inf")
        # What was submitted or canceled meanwhile may have been seen as it was before.
        for number in numbers - self._changed:
            status = answer.get(number, _UNKNOWN)
            self._seen[number] = began, status
            if status.state is AllocationState.GONE:
                self._ended[number] = status

    def _forget(self, number: int) -> None:
        self._changed.add(number)
        self._ended.pop(number, None)
        self._seen.pop(number, None)

    def _forget_long_unasked(self) -> None:
        since = anyio.current_time() - _FORGOTTEN_AFTER
        for number in [number for number, when in self._asked_for.items() if when < since]:
            del self._asked_for[number]
            self._ended.pop(number, None)
            self._seen.pop(number, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One object in a process, however many Torc servers and watches there are.

    ``schedulers`` has at least one, by Torc's ``scheduler_type``; the first is asked where nothing
    says which.
    """

    schedulers: Mapping[str, StatusCache]
    machine: Machine

    @classmethod
    def of(
        cls,
        *schedulers: Scheduler,
        machine: Machine,
        min_intervals: Mapping[str, float] | None = None,
    ) -> Self:
        """``min_intervals`` has seconds for types of schedulers that are not to be asked often."""
        intervals = min_intervals or {}
        caches = {
            each.type: StatusCache(each, min_interval=intervals.get(each.type, 0.0))
            for each in schedulers
        }
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

    async def steps(self, allocations: Collection[Allocation]) -> dict[int, Mapping[str, StepEnd]]:
        """How the steps of ended allocations ended, by the allocation's ID and the step's name.

        By one query of each scheduler. Raises SchedulerError.
        """
        found: dict[int, Mapping[str, StepEnd]] = {}
        for kind, scheduler in self.schedulers.items():
            ids = {
                each.scheduler_id: each.id for each in allocations if each.scheduler_type == kind
            }
            if ids:
                steps = await scheduler.steps(ids.keys())
                found |= {ids[number]: ends for number, ends in steps.items()}
        return found

    async def cancel(self, allocation: Allocation) -> None:
        """Nothing for an allocation whose scheduler is not known here. Raises SchedulerError."""
        if scheduler := self.schedulers.get(allocation.scheduler_type):
            await scheduler.cancel(allocation.scheduler_id)

    async def end_remnants(self, allocation: Allocation, attempts: EndedAttempts) -> int:
        """Raises SchedulerError where something may be left."""
        scheduler = self.scheduler(allocation.scheduler_type)
        return await scheduler.end_remnants(allocation.scheduler_id, attempts)
