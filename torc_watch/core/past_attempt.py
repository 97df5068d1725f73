"""How earlier attempts of a failed job ended."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from torc_watch.core.cause import Cause
from torc_watch.core.diagnosis import diagnose
from torc_watch.core.evidence import Evidence
from torc_watch.core.findings import Finding
from torc_watch.core.model import JobResult, JobStatus
from torc_watch.core.recovery_round import Retry


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAttempt:
    """``cause`` is None of one that completed.

    ``memory`` (bytes) and ``runtime`` (seconds) are what it requested, where a round of recovery
    has raised that since.
    """

    run_id: int
    attempt: int
    cause: Cause | None
    reason: str
    memory: int | None = None
    runtime: int | None = None


def past_attempts(
    finding: Finding, results: Iterable[JobResult], retries: Mapping[int, Retry]
) -> tuple[PastAttempt, ...]:
    """The earlier ones among the ``results`` of the job of the ``finding``, the first one first.

    ``retries`` are what rounds of recovery did about it, by the run that had come to rest.
    """
    earlier = [each for each in results if finding.run_id is None or each.run_id < finding.run_id]
    earlier.sort(key=lambda each: (each.run_id, each.attempt))
    return tuple(_past(finding, each, retries.get(each.run_id)) for each in earlier)


def _past(finding: Finding, result: JobResult, retry: Retry | None) -> PastAttempt:
    number = {"run_id": result.run_id, "attempt": result.attempt}
    if result.status is JobStatus.COMPLETED:
        return PastAttempt(**number, cause=None, reason="completed")
    if retry is not None:
        return PastAttempt(
            **number,
            cause=retry.cause,
            reason=retry.reason,
            memory=retry.memory[0] if retry.memory else None,
            runtime=retry.runtime[0] if retry.runtime else None,
        )
    job = replace(finding.job, status=result.status)
    told = diagnose(Evidence(job=job, result=result, requirements=finding.requirements))
    return PastAttempt(**number, cause=told.cause, reason=told.reason)
