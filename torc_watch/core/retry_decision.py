"""What is done about one failed job: it runs again, perhaps with more, or is left alone."""

from collections.abc import Sequence

from torc_watch.core import units
from torc_watch.core.allocation import NodeClass
from torc_watch.core.cause import Cause, Remedy
from torc_watch.core.findings import Finding
from torc_watch.core.node_classes import (
    class_with_longest_runtime,
    class_with_most_memory,
    lack_reason,
    node_text,
)
from torc_watch.core.recovery_round import RecoverySettings, Retry, Skip
from torc_watch.core.resource_requests import raised_memory, raised_runtime
from torc_watch.core.retry_budget import RetryBudget
from torc_watch.core.scheduler_rows import SchedulerRows, no_nodes_reason
from torc_watch.core.skipped_job import skipped
from torc_watch.core.wanted_memory import wanted_memory


def decide(
    finding: Finding, rows: SchedulerRows, settings: RecoverySettings, budget: RetryBudget
) -> Retry | Skip:
    """By the multipliers of the user, where the job lacked memory or time."""
    if objection := budget.objection(finding):
        return skipped(finding, objection)
    row = rows.row_of(finding.job)
    nodes = rows.nodes_for(row)
    if not nodes:
        return skipped(finding, no_nodes_reason(row))
    answer = _decide_on(finding, nodes, settings)
    if isinstance(answer, Skip) and (others := rows.others_for(row)):
        return _decide_on(finding, (*nodes, *others), settings)
    return answer


def _decide_on(
    finding: Finding, nodes: Sequence[NodeClass], settings: RecoverySettings
) -> Retry | Skip:
    if reason := lack_reason(finding.requirements, nodes):
        return skipped(finding, reason)
    if finding.cause is Cause.UNKNOWN and not settings.retry_unknown:
        return skipped(finding, f"{finding.reason}; unknown failures are not retried")
    match finding.remedy:
        case Remedy.RAISE_MEMORY:
            return _raise_memory(finding, nodes, settings.memory_multiplier)
        case Remedy.RAISE_RUNTIME:
            return _raise_runtime(finding, nodes, settings.runtime_multiplier)
        case _:
            return retried(finding)


def _raise_memory(finding: Finding, nodes: Sequence[NodeClass], multiplier: float) -> Retry | Skip:
    asked = finding.requirements
    if asked is None or asked.memory is None:
        return retried(finding)
    node = class_with_most_memory(asked, nodes)
    after = raised_memory(
        asked.memory,
        peak=finding.peak_memory,
        multiplier=multiplier,
        cap=node.memory,
        wanted=wanted_memory(finding.clue.line) if finding.clue else None,
    )
    if after is None:
        return skipped(finding, beyond_memory(node))
    return retried(finding, memory=(asked.memory, after))


def _raise_runtime(finding: Finding, nodes: Sequence[NodeClass], multiplier: float) -> Retry | Skip:
    asked = finding.requirements
    if asked is None or asked.runtime is None:
        return retried(finding)
    node = class_with_longest_runtime(asked, nodes)
    after = raised_runtime(asked.runtime, ran=finding.ran, multiplier=multiplier, cap=node.runtime)
    if after is None:
        return skipped(finding, beyond_runtime(node))
    return retried(finding, runtime=(asked.runtime, after))


def beyond_memory(node: NodeClass) -> str:
    """Why a job is left alone that lacked memory with as much as that node has."""
    return (
        f"needs more than {units.format_memory(node.memory)}, the most that {node_text(node)} has"
    )


def beyond_runtime(node: NodeClass) -> str:
    longest = units.format_duration(node.runtime or 0)
    return f"needs longer than {longest}, the longest that {node_text(node)} has"


def retried(
    finding: Finding,
    *,
    memory: tuple[int, int] | None = None,
    runtime: tuple[int, int] | None = None,
) -> Retry:
    return Retry(
        job_id=finding.job.id,
        job_name=finding.job.name,
        cause=finding.cause,
        reason=finding.reason,
        memory=memory,
        runtime=runtime,
        fingerprint=finding.fingerprint,
        attempt=finding.job.attempt,
    )
