"""The logs in the evidence pack: what failed jobs, their allocations and runners have written."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from anyio.lowlevel import checkpoint

from torc_watch.app.job_logs import (
    LogFile,
    LoggedJob,
    LogQuery,
    first_present,
    log_files,
    output_dir_of,
)
from torc_watch.app.pack import Pack
from torc_watch.config.settings import Settings
from torc_watch.core.findings import Finding
from torc_watch.core.handover import MOST_JOBS, chosen_failures, ends_of_logs
from torc_watch.core.job_attempt import Attempt
from torc_watch.core.job_output import output_names
from torc_watch.core.log_excerpt import CONTEXT, LogEnds, excerpt
from torc_watch.core.model import JobStatus, Workflow
from torc_watch.core.os_errors import describe_os_error
from torc_watch.core.report import WorkflowReport
from torc_watch.engine.error_output import error_folders
from torc_watch.host.file_ends import read_ends
from torc_watch.render.terminal_text import printable
from torc_watch.torc.client import TorcClient

_FAILED = (JobStatus.FAILED, JobStatus.TERMINATED)
_MOST_ATTEMPTS = 3  # of one run, of jobs that only the journal knows
_LONGEST_PATH = 4096  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class _Origins:
    """``allocation_of`` has Slurm's number for the attempt of a job in a run."""

    workflow: Workflow
    folders: tuple[Path, ...]
    allocation_of: dict[tuple[int, int, int], int]


async def add_logs(
    pack: Pack,
    client: TorcClient,
    report: WorkflowReport,
    output_dir: Path | None,
    settings: Settings,
    progress: Callable[[str], None],
) -> None:
    """Raises ServerError and OSError."""
    known = report.known
    if known is None or not known.failures:
        pack.leave_out("logs", "no job has failed")
        return
    chosen = chosen_failures(known.failures)
    folder = output_dir or output_dir_of(report.key, settings)
    origins = _Origins(
        workflow=known.workflow,
        folders=error_folders(folder, known.workflow.submission_directory),
        allocation_of=await _allocations(client, known.workflow.id),
    )
    head, tail = ends_of_logs(pack.room, len(chosen))
    seen: set[Path] = set()
    for index, finding in enumerate(chosen):
        progress(f"logs of job {index + 1} of {len(chosen)}")
        await checkpoint()
        files = _files(finding, origins)
        if not any(file.kind not in ("allocation", "runner") for file in files):
            pack.leave_out(
                f"output of job {finding.job.id} ({printable(finding.job.name)})",
                f"not found in {_folders(origins.folders)}",
            )
        _add_files(pack, (each for each in files if each.path not in seen), finding, (head, tail))
        seen.update(file.path for file in files)
    more = sum(len(group.findings) for group in known.failures) - len(chosen)
    if more > 0:
        why = f"limit: of {MOST_JOBS} jobs, some for each reason of the failures"
        pack.leave_out(f"logs of {more} more failed jobs", why)


async def _allocations(client: TorcClient, workflow_id: int) -> dict[tuple[int, int, int], int]:
    allocations = {each.id: each for each in await client.list_allocations(workflow_id)}
    workers = await client.list_compute_nodes(workflow_id)
    numbers = {
        worker.id: allocations[worker.allocation_id].scheduler_id
        for worker in workers
        if worker.allocation_id in allocations
    }
    results = [
        each for status in _FAILED for each in await client.list_results(workflow_id, status)
    ]
    return {
        (each.job_id, each.run_id, each.attempt): numbers[each.compute_node_id]
        for each in results
        if each.compute_node_id in numbers
    }


def _files(finding: Finding, origins: _Origins) -> list[LogFile]:
    job, run_id = finding.job, finding.run_id
    if run_id is None:
        return []
    number = origins.allocation_of.get((job.id, run_id, job.attempt))
    found = LoggedJob(
        workflow=origins.workflow,
        job=job,
        attempt=Attempt(run_id=run_id, attempt=job.attempt),
        folders=origins.folders,
        allocations=() if number is None else (number,),
    )
    return log_files(found, LogQuery(job_id=job.id, with_allocation=True))


def _add_files(
    pack: Pack, files: Iterable[LogFile], finding: Finding, ends: tuple[int, int]
) -> None:
    of_job = f"job {finding.job.id} ({printable(finding.job.name)}), run {finding.run_id}"
    for file in files:
        whose = "" if file.kind in ("allocation", "runner") else f" of {of_job}"
        _add_file(pack, file, f"{file.kind}{whose}", *ends)


def _add_file(pack: Pack, file: LogFile, about: str, head: int, tail: int) -> None:
    path = printable(str(file.path), _LONGEST_PATH)
    try:
        ends = read_ends(file.path, head + CONTEXT, tail + CONTEXT)
    except OSError as error:
        pack.leave_out(path, f"cannot be read: {describe_os_error(error)}")
        return
    found = excerpt(
        LogEnds(head=ends.head, tail=ends.tail, size=ends.size), head, tail, pack.redactor.text
    )
    name = pack.free_name(f"logs/{printable(file.path.name)}")
    pack.add(name, found.text, pack.redactor.text(f"{about}: {path}"), found.note)


async def add_logs_of_journal(
    pack: Pack, report: WorkflowReport, output_dir: Path | None, settings: Settings
) -> None:
    """Of jobs of which only the journal knows. Raises OSError."""
    folders = error_folders(output_dir or output_dir_of(report.key, settings))
    jobs = list(dict.fromkeys(_journaled_jobs(report)))[: 2 * MOST_JOBS]
    head, tail = ends_of_logs(pack.room, len(jobs) * _MOST_ATTEMPTS)
    is_found = False
    for job_id, run_id in jobs:
        await checkpoint()
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            names = output_names(
                workflow_id=report.key.workflow_id, job_id=job_id, run_id=run_id, attempt=attempt
            )
            for file in first_present(folders, dict.fromkeys(names, "output")):
                is_found = True
                _add_file(pack, file, f"output of job {job_id}, run {run_id}", head, tail)
    if not is_found:
        pack.leave_out("logs", f"nothing of the journal's jobs is in {_folders(folders)}")


def _journaled_jobs(report: WorkflowReport) -> Iterator[tuple[int, int]]:
    """ID and run, the last ones first."""
    for past in reversed(report.rounds):
        if past.plan:
            retried = (each.job_id for each in past.plan.retries)
            left_alone = (each.job_id for each in past.plan.left_alone)
            for job_id in (*retried, *left_alone):
                yield job_id, past.plan.run_id + 1  # if the round was carried out
                yield job_id, past.plan.run_id


def _folders(folders: Iterable[Path]) -> str:
    return " or ".join(printable(f"{folder}/job_stdio", _LONGEST_PATH) for folder in folders)
