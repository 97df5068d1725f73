"""The use of resources for scripts: Torc's own keys and words, and ours beside them."""

from typing import Any

from torc_watch.core.failed_use import failed_use
from torc_watch.core.units import GIB, MIB, format_duration, format_memory
from torc_watch.core.utilization import (
    PERCENT_OF_A_CPU,
    EndedJob,
    JobUse,
    KindOfJobs,
    KindUse,
    ResourceKind,
    Utilization,
    is_over,
    measured,
)

_TORCS_WORDS = {
    ResourceKind.MEMORY: "Memory",
    ResourceKind.CPU: "CPU",
    ResourceKind.RUNTIME: "Runtime",
}


def utilization_values(
    workflow_id: int, run_id: int | None, found: Utilization, *, shows_all: bool
) -> dict[str, Any]:
    failed = [_failed_values(each) for each in found.failed]
    return {
        "workflow_id": workflow_id,
        "run_id": run_id,
        "total_results": found.jobs,
        "over_utilization_count": len(found.over),
        "violations": [_use_values(use) for use in found.over],
        "within_limits": [_use_values(use) for use in found.within] if shows_all else [],
        "resource_violations_count": len(failed),
        "resource_violations": failed,
        "kinds": [kind_values(kind) for kind in found.kinds],
        "without_request": found.without_request,
    }


def _use_values(use: JobUse) -> dict[str, Any]:
    share = f"+{use.excess:.1f}%" if is_over(use, 0) else f"{use.excess + 100:.1f}%"
    return {
        "job_id": use.job.id,
        "job_name": use.job.name,
        "resource_type": _TORCS_WORDS[use.resource],
        "specified": _specified(use),
        "peak_used": _amount(use.resource, use.used),
        "over_utilization": share,
    }


def _specified(use: JobUse) -> str:
    if use.resource is ResourceKind.CPU:
        return f"{use.requested:.0f}% ({use.requested // PERCENT_OF_A_CPU:.0f} cores)"
    return _amount(use.resource, use.requested)


def _amount(resource: ResourceKind, amount: float) -> str:
    """As Torc writes it."""
    if resource is ResourceKind.CPU:
        return f"{amount:.1f}%"
    return _duration(amount) if resource is ResourceKind.RUNTIME else _memory(amount)


def _memory(size: float) -> str:
    return f"{size / MIB:.1f} MB" if size < GIB else f"{size / GIB:.2f} GB"


def _duration(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    minutes, whole = divmod(rest, 60)
    if hours:
        return f"{hours}h {minutes}m {whole}s"
    return f"{minutes}m {whole}s" if minutes else f"{seconds:.1f}s"


def _failed_values(ended: EndedJob) -> dict[str, Any]:
    result, row, use = ended.result, ended.requirements, failed_use(ended)
    assert row is not None  # noqa: S101 - it has a request
    peak = result.peak_memory
    excess, share = use.memory_excess, use.runtime_share
    return {
        "job_id": ended.job.id,
        "job_name": ended.job.name,
        "return_code": result.return_code,
        "exec_time_minutes": result.exec_seconds / 60,
        "configured_memory": "" if row.memory is None else format_memory(row.memory),
        "configured_runtime": "" if row.runtime is None else format_duration(row.runtime),
        "configured_cpus": row.num_cpus,
        "peak_memory_bytes": peak,
        "peak_memory_formatted": None if peak is None else _memory(peak),
        "memory_violation": use.memory_reason is not None,
        "oom_reason": use.memory_reason,
        "memory_over_utilization": None if excess is None else f"+{excess:.1f}%",
        "likely_timeout": use.is_likely_timeout,
        "timeout_reason": use.timeout_reason,
        "runtime_utilization": None if share is None else f"{share:.1f}%",
        "likely_cpu_violation": use.exceeds_cpus,
        "peak_cpu_percent": measured(result, ResourceKind.CPU),
        "likely_runtime_violation": use.exceeds_runtime,
    }


def kind_values(kind: KindOfJobs) -> dict[str, Any]:
    uses = {use.resource.value: _kind_use_values(use) for use in kind.uses}
    return {
        "kind": kind.name,
        "jobs": kind.jobs,
        "fails": kind.fails,
        "resource_requirements": kind.requirements.name,
        **uses,
    }


def _kind_use_values(use: KindUse) -> dict[str, Any]:
    return {
        "requested": use.requested,
        "used": use.used,
        "measured": use.measured,
        "over": use.over,
        "enough": use.enough,
        "fit": use.fit.value,
    }
