"""What the ended attempts of a workflow say of the sizes of its jobs, put together.

The journal keeps what is known of attempts of which the server may have no results any more, such
as those before a retry in the same run. What is known of an attempt grows: an older record has what
it requested then, a newer one how it ended.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from torc_watch.core.cause import Cause
from torc_watch.core.findings import Finding
from torc_watch.core.job_kind import KindKey, kind_key
from torc_watch.core.kind_history import AttemptEnd, SizedAttempt, measured_amount
from torc_watch.core.model import JobResult, Requirements, Workflow
from torc_watch.core.recovery_round import Plan

_ENDS = {Cause.OOM: AttemptEnd.OUT_OF_MEMORY, Cause.TIMEOUT: AttemptEnd.OUT_OF_TIME}

AttemptKey = tuple[int, int, int]  # job, run, attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoutStart:
    """A round started a job as a scout in a run: ``attempt`` is None for the first one there."""

    job_id: int
    run_id: int
    attempt: int | None = None


def key_of(attempt: SizedAttempt) -> AttemptKey:
    return attempt.job_id, attempt.run_id, attempt.attempt


def lacking_kinds(findings: Iterable[Finding], workflow_id: int) -> frozenset[KindKey]:
    """The kinds of the jobs that lacked memory or run time."""
    return frozenset(
        kind_key(workflow_id, each.job, each.requirements)
        for each in findings
        if each.cause in _ENDS
    )


def failed_attempt(finding: Finding, workflow: Workflow) -> SizedAttempt:
    """The last one of a failed job; of an orphan, which has no result, in the present run."""
    row = finding.requirements
    return SizedAttempt(
        kind=kind_key(workflow.id, finding.job, row),
        job_id=finding.job.id,
        run_id=workflow.run_id if finding.run_id is None else finding.run_id,
        attempt=finding.job.attempt,
        end=_ENDS.get(finding.cause, AttemptEnd.OTHER),
        memory=row.memory if row else None,
        runtime=row.runtime if row else None,
        peak=measured_amount(finding.peak_memory),
        ran=measured_amount(finding.ran),
    )


def completed_attempt(result: JobResult, kind: KindKey, row: Requirements) -> SizedAttempt:
    """``row`` is what the job requests now: the server does not keep what it did request."""
    return SizedAttempt(
        kind=kind,
        job_id=result.job_id,
        run_id=result.run_id,
        attempt=result.attempt,
        end=AttemptEnd.COMPLETED,
        memory=row.memory,
        runtime=row.runtime,
        peak=measured_amount(result.peak_memory),
        ran=measured_amount(result.exec_seconds),
    )


def merged(
    known: Iterable[SizedAttempt], found: Iterable[SizedAttempt], starts: Collection[ScoutStart]
) -> tuple[SizedAttempt, ...]:
    """Each attempt once: the ``known`` ones of the journal, then those that are new."""
    by_key = {key_of(each): each for each in known}
    fresh = list(found)
    firsts = _first_attempts([*by_key.values(), *fresh])
    for each in fresh:
        before = by_key.get(key_of(each))
        new = replace(each, is_scout=_is_scout(each, starts, firsts))
        by_key[key_of(each)] = new if before is None else _with_news(before, new)
    return tuple(by_key.values())


def scout_starts(plan: Plan) -> tuple[ScoutStart, ...]:
    """Of a plan whose jobs were reset."""
    return tuple(ScoutStart(job_id=each.job_id, run_id=plan.run_id + 1) for each in plan.retries)


def _with_news(before: SizedAttempt, new: SizedAttempt) -> SizedAttempt:
    """A job's row may have been changed since, by us or a user; a scout stays one."""
    return replace(
        new,
        kind=before.kind,
        memory=new.memory if before.memory is None else before.memory,
        runtime=new.runtime if before.runtime is None else before.runtime,
        peak=before.peak if new.peak is None else new.peak,
        ran=before.ran if new.ran is None else new.ran,
        is_scout=before.is_scout or new.is_scout,
    )


def _first_attempts(attempts: Iterable[SizedAttempt]) -> Mapping[tuple[int, int], int]:
    """The first known attempt of each job in each run."""
    firsts: dict[tuple[int, int], int] = {}
    for each in attempts:
        place = each.job_id, each.run_id
        firsts[place] = min(firsts.get(place, each.attempt), each.attempt)
    return firsts


def _is_scout(
    attempt: SizedAttempt, starts: Collection[ScoutStart], firsts: Mapping[tuple[int, int], int]
) -> bool:
    """Torc's own retries leave no result: an attempt after them is as large as the first one."""
    place = attempt.job_id, attempt.run_id
    start = ScoutStart(job_id=attempt.job_id, run_id=attempt.run_id)
    is_first = firsts[place] == attempt.attempt
    return (is_first and start in starts) or replace(start, attempt=attempt.attempt) in starts
