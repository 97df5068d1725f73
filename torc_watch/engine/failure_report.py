"""What a person gets to see of the failed jobs when a workflow is handed over."""

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

_MOST = 50  # more than anybody reads, and few enough to be read from a slow file system


def exhibits(
    findings: Iterable[Finding], request: WatchRequest, left_alone: Iterable[Skip] = ()
) -> tuple[FailedJob, ...]:
    """The first of the failed jobs, with why they were left alone where that was decided."""
    reasons = {left.job_id: left.reason for left in left_alone}
    return tuple(
        _exhibit(finding, reasons.get(finding.job.id, finding.reason), request)
        for finding in islice(findings, _MOST)
    )


def _exhibit(finding: Finding, reason: str, request: WatchRequest) -> FailedJob:
    errors = _error_output(finding, request)
    words = last_lines(errors) if errors else []
    return FailedJob(
        job_id=finding.job.id,
        job_name=finding.job.name,
        reason=reason,
        errors=str(errors) if errors else None,
        last_words=words[-1] if words else None,
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
    with suppress(OSError):  # a file system that is away is no reason to judge otherwise
        return path if path.is_file() else None
    return None
