"""What an allocation of some nodes can have at most at a candidate, by every limit that applies."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torc_watch.planner.allocation_time import MINUTE
from torc_watch.planner.candidates import Candidate
from torc_watch.planner.limits import (
    MEMORY,
    NUM_CPUS,
    NUM_GPUS,
    NUM_NODES,
    Bound,
    bound,
    bounds_per_allocation,
    bounds_per_node,
    strictest,
)
from torc_watch.planner.workload import JobKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """CPUs, memory and GPUs are of each node. ``runtime`` None is without limit, in seconds."""

    num_cpus: Bound
    memory: Bound
    num_gpus: Bound
    num_nodes: Bound
    runtime: Bound | None


def capacity(candidate: Candidate, num_nodes: int, gpu_type: str = "") -> Capacity:
    """For an allocation of ``num_nodes`` nodes. ``gpu_type`` "" counts GPUs of all types."""
    num_cpus = _num_cpus(candidate, num_nodes)
    return Capacity(
        num_cpus=num_cpus,
        memory=_memory(candidate, num_nodes, num_cpus.value),
        num_gpus=_num_gpus(candidate, num_nodes, gpu_type),
        num_nodes=_num_nodes(candidate),
        runtime=strictest(_runtimes(candidate)),
    )


def nodes_for(candidate: Candidate, kind: JobKind) -> int:
    """How many nodes an allocation for a job of the kind has."""
    return max(1, kind.num_nodes, candidate.partition.min_nodes)


def cpus_with_memory(candidate: Candidate, num_cpus: int, memory: int) -> int:
    """The CPUs that a job gets: Slurm adds some where its memory is over the limit for each."""
    most = candidate.partition.max_memory_per_cpu
    return max(1, num_cpus, -(-memory // most) if most else 0)


def _num_cpus(candidate: Candidate, num_nodes: int) -> Bound:
    name, node = candidate.partition.name, Bound(candidate.node.num_cpus, candidate.partition.name)
    limits = _first(node, bounds_per_node(candidate.limits, NUM_CPUS, num_nodes))
    if candidate.partition.is_exclusive and limits.value < node.value:
        return Bound(0, f"{limits.source}, for whole nodes")  # an allocation has all of them
    return _first(limits, bound(candidate.partition.max_cpus_per_node, name))


def _memory(candidate: Candidate, num_nodes: int, num_cpus: int) -> Bound:
    partition = candidate.partition
    most_per_cpu = partition.max_memory_per_cpu
    by_cpus = num_cpus * most_per_cpu if most_per_cpu else None
    return _first(
        Bound(candidate.node.memory, partition.name),
        (
            *bound(partition.max_memory_per_node, partition.name),
            *bound(by_cpus, partition.name),
            *bounds_per_node(candidate.limits, MEMORY, num_nodes),
        ),
    )


def _num_gpus(candidate: Candidate, num_nodes: int, gpu_type: str) -> Bound:
    node = candidate.node
    number = node.gpus.get(gpu_type, 0) if gpu_type else node.num_gpus
    limits = bounds_per_node(candidate.limits, NUM_GPUS, num_nodes)
    return _first(Bound(number, candidate.partition.name), limits)


def _num_nodes(candidate: Candidate) -> Bound:
    partition = candidate.partition
    limits = (b for each in candidate.limits for b in bounds_per_allocation(each, NUM_NODES))
    return _first(
        Bound(_nodes_as_large(candidate), partition.name),
        (
            *bound(partition.max_nodes, partition.name),
            *bound(partition.max_nodes_per_user, partition.name),
            *limits,
        ),
    )


def _nodes_as_large(candidate: Candidate) -> int:
    """An allocation may get nodes of several kinds, where each has at least as much."""
    node = candidate.node
    return sum(
        each.count
        for each in candidate.partition.kinds
        if each.num_cpus >= node.num_cpus
        and each.memory >= node.memory
        and all(each.gpus.get(kind, 0) >= number for kind, number in node.gpus.items())
    )


def _runtimes(candidate: Candidate) -> Iterator[Bound]:
    """In whole minutes, rounded down: Slurm rounds up what is asked for."""
    for each in _exact_runtimes(candidate):
        yield Bound(each.value // MINUTE * MINUTE, each.source)


def _exact_runtimes(candidate: Candidate) -> Iterator[Bound]:
    if not candidate.ignores_partition_runtime:
        yield from bound(candidate.partition.max_runtime, candidate.partition.name)
    for each in candidate.limits:
        yield from bound(each.limits.max_runtime, each.name)


def _first(own: Bound, others: Iterable[Bound]) -> Bound:
    return strictest((own, *others)) or own
