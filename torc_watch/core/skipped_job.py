"""A failed job that is left alone, for a reason."""

from torc_watch.core.findings import Finding
from torc_watch.core.model import Job, JobStatus
from torc_watch.core.recovery_round import Skip


def skipped(finding: Finding, reason: str) -> Skip:
    return Skip(
        job_id=finding.job.id,
        job_name=finding.job.name,
        cause=finding.cause,
        reason=reason,
        restarts_anyway=restarts_anyway(finding.job),
    )


def restarts_anyway(job: Job) -> bool:
    """Torc's initialize_jobs makes every terminated job ready, whether it was chosen or not."""
    return job.status in (JobStatus.TERMINATED, JobStatus.PENDING_FAILED)
