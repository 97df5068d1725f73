"""Failures for the same reason are one kind."""

from torc_watch.core.cause import Cause
from torc_watch.core.failure_kind import kinds_of_failures
from torc_watch.core.findings import Finding
from torc_watch.core.model import Job, JobStatus


def failed(job_id: int, cause: Cause, reason: str, fingerprint: str | None = None) -> Finding:
    return Finding(
        job=Job(
            id=job_id,
            name="train",
            command="true",
            status=JobStatus.FAILED,
            requirements_id=1,
            attempt=1,
        ),
        cause=cause,
        reason=reason,
        requirements=None,
        fingerprint=fingerprint,
    )


def test_kinds_of_failures() -> None:
    findings = [
        failed(1, Cause.UNKNOWN, "exit code 3"),
        failed(6, Cause.OOM, "peak memory 80.0m above its 64m"),
        failed(2, Cause.OOM, "peak memory 65.0m above its 64m"),
        failed(3, Cause.UNKNOWN, "exit code 4"),
        failed(7, Cause.CODE, "KeyError: 'x'", "KeyError"),
        failed(5, Cause.CODE, "KeyError: 'y'", "KeyError"),
        failed(8, Cause.OOM, "MemoryError: 1", "MemoryError"),
        failed(4, Cause.OOM, "killed (137)"),
    ]
    assert [(kind.cause, kind.jobs, kind.reason) for kind in kinds_of_failures(findings)] == [
        (Cause.OOM, 3, "peak memory 65.0m above its 64m"),
        (Cause.CODE, 2, "KeyError: 'y'"),
        (Cause.UNKNOWN, 1, "exit code 3"),
        (Cause.UNKNOWN, 1, "exit code 4"),
        (Cause.OOM, 1, "MemoryError: 1"),
    ]
