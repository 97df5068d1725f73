"""The retries of a round for which a user has chosen the jobs, and what they request at least."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from torc_watch.core.findings import Finding
from torc_watch.core.job_choice import JobChoice
from torc_watch.core.model import Requirements
from torc_watch.core.node_classes import lack_reason
from torc_watch.core.recovery_round import Refusal, RefusalKind, Retry, Skip
from torc_watch.core.scheduler_rows import SchedulerRows
from torc_watch.core.skipped_job import skipped

_Target = tuple[int, int] | None
_NOT_CHOSEN = "another job was chosen (--job)"


def unknown_job(
    workflow_id: int, decisions: Iterable[Retry | Skip], choice: JobChoice
) -> Refusal | None:
    """The refusal of a round for a job that has not failed."""
    known = {text for each in decisions for text in (str(each.job_id), each.job_name)}
    unknown = [name for name in choice.jobs if name not in known]
    if not unknown:
        return None
    noun = "Job" if len(unknown) == 1 else "Jobs"
    return Refusal(
        kind=RefusalKind.NOTHING_TO_RETRY,
        reason=f"{noun} {', '.join(unknown)} of workflow {workflow_id} did not fail, or "
        f"{'is' if len(unknown) == 1 else 'are'} not there. "
        f"See the failed jobs with: torc-watchd why {workflow_id}",
    )


def chosen(
    decisions: Sequence[Retry | Skip],
    findings: Mapping[int, Finding],
    rows: SchedulerRows,
    choice: JobChoice,
) -> list[Retry | Skip]:
    """The decisions, with retries of other jobs turned down and the others raised.

    ``findings`` are by job ID.
    """
    return [
        _chosen(each, findings[each.job_id], rows, choice) if isinstance(each, Retry) else each
        for each in decisions
    ]


def _chosen(retry: Retry, finding: Finding, rows: SchedulerRows, choice: JobChoice) -> Retry | Skip:
    if not choice.has(retry.job_id, retry.job_name):
        return skipped(finding, _NOT_CHOSEN)
    asked = finding.requirements
    if asked is None:
        return retry
    memory = _at_least(choice.memory, asked.memory, retry.memory)
    runtime = _at_least(choice.runtime, asked.runtime, retry.runtime)
    if reason := _lack(finding, rows, _request(asked, memory, runtime)):
        return skipped(finding, reason)
    is_as_planned = (memory, runtime) == (retry.memory, retry.runtime)
    sizing = retry.sizing if is_as_planned else None  # else the user says how much
    return replace(retry, memory=memory, runtime=runtime, sizing=sizing)


def _at_least(wanted: int | None, before: int | None, planned: _Target) -> _Target:
    """Never less than was planned, or requested before."""
    after = planned[1] if planned else before
    if wanted is None or before is None or after is None or wanted <= after:
        return planned
    return before, wanted


def _request(asked: Requirements, memory: _Target, runtime: _Target) -> Requirements:
    return replace(
        asked,
        memory=memory[1] if memory else asked.memory,
        runtime=runtime[1] if runtime else asked.runtime,
    )


def _lack(finding: Finding, rows: SchedulerRows, request: Requirements) -> str:
    """Why no node can run it with that request; empty if one can."""
    row = rows.row_of(finding.job)
    return lack_reason(request, (*rows.nodes_for(row), *rows.others_for(row)))
