"""The partitions of a cluster as a table, and as values for scripts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torc_watch.core.units import GIB, rounded_memory
from torc_watch.core.walltime import format_walltime
from torc_watch.planner.cluster_description import UNKNOWN_COUNT, Access, NodeKind, Partition
from torc_watch.render.terminal_text import printable
from torc_watch.render.text_table import table_lines

_HEAD = ("PARTITION", "CPUS", "MEMORY", "WALLTIME", "NODES", "GPUS", "NOTES")
_NUMBERS = (1, 2, 3, 4)  # columns that are aligned at the right


def partition_lines(partitions: Sequence[Partition]) -> Iterator[str]:
    """A line for each kind of nodes of each partition; CPUs, memory and GPUs are of one node."""
    yield from table_lines([_HEAD, *(row for each in partitions for row in _rows(each))], _NUMBERS)


def partition_values(partition: Partition) -> dict[str, Any]:
    """Sizes in bytes, durations in seconds; null is no limit, or not known."""
    return {
        "name": partition.name,
        "state": partition.state,
        "default": partition.is_default,
        "shared": not partition.is_exclusive,
        "requires_explicit_request": partition.is_on_request,
        "max_walltime_seconds": partition.max_runtime,
        "default_walltime_seconds": partition.default_runtime,
        "min_nodes": partition.min_nodes,
        "max_nodes": partition.max_nodes,
        "max_nodes_per_user": partition.max_nodes_per_user,
        "max_cpus_per_node": partition.max_cpus_per_node,
        "max_memory_per_node_bytes": partition.max_memory_per_node,
        "max_memory_per_cpu_bytes": partition.max_memory_per_cpu,
        "default_memory_per_cpu_bytes": partition.default_memory_per_cpu,
        "qos": partition.qos or None,
        "accounts": _access_values(partition.accounts),
        "groups": _access_values(partition.groups),
        "allowed_qos": _access_values(partition.allowed_qos),
        "charge": partition.charge,
        "node_types": [_kind_values(kind) for kind in partition.kinds],
    }


def _rows(partition: Partition) -> Iterator[tuple[str, ...]]:
    walltime = format_walltime(partition.max_runtime)
    name = printable(partition.name)
    notes = ", ".join(_notes(partition))
    for kind in partition.kinds:
        nodes = "-" if kind.count == UNKNOWN_COUNT else str(kind.count)
        yield (
            name,
            str(kind.num_cpus),
            _memory(kind.memory),
            walltime,
            nodes,
            _gpus(kind.gpus),
            notes,
        )
    if not partition.kinds:
        yield name, "-", "-", walltime, "0", "-", notes


def _memory(size: int) -> str:
    """In one unit for all but the smallest, so that a column can be compared."""
    return rounded_memory(size) if size < GIB else f"{size / GIB:.1f}g".replace(".0g", "g")


def _gpus(gpus: Mapping[str, int]) -> str:
    each = (f"{number} {printable(kind)}".strip() for kind, number in sorted(gpus.items()))
    return ", ".join(each) or "-"


def _notes(partition: Partition) -> Iterator[str]:
    if not partition.is_up:
        yield printable(partition.state)
    if partition.is_default:
        yield "default"
    if partition.is_on_request:
        yield "on request"
    if not partition.is_exclusive:
        yield "shared"
    if partition.min_nodes > 1:
        yield f"from {partition.min_nodes} nodes"
    if partition.max_nodes is not None:
        yield f"up to {_nodes(partition.max_nodes)}"
    if partition.max_nodes_per_user is not None:
        yield f"{_nodes(partition.max_nodes_per_user)} per user"
    if any(each.allowed is not None for each in (partition.accounts, partition.groups)):
        yield "restricted"


def _nodes(number: int) -> str:
    return f"{number} node{'' if number == 1 else 's'}"


def _kind_values(kind: NodeKind) -> dict[str, Any]:
    return {
        "cpus": kind.num_cpus,
        "memory_bytes": kind.memory,
        "gpus": dict(kind.gpus),
        "features": sorted(kind.features),
        "nodes": None if kind.count == UNKNOWN_COUNT else kind.count,
    }


def _access_values(access: Access) -> dict[str, Any]:
    allowed = None if access.allowed is None else sorted(access.allowed)
    return {"allowed": allowed, "denied": sorted(access.denied)}
