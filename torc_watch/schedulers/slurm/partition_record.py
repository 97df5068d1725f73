"""Partitions as ``scontrol show partition`` prints them. Pure."""

import re
from collections.abc import Mapping
from dataclasses import replace

from torc_watch.planner.cluster_description import EVERYBODY, Access, NodeKind, Partition
from torc_watch.schedulers.slurm.cluster_settings import ClusterSettings, memory_bound
from torc_watch.schedulers.slurm.control_record import listed, parse_records
from torc_watch.schedulers.slurm.limit_text import read_count
from torc_watch.torc.slurm_quantities import read_time

# --all: also those that are hidden, or not for the user's groups.
PARTITIONS_COMMAND = ("scontrol", "--all", "--oneliner", "show", "partition")
_EVERYBODY = ("ALL",)
# What sites call a partition that is not meant for production.
_ON_REQUEST = re.compile(r"(?:^|[^a-z])(?:debug|devel|interactive)(?:$|[^a-z])", re.IGNORECASE)


def parse_partition_records(
    text: str, *, settings: ClusterSettings, kinds: Mapping[str, tuple[NodeKind, ...]]
) -> tuple[Partition, ...]:
    """``kinds`` has the nodes of each partition. Raises SchedulerUnreachable if there is none."""
    records = list(parse_records(text, "PartitionName"))
    highest = max((_tier(fields) for fields in records), default=0)
    return tuple(
        replace(
            _partition(fields, settings, kinds.get(fields["PartitionName"], ())),
            is_preemptible=_is_preempted(fields) and _tier(fields) < highest,
        )
        for fields in records
    )


def _tier(fields: Mapping[str, str]) -> int:
    return read_count(fields.get("PriorityTier", "")) or 0


def _is_preempted(fields: Mapping[str, str]) -> bool:
    """The highest tier never is, whatever its mode."""
    return fields.get("PreemptMode", "OFF") != "OFF"


def _partition(
    fields: Mapping[str, str], settings: ClusterSettings, kinds: tuple[NodeKind, ...]
) -> Partition:
    default_memory = memory_bound(fields, "Def", settings.default_memory)
    max_memory = memory_bound(fields, "Max", settings.max_memory)
    qos = listed(fields.get("QoS", ""))
    return Partition(
        name=fields["PartitionName"],
        state=fields.get("State", ""),
        is_default=fields.get("Default") == "YES",
        kinds=kinds,
        max_runtime=read_time(fields.get("MaxTime", "")),
        default_runtime=read_time(fields.get("DefaultTime", "")),
        min_nodes=read_count(fields.get("MinNodes", "")) or 1,
        max_nodes=read_count(fields.get("MaxNodes", "")),
        max_cpus_per_node=read_count(fields.get("MaxCPUsPerNode", "")),
        max_memory_per_node=max_memory.per_node,
        max_memory_per_cpu=max_memory.per_cpu,
        default_memory_per_cpu=default_memory.per_cpu,
        is_exclusive=_is_exclusive(fields.get("OverSubscribe", ""), settings),
        is_on_request=_is_on_request(fields),
        qos=qos[0] if qos else "",
        accounts=_access(fields, "Accounts"),
        groups=Access(allowed=frozenset({"root"}))
        if fields.get("RootOnly") == "YES"
        else _access(fields, "Groups"),
        allowed_qos=_access(fields, "Qos"),
    )


def _is_exclusive(sharing: str, settings: ClusterSettings) -> bool:
    """``sharing``: NO, YES:4, FORCE:4, EXCLUSIVE; the latter three also where nodes are whole."""
    return sharing == "EXCLUSIVE" or (sharing == "NO" and settings.has_whole_nodes)


def _is_on_request(fields: Mapping[str, str]) -> bool:
    """Also one for allocations in a reservation alone, which we have none of."""
    is_named_so = _ON_REQUEST.search(fields["PartitionName"]) is not None
    return (
        fields.get("Hidden") == "YES"
        or fields.get("ReqResv") == "YES"
        or (is_named_so and fields.get("Default") != "YES")
    )


def _access(fields: Mapping[str, str], what: str) -> Access:
    allowed = listed(fields.get(f"Allow{what}", ""))
    denied = listed(fields.get(f"Deny{what}", ""))
    if allowed in ((), _EVERYBODY) and not denied:
        return EVERYBODY
    return Access(
        allowed=None if allowed in ((), _EVERYBODY) else frozenset(allowed),
        denied=frozenset(denied),
    )
