"""How earlier attempts of a failed job ended."""

from torc_watch.core.cause import Cause
from torc_watch.core.findings import Finding
from torc_watch.core.model import Job, JobResult, JobStatus
from torc_watch.core.past_attempt import PastAttempt, past_attempts
from torc_watch.core.recovery_round import Retry
from torc_watch.core.units import GIB

JOB = Job(id=7, name="train", command="true", status=JobStatus.FAILED, requirements_id=1, attempt=1)
NOW = Finding(job=JOB, cause=Cause.UNKNOWN, reason="exit code 3", requirements=None, run_id=4)


def result(run_id: int, code: int, status: JobStatus = JobStatus.FAILED) -> JobResult:
    return JobResult(
        job_id=7,
        run_id=run_id,
        attempt=1,
        status=status,
        return_code=code,
        exec_seconds=1,
        peak_memory=None,
        compute_node_id=None,
    )


def test_attempts_before_this_one() -> None:
    results = [
        result(4, 3),
        result(3, 127),
        result(1, 137),
        result(2, 0, JobStatus.COMPLETED),
    ]
    raised = Retry(
        job_id=7, job_name="", cause=Cause.OOM, reason="killed (137)", memory=(2 * GIB, 3 * GIB)
    )
    assert past_attempts(NOW, results, {1: raised}) == (
        PastAttempt(run_id=1, attempt=1, cause=Cause.OOM, reason="killed (137)", memory=2 * GIB),
        PastAttempt(run_id=2, attempt=1, cause=None, reason="completed"),
        PastAttempt(
            run_id=3,
            attempt=1,
            cause=Cause.ENVIRONMENT,
            reason="a command was not found (exit code 127)",
        ),
    )
