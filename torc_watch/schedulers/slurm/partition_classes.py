"""The classes of nodes that recovery plans with, from the partitions of a cluster. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from torc_watch.core.allocation import Admission, NodeClass
from torc_watch.planner.cluster_description import NodeKind, Partition


def node_classes(
    partitions: Iterable[Partition], groups: frozenset[str] = frozenset()
) -> tuple[NodeClass, ...]:
    """A class for each size of node of each partition that takes jobs; ``groups`` are the user's.

    One whose nodes are all down or drained counts as one node: what waits there starts some day.
    """
    return tuple(
        replace(_node_class(partition, size, count, groups), names=names)
        for partition in partitions
        if partition.is_up
        for size, count, names in _sizes(partition)
    )


def _sizes(partition: Partition) -> Iterator[tuple[NodeKind, int, frozenset[str]]]:
    """Nodes that differ in their features alone are counted together."""
    counts: dict[tuple[int, int, int], list[NodeKind]] = {}
    for kind in partition.kinds:
        if kind.num_cpus and kind.memory:
            counts.setdefault((kind.num_cpus, kind.memory, kind.num_gpus), []).append(kind)
    for kinds in counts.values():
        names = frozenset[str]().union(*(kind.names for kind in kinds))
        yield kinds[0], max(1, sum(kind.count for kind in kinds)), names


def _node_class(
    partition: Partition, kind: NodeKind, count: int, groups: frozenset[str]
) -> NodeClass:
    num_cpus, memory = partition.max_cpus_per_node, partition.max_memory_per_node
    return NodeClass(
        num_cpus=kind.num_cpus if num_cpus is None else min(kind.num_cpus, num_cpus),
        memory=kind.memory if memory is None else min(kind.memory, memory),
        num_gpus=kind.num_gpus,
        runtime=partition.max_runtime,
        count=count,
        partition=partition.name,
        is_default=partition.is_default,
        admission=_admission(partition, groups),
        is_preemptible=partition.is_preemptible,
    )


def _admission(partition: Partition, groups: frozenset[str]) -> Admission | None:
    allowed = partition.groups.allowed
    is_closed = allowed is not None and allowed.isdisjoint(groups)
    is_out_of_service = not any(kind.count for kind in partition.kinds)
    if partition.is_on_request or is_closed or is_out_of_service:
        return None
    return Admission(
        accounts=partition.accounts.allowed,
        qos=partition.allowed_qos.allowed,
        denied=partition.accounts.denied | partition.allowed_qos.denied,
    )
