"""Settings of a cluster that plans depend on, as ``scontrol show config`` prints them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torc_watch.core.errors import SchedulerUnreachable
from torc_watch.core.units import MIB
from torc_watch.schedulers.slurm.control_record import listed, parse_fields
from torc_watch.schedulers.slurm.limit_text import read_count

SETTINGS_COMMAND = ("scontrol", "show", "config")
_ACCOUNTING = "accounting_storage/slurmdbd"
_WHOLE_NODES = "select/linear"
_LIMITS = frozenset({"limits", "safe"})
_ASSOCIATIONS = _LIMITS | {"associations", "qos", "wckeys"}  # each of these implies the first


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryBound:
    """Bytes for each CPU or each node of an allocation; a cluster or partition has one or none."""

    per_cpu: int | None = None
    per_node: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """``requires_associations`` and ``enforces_limits`` say what binds jobs: records alone do not.

    ``has_whole_nodes``: an allocation gets whole nodes in every partition. Bounds of memory are of
    partitions without their own. ``kill_wait`` is in seconds; None where Slurm does not say it.
    """

    name: str
    requires_associations: bool = False
    enforces_limits: bool = False
    has_whole_nodes: bool = False
    default_memory: MemoryBound = MemoryBound()
    max_memory: MemoryBound = MemoryBound()
    kill_wait: int | None = None


def parse_settings(text: str) -> ClusterSettings:
    """Raises SchedulerUnreachable if the answer has no name of a cluster."""
    fields = parse_fields(text)
    if "ClusterName" not in fields:
        raise SchedulerUnreachable(
            "Slurm's answer to scontrol show config has no ClusterName, so it may not be complete. "
            "Check whether this site replaces scontrol with a program of its own."
        )
    has_accounting = fields.get("AccountingStorageType") == _ACCOUNTING
    enforced = frozenset(listed(fields.get("AccountingStorageEnforce", "").lower()))
    return ClusterSettings(
        name=fields["ClusterName"],
        requires_associations=has_accounting and bool(enforced & _ASSOCIATIONS),
        enforces_limits=has_accounting and bool(enforced & _LIMITS),
        has_whole_nodes=fields.get("SelectType") == _WHOLE_NODES,
        default_memory=memory_bound(fields, "Def"),
        max_memory=memory_bound(fields, "Max"),
        kill_wait=read_count(fields.get("KillWait", "").removesuffix(" sec")),
    )


def memory_bound(
    fields: Mapping[str, str], kind: Literal["Def", "Max"], otherwise: MemoryBound | None = None
) -> MemoryBound:
    """The default or the most, in fields of a partition or of the cluster."""
    per_cpu, per_node = (
        read_count(fields.get(f"{kind}MemPer{part}", "")) for part in ("CPU", "Node")
    )
    if not per_cpu and not per_node:
        return otherwise or MemoryBound()
    return MemoryBound(
        per_cpu=per_cpu * MIB if per_cpu else None, per_node=per_node * MIB if per_node else None
    )
