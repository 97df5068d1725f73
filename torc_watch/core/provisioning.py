"""How many allocations to submit, and how large."""

from dataclasses import dataclass

from torc_watch.core.model import LocalScheduler


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What the scheduler has: CPUs at once, the most memory (bytes) and time (s) for one job.

    ``memory_at_once`` is what all allocations share; None where each node brings its own.
    """

    num_cpus: int
    memory: int
    runtime: int | None = None
    memory_at_once: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Jobs that will want to run, and the most that any of them asks for."""

    jobs: int
    num_cpus: int
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationOrder:
    token: str
    num_cpus: int
    memory: int


def orders(
    demand: Demand, *, shape: LocalScheduler | None, capacity: Capacity, allocation_stem: str
) -> tuple[AllocationOrder, ...]:
    """Allocations of the workflow's usual shape, made larger where its largest job needs it.

    At least one, and no more than the scheduler's CPUs and memory can carry side by side.
    """
    num_cpus = max(_usual_cpus(shape, capacity), demand.num_cpus)
    memory = min(max(_usual_memory(shape, capacity), demand.memory), capacity.memory)
    slots = max(1, min(num_cpus // max(1, demand.num_cpus), memory // max(1, demand.memory)))
    wanted = -(-demand.jobs // slots)
    side_by_side = capacity.num_cpus // num_cpus
    if capacity.memory_at_once is not None:
        side_by_side = min(side_by_side, capacity.memory_at_once // memory)
    return tuple(
        AllocationOrder(token=f"{allocation_stem}.{number}", num_cpus=num_cpus, memory=memory)
        for number in range(1, max(1, min(wanted, side_by_side)) + 1)
    )


def _usual_cpus(shape: LocalScheduler | None, capacity: Capacity) -> int:
    return shape.num_cpus if shape else capacity.num_cpus


def _usual_memory(shape: LocalScheduler | None, capacity: Capacity) -> int:
    return shape.memory if shape and shape.memory else capacity.memory
