"""What allocations that are queued or running will still take of the jobs that are left."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

from torc_watch.core.allocation import AllocationShape, AllocationStatus
from torc_watch.core.model import SchedulerConfig
from torc_watch.planner.job_kinds import PlannedJob, sort_jobs
from torc_watch.planner.workload import JobKind

# Torc's runner also starts a job that asks for a little more than the time that is left.
_GRACE = 120  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAllocation:
    """One that is queued or running. CPUs, memory and GPUs are of each node.

    None is not known, and limits nothing: better one allocation too few than one too many.
    ``remaining`` is its time from now or, of a queued one, from its start, in seconds.
    """

    num_cpus: int | None
    memory: int | None
    num_gpus: int = 0
    num_nodes: int = 1
    remaining: float | None = None


def open_allocation(
    shape: AllocationShape | SchedulerConfig | None, status: AllocationStatus, now: datetime
) -> OpenAllocation:
    """What an allocation that was asked for like this has left; None is not known."""
    if shape is None:
        return OpenAllocation(num_cpus=None, memory=None)
    remaining: float | None = shape.runtime
    if remaining is not None and status.began is not None:
        remaining -= (now - status.began).total_seconds()
    return OpenAllocation(
        num_cpus=shape.num_cpus,
        memory=shape.memory,
        num_gpus=shape.num_gpus,
        num_nodes=shape.num_nodes,
        remaining=remaining,
    )


@dataclass(slots=True)
class _Room:
    """``free`` is the part of an allocation that nothing takes yet."""

    allocation: OpenAllocation
    free: float = 1.0

    def take(self, kind: JobKind, jobs: int, begins: float) -> int:
        """How many of these jobs it runs, if their kind's turn comes in ``begins`` seconds."""
        capacity = _jobs_at_once(self.allocation, kind) * _waves(self.allocation, kind, begins)
        taken = min(jobs, int(capacity * self.free + 1e-9))
        if taken:
            self.free -= taken / capacity
        return taken


def uncovered_jobs(
    planned: Sequence[PlannedJob],
    running: Sequence[PlannedJob],
    allocations: Sequence[OpenAllocation],
) -> list[int]:
    """The positions of the planned jobs that none of the allocations will take.

    ``running`` are the jobs that they have already.
    """
    rooms = [_Room(allocation) for allocation in allocations]
    for kind in sort_jobs([replace(job, after=()) for job in running]).kinds:
        _place(rooms, kind, 0)
    found = sort_jobs(planned)
    covered: list[int] = []
    ends: list[float] = []  # of each kind, when all goes well
    for kind in found.kinds:
        begins = max((ends[before] for before in kind.after), default=0)
        ends.append(begins + kind.runtime * kind.in_a_row)
        covered.append(_place(rooms, kind, begins))
    kept = []
    for position, index in enumerate(found.kind_of):
        if covered[index] > 0:
            covered[index] -= 1
        else:
            kept.append(position)
    return kept


def restricted(planned: Sequence[PlannedJob], kept: Sequence[int]) -> tuple[PlannedJob, ...]:
    """Only these jobs; those that wait for others are marked so."""
    place = {position: index for index, position in enumerate(kept)}
    return tuple(
        replace(
            job,
            after=tuple(place[before] for before in job.after if before in place),
            waits=job.waits or any(before not in place for before in job.after),
        )
        for job in (planned[position] for position in kept)
    )


def _place(rooms: Sequence[_Room], kind: JobKind, begins: float) -> int:
    left = kind.jobs
    for room in rooms:
        left -= room.take(kind, left, begins)
    return kind.jobs - left


def _jobs_at_once(allocation: OpenAllocation, kind: JobKind) -> int:
    limits = ((allocation.num_cpus, kind.num_cpus), (allocation.memory, kind.memory))
    gpus = [(allocation.num_gpus, kind.num_gpus)] if kind.num_gpus else []
    on_node = min(
        (has // max(1, wants) for has, wants in chain(limits, gpus) if has is not None),
        default=kind.jobs,
    )
    in_parallel = -(-kind.jobs // kind.in_a_row)
    return min(in_parallel, on_node * (allocation.num_nodes // kind.num_nodes))


def _waves(allocation: OpenAllocation, kind: JobKind, begins: float) -> int:
    if allocation.remaining is None:
        return kind.jobs
    left = allocation.remaining - begins
    if left <= 0:
        return 0
    return max(int(left // kind.runtime), int(kind.runtime <= left + _GRACE))
