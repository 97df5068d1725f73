"""A plan of allocations as a table, and as values for scripts."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from torc_watch.core.units import rounded_memory
from torc_watch.core.walltime import format_walltime
from torc_watch.planner.cluster_plan import AllocationGroup, ClusterPlan
from torc_watch.planner.workload import Workload
from torc_watch.render.terminal_text import printable
from torc_watch.render.text_table import table_lines

_HEAD = ("GROUP", "PARTITION", "NODES", "WALLTIME", "JOBS", "ALLOCATIONS", "AT ONCE IN EACH")
_MORE = ("WAVES", "NODE HOURS", "START")
_LONGEST_REASON = 2000  # characters: it ends with the limit, and with what would fit
_NUMBERS = (4, 5, 6, 7, 8)  # columns that are aligned at the right


def cluster_plan_lines(plan: ClusterPlan, starts: Sequence[datetime | None]) -> Iterator[str]:
    """The groups with their sum. ``starts`` are of the groups, None where they are not known."""
    if not plan.groups:
        return
    rows = [_row(group, start) for group, start in zip(plan.groups, starts, strict=True)]
    yield from table_lines([(*_HEAD, *_MORE), *rows], _NUMBERS)
    number = plan.allocations
    yield (
        f"Total: {number:,} allocation{'' if number == 1 else 's'}, "
        f"at most {plan.node_hours:,.1f} node hours{_accounts(plan)}"
    )


def _accounts(plan: ClusterPlan) -> str:
    """Usually one; none where a cluster without associations has none that is known."""
    accounts = dict.fromkeys(group.account for group in plan.groups if group.account)
    return f" of account {', '.join(map(printable, accounts))}" if accounts else ""


def no_fit_lines(plan: ClusterPlan, workload: Workload) -> Iterator[str]:
    for each in plan.no_fit:
        more = workload.kinds[each.kind].jobs - 1
        alike = f" The same holds for {more:,} more job{'' if more == 1 else 's'} like it."
        yield printable(each.reason, _LONGEST_REASON) + (alike if more else "")


def cluster_plan_values(
    plan: ClusterPlan, workload: Workload, starts: Sequence[datetime | None]
) -> dict[str, Any]:
    """Memory in bytes, durations in seconds; null is not known."""
    return {
        "groups": [
            _group_values(group, workload, start)
            for group, start in zip(plan.groups, starts, strict=True)
        ],
        "no_fit": [
            {"jobs": workload.kinds[each.kind].name, "reason": each.reason} for each in plan.no_fit
        ],
        "allocations": plan.allocations,
        "node_hours": plan.node_hours,
    }


def _row(group: AllocationGroup, start: datetime | None) -> tuple[str, ...]:
    return (
        printable(group.name),
        printable(group.partition),
        _nodes(group),
        format_walltime(group.shape.runtime),
        f"{group.jobs:,}",
        f"{group.number:,}",
        f"{group.jobs_at_once:,}",
        f"{group.waves:,}",
        f"{group.node_hours:,.1f}",
        _start(group, start),
    )


def _nodes(group: AllocationGroup) -> str:
    shape = group.shape
    parts = [f"{shape.num_cpus} CPUs", rounded_memory(shape.memory)]
    if shape.num_gpus:
        parts.append(f"{shape.num_gpus} {group.gpu_type} GPUs".replace("  ", " "))
    if group.is_exclusive:
        parts.append("exclusive")
    return f"{shape.num_nodes} x {', '.join(parts)}"


def _start(group: AllocationGroup, start: datetime | None) -> str:
    if not group.begins_with_jobs:
        return "after earlier jobs"
    return "not known" if start is None else start.strftime("%Y-%m-%d %H:%M")


def _group_values(
    group: AllocationGroup, workload: Workload, start: datetime | None
) -> dict[str, Any]:
    shape = group.shape
    return {
        "name": group.name,
        "jobs_of": [workload.kinds[kind].name for kind in group.kinds],
        "account": group.account,
        "partition": group.partition,
        "qos": group.qos or None,
        "nodes": shape.num_nodes,
        "cpus_per_node": shape.num_cpus,
        "memory_per_node_bytes": shape.memory,
        "gpus_per_node": shape.num_gpus,
        "gpu_type": group.gpu_type or None,
        "exclusive": group.is_exclusive,
        "walltime_seconds": shape.runtime,
        "jobs": group.jobs,
        "jobs_at_once": group.jobs_at_once,
        "waves": group.waves,
        "allocations": group.number,
        "node_hours": group.node_hours,
        "begins_with_jobs": group.begins_with_jobs,
        "expected_start": None if start is None else start.isoformat(),
    }
