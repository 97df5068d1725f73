"""Sets of job statuses, and the rule for retries."""

from torc_watch.core.model import JobStatus

COMPLETE = frozenset(
    {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED, JobStatus.TERMINATED}
)
# The statuses that a worker may report. A pending_failed job waits for the user's decision and is
# not complete.
TERMINAL = COMPLETE | {JobStatus.PENDING_FAILED}
STATUSES = frozenset(JobStatus) - {JobStatus.UNRECOGNIZED}
# A workflow is complete when no job is in one of these.
UNFINISHED = STATUSES - COMPLETE - {JobStatus.DISABLED}
# A workflow is uninitialized when no job is in one of these.
INITIALIZED = STATUSES - {JobStatus.UNINITIALIZED, JobStatus.DISABLED}
ACTIVE = frozenset({JobStatus.PENDING, JobStatus.RUNNING})
RETRYABLE = frozenset({JobStatus.RUNNING, JobStatus.FAILED, JobStatus.TERMINATED})
# The statuses that a reset of failed jobs includes: canceled jobs too, although they did not fail.
RESETTABLE = frozenset(
    {JobStatus.FAILED, JobStatus.CANCELED, JobStatus.TERMINATED, JobStatus.PENDING_FAILED}
)
# Initialization sets every other status to ready: terminated, pending and running too.
KEPT_AT_INITIALIZATION = frozenset(
    {
        JobStatus.DISABLED,
        JobStatus.BLOCKED,
        JobStatus.COMPLETED,
        JobStatus.FAILED,
        JobStatus.CANCELED,
        JobStatus.READY,
    }
)


def sql_set(statuses: frozenset[JobStatus]) -> str:
    """The statuses as the right-hand side of an SQL ``IN``."""
    return "(" + ", ".join(f"'{status}'" for status in sorted(statuses)) + ")"


def retry_refusal(status: JobStatus, attempt: int, max_retries: int) -> str | None:
    """Why a job in ``status``, at ``attempt``, may not be retried; None when it may."""
    if status not in RETRYABLE:
        return f"status is {status}, must be running, failed or terminated"
    if attempt >= max_retries:
        return f"attempt_id {attempt} >= max_retries {max_retries}"
    return None
