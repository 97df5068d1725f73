"""What failed jobs wrote last: the file with the error output of each, and the line that tells.

Torc's runners write it into the output folder that they were started with, which need not be that
of the watch. Files are read from their end, and never as a whole. No symbolic link is followed: a
job may have made one to what is not to be sent on, and these lines go into reports.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from torc_watch.core.events import FailedJob
from torc_watch.core.findings import Finding
from torc_watch.core.job_output import STREAMS, stdio_name
from torc_watch.core.recovery_round import Skip
from torc_watch.host.file_tail import last_lines

_MAX_FAILED_JOBS = 50  # more than a user reads, and few enough to read from a slow file system
_DEFAULT_FOLDER = "torc_output"  # of Torc 1.0
_OF_SRUN = ("srun:", "slurmstepd:")  # say that a job ended, after it said why


def error_folders(output_dir: Path, submitted_in: str | None = None) -> tuple[Path, ...]:
    """Where a job's error output may be, the likeliest first.

    ``submitted_in`` is the folder in which the workflow was created, as the server has it.
    """
    output_dir = output_dir.absolute()
    folders = [output_dir, output_dir.parent / _DEFAULT_FOLDER]
    if submitted_in and Path(submitted_in).is_absolute() and "\0" not in submitted_in:
        there = Path(submitted_in)
        folders += [there / _DEFAULT_FOLDER, there / output_dir.name]
    return tuple(dict.fromkeys(folders))


def failed_jobs(
    findings: Iterable[Finding],
    workflow_id: int,
    folders: Sequence[Path],
    skipped: Iterable[Skip] = (),
) -> tuple[FailedJob, ...]:
    """For the user: the first 50, each with its last error line, and why it was skipped."""
    reasons = {skip.job_id: skip.reason for skip in skipped}
    return tuple(
        _failed_job(finding, reasons.get(finding.job.id, finding.reason), workflow_id, folders)
        for finding in islice(findings, _MAX_FAILED_JOBS)
    )


def telling_line(lines: Sequence[str]) -> str | None:
    """The last one with a letter or a digit, if possible not of Slurm; None if all are blank."""
    written = [line for line in lines if line]
    with_words = [line for line in written if any(map(str.isalnum, line))]
    of_job = [line for line in with_words if not line.startswith(_OF_SRUN)]
    return next((found[-1] for found in (of_job, with_words, written) if found), None)


def _failed_job(
    finding: Finding, reason: str, workflow_id: int, folders: Sequence[Path]
) -> FailedJob:
    errors, line = _last_words(finding, workflow_id, folders)
    return FailedJob(
        job_id=finding.job.id,
        job_name=finding.job.name,
        reason=reason,
        errors=str(errors) if errors else None,
        last_words=line,
    )


def _last_words(
    finding: Finding, workflow_id: int, folders: Sequence[Path]
) -> tuple[Path | None, str | None]:
    """Of the first folder that has a file of the job: the first one that says something."""
    for folder in folders:
        files = list(_files(finding, workflow_id, folder))
        for file in files:
            if line := telling_line(last_lines(file)):
                return file, line
        if files:
            return files[0], None
    return None, None


def _files(finding: Finding, workflow_id: int, folder: Path) -> Iterator[Path]:
    if finding.run_id is None:
        return
    for stream in STREAMS:
        path = folder / stdio_name(
            workflow_id=workflow_id,
            job_id=finding.job.id,
            run_id=finding.run_id,
            attempt=finding.job.attempt,
            stream=stream,
        )
        with suppress(OSError):  # a file system that is unavailable does not change the verdict
            if path.is_file() and not path.is_symlink():
                yield path
