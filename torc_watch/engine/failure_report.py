"""What the user sees of the failed jobs when a workflow is handed over."""

from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path

from torc_watch.core.decisions import Skip
from torc_watch.core.diagnosis import Finding
from torc_watch.core.events import FailedJob
from torc_watch.core.job_output import stdio_name
from torc_watch.engine.watch import WatchRequest
from torc_watch.host.file_tail import last_lines

_MOST = 50  # more than a user reads, and few enough to read from a slow file system


def failed_jobs(
    findings: Iterable[Finding], request: WatchRequest, skipped: Iterable[Skip] = ()
) -> tuple[FailedJob, ...]:
    """The first of the failed jobs, with the reason why each was skipped, where it was."""
    reasons = {skip.job_id: skip.reason for skip in skipped}
    return tuple(
        _failed_job(finding, reasons.get(finding.job.id, finding.reason), request)
        for finding in islice(findings, _MOST)
    )


def _failed_job(finding: Finding, reason: str, request: WatchRequest) -> FailedJob:
    errors = _error_output(finding, request)
    lines = last_lines(errors) if errors else []
    return FailedJob(
        job_id=finding.job.id,
        job_name=finding.job.name,
        reason=reason,
        errors=str(errors) if errors else None,
        last_words=lines[-1] if lines else None,
    )


def _error_output(finding: Finding, request: WatchRequest) -> Path | None:
    if finding.run_id is None:
        return None
    path = request.output_dir / stdio_name(
        workflow_id=request.workflow_id,
        job_id=finding.job.id,
        run_id=finding.run_id,
        attempt=finding.job.attempt,
        stream="e",
    )
    with suppress(OSError):  # a file system that is unavailable does not change the verdict
        return path if path.is_file() else None
    return None
