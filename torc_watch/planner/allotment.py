"""How many allocations a batch of jobs gets, how long ones, and of which shape."""

from collections.abc import Iterator
from dataclasses import replace

from torc_watch.core.allocation import AllocationShape
from torc_watch.core.units import MIB
from torc_watch.planner.allocation_time import USUAL_WALLTIME
from torc_watch.planner.batch import Allotment, JobBatch, Terms
from torc_watch.planner.choice import waves_within
from torc_watch.planner.limits import (
    MEMORY,
    NUM_CPUS,
    NUM_GPUS,
    NUM_NODES,
    Bound,
    bound,
    bounds_at_once,
    strictest,
)

# What the worker itself needs beside its jobs, where an allocation has no whole node.
_WORKER_MEMORY = 256 * MIB
_MOST_WAVES = 10**6  # where no limit is known


def allot(batch: JobBatch, terms: Terms, most: Bound | None = None) -> Allotment:
    """The fewest allocations of about USUAL_WALLTIME, each with as many waves as the others.

    ``most`` bounds their number, and so does what may run at once: then they are longer instead,
    up to the limit. Chains get as many links in one allocation as the limit allows.
    """
    most = strictest((*_at_once(batch, terms), *((most,) if most else ())))
    if batch.in_a_row > 1:
        return _for_chains(batch, terms, most)
    if _runs_at_once(batch, terms):
        return _allotment(batch, terms, number=1, waves=1)
    blocks = -(-batch.jobs // jobs_per_allocation(batch, terms))
    number = -(-blocks // _waves(batch, terms, USUAL_WALLTIME))
    if most is None or number <= most.value:
        return _allotment(batch, terms, number=number, waves=-(-blocks // number))
    number = most.value
    waves = min(_waves(batch, terms), -(-blocks // number))
    return replace(_allotment(batch, terms, number=number, waves=waves), bounded_by=most.source)


def shape(batch: JobBatch, allotment: Allotment, terms: Terms) -> AllocationShape:
    """Whole nodes where no others can use the rest, else what the jobs can use at once."""
    has, jobs = terms.choice.capacity, -(-allotment.jobs_at_once // _spread(batch, terms))
    if terms.choice.candidate.partition.is_exclusive:
        return AllocationShape(
            num_cpus=has.num_cpus.value,
            memory=has.memory.value,
            num_gpus=has.num_gpus.value if batch.num_gpus else 0,
            num_nodes=allotment.num_nodes,
            runtime=allotment.runtime,
        )
    num_cpus = min(jobs * batch.num_cpus, batch.total_cpus)
    memory = min(jobs * batch.memory, batch.total_memory) + _WORKER_MEMORY
    most_per_cpu = terms.choice.candidate.partition.max_memory_per_cpu
    most = min(has.memory.value, num_cpus * most_per_cpu if most_per_cpu else memory)
    return AllocationShape(
        num_cpus=num_cpus,
        memory=min(-(-memory // MIB) * MIB, most),
        num_gpus=min(jobs * batch.num_gpus, batch.total_gpus),
        num_nodes=allotment.num_nodes,
        runtime=allotment.runtime,
    )


def jobs_per_allocation(batch: JobBatch, terms: Terms) -> int:
    """How many jobs run side by side, where there are enough. One, where it has several nodes."""
    return _spread(batch, terms) * (1 if terms.job_nodes > 1 else _jobs_per_node(batch, terms))


def _spread(batch: JobBatch, terms: Terms) -> int:
    """On how many places of an allocation jobs start: its nodes, or only its first one."""
    return batch.num_nodes // terms.job_nodes if terms.spreads_jobs else 1


def _jobs_per_node(batch: JobBatch, terms: Terms) -> int:
    has = terms.choice.capacity
    return max(
        1,
        min(
            has.num_cpus.value // batch.num_cpus,
            has.memory.value // max(1, batch.memory),
            has.num_gpus.value // batch.num_gpus if batch.num_gpus else batch.jobs,
        ),
    )


def _runs_at_once(batch: JobBatch, terms: Terms) -> bool:
    """Whether all jobs fit one node together, however unlike they are."""
    has = terms.choice.capacity
    return (
        terms.job_nodes == 1
        and batch.total_cpus <= has.num_cpus.value
        and batch.total_memory <= has.memory.value
        and batch.total_gpus <= has.num_gpus.value
    )


def _waves(batch: JobBatch, terms: Terms, usual: int | None = None) -> int:
    longest = terms.choice.longest
    if usual is not None and terms.runtime is None:
        longest = usual if longest is None else min(usual, longest)
    return waves_within(longest, batch.runtime, terms.margin, _MOST_WAVES)


def _for_chains(batch: JobBatch, terms: Terms, most: Bound | None) -> Allotment:
    """Side by side as many as there are chains, or may run at once; the others after those.

    What does not end in one allocation goes on in the next.
    """
    chains = -(-batch.jobs // batch.in_a_row)
    wanted = -(-chains // jobs_per_allocation(batch, terms))
    side_by_side = min(wanted, most.value) if most else wanted
    links = batch.in_a_row * -(-wanted // side_by_side)
    in_turn = -(-links // _waves(batch, terms))
    made = _allotment(batch, terms, number=side_by_side * in_turn, waves=-(-links // in_turn))
    return replace(
        made,
        jobs_at_once=-(-chains // wanted),
        is_serialized=side_by_side == 1 and in_turn > 1,
        bounded_by=most.source if most and side_by_side < wanted else "",
    )


def _allotment(batch: JobBatch, terms: Terms, *, number: int, waves: int) -> Allotment:
    full = batch.jobs if _runs_at_once(batch, terms) else jobs_per_allocation(batch, terms)
    is_exclusive = terms.choice.candidate.partition.is_exclusive
    share = -(-batch.jobs // (number if is_exclusive else number * waves))
    needed = waves * batch.runtime + terms.margin
    longest = terms.choice.longest
    return Allotment(
        number=number,
        jobs_at_once=min(full, share),
        waves=waves,
        runtime=terms.runtime or (needed if longest is None else min(needed, longest)),
        num_nodes=batch.num_nodes,
    )


def _at_once(batch: JobBatch, terms: Terms) -> Iterator[Bound]:
    """How many allocations may run at the same time, each as large as it may become."""
    candidate, has, nodes = terms.choice.candidate, terms.choice.capacity, batch.num_nodes
    per_node = _jobs_per_node(batch, terms)
    whole = candidate.partition.is_exclusive
    sizes = (
        (NUM_CPUS, candidate.node.num_cpus if whole else per_node * batch.num_cpus),
        (MEMORY, has.memory.value if whole else per_node * batch.memory),
        (NUM_GPUS, has.num_gpus.value if whole and batch.num_gpus else per_node * batch.num_gpus),
        (NUM_NODES, 1),
    )
    name = candidate.partition.name
    for most in bound(candidate.partition.max_nodes_per_user, name):
        yield Bound(max(1, most.value // nodes), f"{name} for each user")
    for each in candidate.limits:
        yield from bound(each.limits.max_running, each.name)
        for amount, size in sizes:
            for most in bounds_at_once(each, amount):
                if size:
                    yield Bound(max(1, most.value // (nodes * size)), most.source)
