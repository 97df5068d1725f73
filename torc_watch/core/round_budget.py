"""Whether a round uses up one of those that the user allows, and what may go on without one."""

from collections.abc import Collection, Iterable, Sequence

from torc_watch.core.model import JobStatus
from torc_watch.core.recovery_round import RecoverySettings, Retry, Skip
from torc_watch.core.retry_budget import RetryBudget
from torc_watch.core.situation import Situation
from torc_watch.core.skipped_job import skipped


def bounded_jobs(
    decisions: Iterable[Retry | Skip], situation: Situation, settings: RecoverySettings
) -> frozenset[int]:
    """Those whose retries their own budget bounds, so that the rounds need not."""
    budget = RetryBudget(situation.past, settings)
    retries = {each.job_id: each for each in decisions if isinstance(each, Retry)}
    return frozenset(
        finding.job.id
        for finding in situation.findings
        if (retry := retries.get(finding.job.id))
        and retry.cause is finding.cause
        and budget.bounds(finding)
    )


def uses_round(
    situation: Situation,
    retries: Collection[Retry],
    bounded: Collection[int],
    uninitialized: int,
) -> bool:
    """``bounded`` are jobs with a budget of their own."""
    others = [each for each in retries if each.job_id not in bounded]
    if retries and not others:
        return False
    return not _only_continues(situation, others, uninitialized)


def _only_continues(situation: Situation, retries: Iterable[Retry], uninitialized: int) -> bool:
    """Whether no failure of a job is the reason for the round, and the last one was not in vain.

    Without jobs that complete in between the same could go on for ever.
    """
    if uninitialized or any(not retry.cause.is_of_the_place for retry in retries):
        return False
    before = situation.past.completed
    return before is None or situation.counts.of(JobStatus.COMPLETED) > before


def without_rounds(
    decisions: Sequence[Retry | Skip], situation: Situation, bounded: Collection[int]
) -> tuple[Retry | Skip, ...]:
    """What is left of the decisions when all rounds are used up."""
    findings = {finding.job.id: finding for finding in situation.findings}
    findings |= {suspect.job.id: suspect.as_failure() for suspect in situation.suspects}
    return tuple(
        skipped(findings[each.job_id], f"{each.reason}; all rounds of recovery are used up")
        if isinstance(each, Retry) and each.job_id not in bounded
        else each
        for each in decisions
    )
