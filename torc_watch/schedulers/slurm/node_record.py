"""Nodes as ``scontrol show node`` prints them, and the kinds of nodes of each partition. Pure."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from torc_watch.core.units import MIB
from torc_watch.planner.cluster_description import NodeKind
from torc_watch.schedulers.slurm.control_record import listed, parse_records
from torc_watch.schedulers.slurm.limit_text import read_count

# Not sinfo, whose CPUs and memory include what is kept from jobs, and whose states hide others.
NODES_COMMAND = ("scontrol", "--all", "--oneliner", "show", "node")
_GPUS = re.compile(
    r"(?:^|,)gpu(?::(?P<type>(?![0-9]+(?:[(,]|$))[^:,()]+))?(?::(?P<number>[0-9]{1,6}))?(?=[(,]|$)"
)
_MARKS = "*~#!%$@^-"  # of states: ``IDLE*`` does not answer
_SILENT = "NOT_RESPONDING"
_OFF = "POWERED_DOWN"  # by Slurm itself, and started for an allocation: silent, and yet idle
# Neither those that are silent, nor UNKNOWN, as all are for a moment after a restart of the
# controller: they answer again, or become DOWN.
_UNUSABLE = frozenset({"DOWN", "DRAIN", "ERROR", "FAIL", "FUTURE", "INVALID", "INVALID_REG"})
_IDLE = frozenset({"IDLE", "CLOUD", "DYNAMIC_NORM", "DYNAMIC_FUTURE", _OFF})


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRecord:
    """A node, and the partitions that it is in. ``kind`` is the node's own: its count is 0 or 1."""

    name: str
    partitions: tuple[str, ...]
    kind: NodeKind


def parse_nodes(text: str) -> tuple[NodeRecord, ...]:
    """Raises SchedulerUnreachable if the answer has no nodes."""
    return tuple(map(_node, parse_records(text, "NodeName")))


def node_kinds(nodes: Sequence[NodeRecord]) -> dict[str, tuple[NodeKind, ...]]:
    """Of each partition, in the order of their first nodes."""
    found: dict[str, list[NodeKind]] = {}
    for node in nodes:
        for name in node.partitions:
            found.setdefault(name, []).append(node.kind)
    return {name: _joined(kinds) for name, kinds in found.items()}


def read_gres(text: str) -> dict[str, int]:
    """GPUs by type: ``gpu:h100:4(S:0-1),tmpdisk:9`` is 4 of h100, ``gpu:2`` is 2 of ""."""
    gpus: dict[str, int] = {}
    for match in _GPUS.finditer(text):
        kind = match["type"] or ""
        gpus[kind] = gpus.get(kind, 0) + int(match["number"] or 1)
    return gpus


def _node(fields: Mapping[str, str]) -> NodeRecord:
    """What its specialized cores and memory leave for jobs."""
    cpus = read_count(fields.get("CPUEfctv", "")) or read_count(fields.get("CPUTot", ""))
    memory = read_count(fields.get("RealMemory", "")) or 0
    kept = read_count(fields.get("MemSpecLimit", "")) or 0
    flags = _flags(fields.get("State", ""))
    is_usable = not flags & _UNUSABLE
    return NodeRecord(
        name=fields["NodeName"],
        partitions=listed(fields.get("Partitions", "")),
        kind=NodeKind(
            num_cpus=cpus or 0,
            memory=max(memory - kept, 0) * MIB,
            gpus=read_gres(fields.get("Gres", "")),
            features=frozenset(listed(fields.get("AvailableFeatures", ""))),
            count=int(is_usable),
            idle=int(is_usable and _is_idle(flags)),
            names=frozenset({fields["NodeName"]} if is_usable else ()),
        ),
    )


def _is_idle(flags: frozenset[str]) -> bool:
    """A flag that is not known may be one that keeps allocations away, as other states do."""
    return (flags - {_SILENT} if _OFF in flags else flags) <= _IDLE


def _flags(state: str) -> frozenset[str]:
    flags = {flag.rstrip(_MARKS) for flag in state.upper().split("+")}
    return frozenset(flags | {_SILENT} if "*" in state else flags)


def _joined(kinds: Collection[NodeKind]) -> tuple[NodeKind, ...]:
    """Kinds that are alike become one, which counts the nodes of all."""
    groups: dict[tuple[object, ...], list[NodeKind]] = {}
    for kind in kinds:
        key = (kind.num_cpus, kind.memory, frozenset(kind.gpus.items()), kind.features)
        groups.setdefault(key, []).append(kind)
    return tuple(
        replace(
            alike[0],
            count=sum(kind.count for kind in alike),
            idle=sum(kind.idle for kind in alike),
            names=frozenset().union(*(kind.names for kind in alike)),
        )
        for alike in groups.values()
    )
