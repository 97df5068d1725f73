"""What a plan costs at most, and when it may begin."""

import math
from dataclasses import dataclass
from datetime import datetime

from torc_watch.core.allocation import LONGEST_RUNTIME, AllocationSpec
from torc_watch.core.model import SLURM
from torc_watch.core.recovery_round import Plan

_HOUR = 3600.0
_UNCHANGED = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPrice:
    """``node_hours`` are what its allocations use if each runs to its end; None on this machine.

    ``jobs`` are those that run because of it, with those that wait for them, and with others that
    start over. The largest ``memory_factor`` is by how much the request of a job grows: 1.0 where
    none does.
    ``starts_at`` is aware: when Slurm expects the first allocation to start; None where it does not
    say.
    """

    jobs: int
    allocations: int
    node_hours: float | None = None
    memory_factor: float = _UNCHANGED
    starts_at: datetime | None = None


def price_of(plan: Plan, starts_at: datetime | None = None) -> PlanPrice:
    is_of_slurm = plan.scheduler_type == SLURM
    hours = math.fsum(map(_hours_of, plan.allocations))
    return PlanPrice(
        jobs=_jobs(plan),
        allocations=len(plan.allocations),
        node_hours=hours if is_of_slurm else None,
        memory_factor=max(
            (after / before for before, after in _raised_memory(plan)), default=_UNCHANGED
        ),
        starts_at=starts_at,
    )


def _jobs(plan: Plan) -> int:
    if plan.joins_workers:
        return len(plan.unserved)
    again = sum(each.restarts_anyway for each in plan.left_alone) + len(plan.repeated or ())
    return len(plan.retries) + plan.uninitialized + plan.ready + again + plan.behind


def _raised_memory(plan: Plan) -> list[tuple[int, int]]:
    changes = [each.memory for each in plan.retries] + [each.memory for each in plan.raises]
    return [change for change in changes if change and change[0]]


def _hours_of(spec: AllocationSpec) -> float:
    """Also of one without a limit, for which Slurm is asked for the longest."""
    seconds = LONGEST_RUNTIME if spec.runtime is None else spec.runtime
    return spec.num_nodes * seconds / _HOUR
