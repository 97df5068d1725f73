"""Where the output of a job is, with that of its allocation and of the runner. Only looks."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from torc_watch.app.composition import open_client
from torc_watch.app.foreground_watch import settings_of_watch
from torc_watch.config.settings import Settings
from torc_watch.core.errors import InvalidInput, JournalError, NotFound
from torc_watch.core.job_attempt import Attempt, chosen_attempt
from torc_watch.core.job_output import (
    allocation_output_names,
    lone_runner_log_pattern,
    runner_log_pattern,
    stdio_name,
)
from torc_watch.core.model import SLURM, Job, JobStatus, Workflow
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.watch_history import known_workflows
from torc_watch.engine.error_output import error_folders
from torc_watch.host.file_tail import size_of
from torc_watch.torc.client import TorcClient
from torc_watch.torc.transport import Connection

_STREAMS = {"o": "stdout", "log": "combined", "e": "stderr"}  # in the order in which they are shown
_MOST_ENTRIES = 1000
_MOST_LOGS = 50  # of the runners of an allocation


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """What to show of a job. ``output_dir`` is the user's own word on where it is."""

    job_id: int
    run_id: int | None = None
    attempt: int | None = None
    errors_only: bool = False
    with_allocation: bool = False
    output_dir: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedJob:
    """A job with the attempt that is meant, and the ``folders`` in which its output may be.

    ``allocations`` are Slurm's numbers of those in which it may have run. ``config`` is the
    workflow's ``execution_config``, of a job whose output is not found.
    """

    workflow: Workflow
    job: Job
    attempt: Attempt
    folders: tuple[Path, ...]
    allocations: tuple[int, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFile:
    """``kind`` is stdout, stderr, combined, allocation or runner. ``trouble`` is why it cannot be
    read, empty if it can.
    """

    path: Path
    kind: str
    size: int = 0
    trouble: str = ""


async def find_job(query: LogQuery, settings: Settings, connection: Connection) -> LoggedJob:
    """Raises ServerError, and InvalidInput for a job or a run that is not there."""
    async with open_client(connection) as client:
        return await look_up(client, query, settings)


async def look_up(client: TorcClient, query: LogQuery, settings: Settings) -> LoggedJob:
    """The same, with a client."""
    server = client.transport.connection.url
    try:
        workflow_id, job = await client.find_job(query.job_id)
        workflow = await client.get_workflow(workflow_id)
    except NotFound as error:
        raise InvalidInput(
            f"There is no job {query.job_id} on {server}. "
            "List those of a workflow with: torc-watchd jobs list ID. "
            "Of a workflow that was deleted, torc-watchd handover ID packs what is left."
        ) from error
    results = await client.list_attempts(workflow_id, job.id)
    attempt = chosen_attempt(workflow, job, results, run_id=query.run_id, attempt=query.attempt)
    output_dir = query.output_dir or output_dir_of(WorkflowKey(server, workflow_id), settings)
    found = LoggedJob(
        workflow=workflow,
        job=job,
        attempt=attempt,
        folders=error_folders(output_dir, workflow.submission_directory),
        allocations=await _allocations(client, job, attempt, workflow_id)
        if query.with_allocation
        else (),
    )
    if has_output(log_files(found, query)):
        return found
    return replace(found, config=await client.execution_config(workflow_id))


def output_dir_of(key: WorkflowKey, settings: Settings) -> Path:
    """Of the daemon's watch, if it has one; else as configured."""
    with suppress(JournalError):
        if watched := known_workflows(settings.home).get(key):
            return settings_of_watch(watched.options, settings).output_dir
    return settings.output_dir


async def _allocations(
    client: TorcClient, job: Job, attempt: Attempt, workflow_id: int
) -> tuple[int, ...]:
    """Of Slurm: that of the worker; of a job that runs the only active one, as no row names it."""
    found = [
        each for each in await client.list_allocations(workflow_id) if each.scheduler_type == SLURM
    ]
    if attempt.result is None:
        active = tuple(each.scheduler_id for each in found if each.status == "active")
        return active if job.status is JobStatus.RUNNING and len(active) == 1 else ()
    workers = await client.list_compute_nodes(workflow_id)
    rows = {each.allocation_id for each in workers if each.id == attempt.result.compute_node_id}
    return tuple(each.scheduler_id for each in found if each.id in rows)


def log_files(found: LoggedJob, query: LogQuery) -> list[LogFile]:
    """Those that are there, of the job in the first folder that has one, then the others."""
    files = first_present(found.folders, _names_of_job(found, query))
    return files + (_files_of_allocation(found) if query.with_allocation else [])


def has_output(files: Iterable[LogFile]) -> bool:
    """Whether one of them is of the job itself, even if it cannot be read."""
    return any(file.kind in _STREAMS.values() for file in files)


def other_folders(found: LoggedJob, query: LogQuery) -> list[Path]:
    """Folders beside those looked into that have a file of this name, perhaps of another server."""
    names = _names_of_job(found, query)
    parents = dict.fromkeys(folder.parent for folder in found.folders)
    beside = (folder for parent in parents for folder in _subfolders(parent))
    return [
        folder
        for folder in beside
        if any(not each.trouble for each in first_present([folder], names))
    ]


def _subfolders(parent: Path) -> Iterator[Path]:
    """Of the first thousand entries."""
    with suppress(OSError), os.scandir(parent) as entries:
        for entry in islice(entries, _MOST_ENTRIES):
            if entry.is_dir():
                yield Path(entry.path)


def _names_of_job(found: LoggedJob, query: LogQuery) -> dict[str, str]:
    """The kind of each name."""
    return {
        stdio_name(
            workflow_id=found.workflow.id,
            job_id=found.job.id,
            run_id=found.attempt.run_id,
            attempt=found.attempt.attempt,
            stream=stream,
        ): kind
        for stream, kind in _STREAMS.items()
        if kind != "stdout" or not query.errors_only
    }


def first_present(folders: Iterable[Path], names: Mapping[str, str]) -> list[LogFile]:
    """If possible of a folder that can be read."""
    unreadable: list[LogFile] = []
    for folder in folders:
        present = [_present(folder / name, kind) for name, kind in names.items()]
        files = [each for each in present if each is not None]
        if any(not each.trouble for each in files):
            return files
        unreadable = unreadable or files
    return unreadable


def _files_of_allocation(found: LoggedJob) -> list[LogFile]:
    files: list[LogFile] = []
    for number in found.allocations:
        names = allocation_output_names(workflow_id=found.workflow.id, number=number)
        files += first_present(found.folders, dict.fromkeys(reversed(names), "allocation"))
    return files + next(filter(None, (list(_logs(found, each)) for each in found.folders)), [])


def _logs(found: LoggedJob, folder: Path) -> Iterator[LogFile]:
    """Of the runners; of a job outside allocations that of ``torc run``."""
    for pattern in _log_patterns(found):
        paths: Sequence[Path] = ()
        with suppress(OSError):
            paths = sorted(islice(folder.glob(pattern), _MOST_LOGS))
        yield from (each for path in paths if (each := _present(path, "runner")))


def _log_patterns(found: LoggedJob) -> list[str]:
    workflow_id = found.workflow.id
    if not found.allocations:
        return [lone_runner_log_pattern(workflow_id=workflow_id, run_id=found.attempt.run_id)]
    return [
        runner_log_pattern(workflow_id=workflow_id, number=number) for number in found.allocations
    ]


def _present(path: Path, kind: str) -> LogFile | None:
    try:
        size = size_of(path)
    except OSError as error:
        return LogFile(path=path, kind=kind, trouble=error.strerror or str(error))
    return None if size is None else LogFile(path=path, kind=kind, size=size)
