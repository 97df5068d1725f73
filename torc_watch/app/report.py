"""Gathers what a report says of a workflow. Changes nothing.

What a workflow was, and what the daemon did for it, outlives its server: without that the report
has what the journal knows, and says so.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from torc_watch.app.composition import open_client
from torc_watch.app.inspection import (
    StoredWatch,
    find_workflow,
    inspect_stored,
    read_error_output,
    read_stored_watch,
)
from torc_watch.config.settings import Settings
from torc_watch.core.errors import (
    InvalidInput,
    JournalError,
    NotFound,
    RecordUnreadable,
    ServerError,
)
from torc_watch.core.explanation import group_failures
from torc_watch.core.model import (
    Allocation,
    ComputeNode,
    Job,
    JobResult,
    JobStatus,
    Requirements,
    StepUsage,
    Workflow,
)
from torc_watch.core.node_hour_split import split_node_hours
from torc_watch.core.past_watch import PastWatch
from torc_watch.core.report import WorkflowOnServer, WorkflowReport
from torc_watch.core.run_summary import run_summaries
from torc_watch.core.timeline import timeline_of
from torc_watch.core.use_spread import use_spreads
from torc_watch.core.utilization import (
    ENDED_BADLY,
    EndedJob,
    ResourceKind,
    Utilization,
    compare,
    with_step_peaks,
)
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.commands import WatchOptions
from torc_watch.daemon.status_file import read_status
from torc_watch.daemon.watch_history import watches_of
from torc_watch.engine.messages import utc_now
from torc_watch.torc.client import TorcClient
from torc_watch.torc.concurrency import gather

_READING_TIMEOUT = 60.0  # seconds, for what failed jobs have written
_MOST_LIVE_WORKERS = 50  # that are asked for the jobs that they run
_TOLERANCE = 1.0  # percent above a request that are no over-use, as in `reports`


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """What the server has; ``results`` of all runs, ``last`` the current one of each job."""

    workflow: Workflow
    jobs: list[Job]
    results: list[JobResult]
    last: list[JobResult]
    workers: list[ComputeNode]
    allocations: list[Allocation]
    requirements: list[Requirements]
    steps: list[StepUsage]
    running_on: dict[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Journaled:
    """``trouble`` says why the journal cannot be read, else it is empty."""

    watches: tuple[PastWatch, ...]
    record: StoredWatch
    trouble: str = ""


async def workflow_report(workflow_id: int, url: str | None, settings: Settings) -> WorkflowReport:
    """Of the workflow that `report_key` finds.

    Raises InvalidInput and ServerError where neither the server nor the journal knows it.
    """
    key = report_key(workflow_id, url, settings)
    journaled = _journaled(key, settings)
    known, troubles, is_unreachable = None, [journaled.trouble], False
    try:
        known = await _on_server(key, journaled.record, settings)
    except NotFound as error:
        if not journaled.watches:
            raise _unknown(key, settings) from error
        troubles.append(
            f"Workflow {workflow_id} is not on {key.server} any more. This report has what the "
            "journal of torc-watchd knows: what was done and why."
        )
    except ServerError as error:
        if not journaled.watches:
            raise
        is_unreachable = True
        troubles.append(
            f"{error.__cause__ or error} This report has what the journal of torc-watchd knows: "
            "what was done and why. Make it again when the server answers."
        )
    return WorkflowReport(
        key=key,
        made=utc_now(),
        version=version("torc-watch"),
        known=known,
        watches=journaled.watches,
        troubles=tuple(filter(None, troubles)),
        is_unreachable=is_unreachable,
    )


def report_key(workflow_id: int, url: str | None, settings: Settings) -> WorkflowKey:
    """The workflow on the server that the user chose, by ``url`` or in the configuration.

    Without such a choice the daemon's workflow, or the only one that it ever watched with this ID,
    else that on the default server. Raises InvalidInput for an ID that the daemon watches on
    several servers.
    """
    home = settings.home
    here = WorkflowKey(settings.connection(url).url, workflow_id)
    if url or settings.chosen_url:
        return here
    try:
        if key := find_workflow(home, read_status(home), workflow_id, None):
            return key
        past = _watched_keys(workflow_id, home)
    except JournalError:
        return here
    return past.pop() if len(past) == 1 else here


def _watched_keys(workflow_id: int, home: Path) -> set[WorkflowKey]:
    """Also those that are watched no more. Raises JournalError."""
    return {watch.key for watch in watches_of(home, workflow_id)}


def _journaled(key: WorkflowKey, settings: Settings) -> _Journaled:
    nothing = StoredWatch(WatchOptions(), rounds=())
    try:
        watches = tuple(
            watch for watch in watches_of(settings.home, key.workflow_id) if watch.key == key
        )
        return _Journaled(watches=watches, record=read_stored_watch(settings.home, key))
    except (JournalError, RecordUnreadable) as error:
        return _Journaled(watches=(), record=nothing, trouble=f"No history: {error}")


def _unknown(key: WorkflowKey, settings: Settings) -> InvalidInput:
    elsewhere: set[WorkflowKey] = set()
    with suppress(JournalError):
        elsewhere = _watched_keys(key.workflow_id, settings.home)
    if elsewhere:
        servers = " and ".join(sorted(each.server for each in elsewhere))
        hint = f"torc-watchd watched one on {servers}: choose that server with --url."
    else:
        hint = "torc-watchd never watched one. List the workflows with: torc-watchd workflows"
    return InvalidInput(f"There is no workflow {key.workflow_id} on {key.server}. {hint}")


async def _on_server(key: WorkflowKey, record: StoredWatch, settings: Settings) -> WorkflowOnServer:
    async with open_client(settings.connection(key.server)) as client:
        rows = await _read(client, key.workflow_id)
    seen = await inspect_stored(
        key, record, settings, is_watched=record.is_watched, reading=_READING_TIMEOUT
    )
    now = utc_now()
    timeline = timeline_of(
        rows.jobs, rows.results, rows.workers, rows.allocations, now, running_on=rows.running_on
    )
    utilization = _utilization(rows)
    return WorkflowOnServer(
        workflow=rows.workflow,
        counts=seen.counts,
        answer=seen.answer,
        of_watch=seen.of_watch,
        failures=group_failures(seen.findings, seen.decision, seen.past.retried),
        errors=read_error_output(seen, record, settings).jobs,
        suspects=seen.suspects,
        notes=seen.all_notes,
        open_allocations=len(seen.observation.allocations),
        timeline=timeline,
        runs=tuple(run_summaries(timeline.attempts)),
        node_hours=split_node_hours(rows.workers, timeline.attempts, _cpus(rows), now),
        utilization=utilization,
        spreads={
            resource: use_spreads(utilization, resource)
            for resource in (ResourceKind.MEMORY, ResourceKind.RUNTIME)
        },
    )


async def _read(client: TorcClient, workflow_id: int) -> _Rows:
    workflow = await client.get_workflow(workflow_id)
    jobs = await client.list_jobs(workflow_id)
    results = await client.list_results(workflow_id, all_runs=True)
    workers = await client.list_compute_nodes(workflow_id)
    return _Rows(
        workflow=workflow,
        jobs=jobs,
        results=results,
        last=await client.list_results(workflow_id),
        workers=workers,
        allocations=await client.list_allocations(workflow_id),
        requirements=await client.list_requirements(workflow_id),
        steps=await client.list_step_usage(workflow_id) if results else [],
        running_on=await _running_on(client, workflow_id, jobs, workers),
    )


async def _running_on(
    client: TorcClient, workflow_id: int, jobs: Iterable[Job], workers: Iterable[ComputeNode]
) -> dict[int, int]:
    """The worker of each job that runs, by the job's ID; not where too many workers live."""
    live = [worker.id for worker in workers if not worker.has_ended]
    if len(live) > _MOST_LIVE_WORKERS or all(job.status is not JobStatus.RUNNING for job in jobs):
        return {}
    lists = await gather(
        [partial(client.list_active_jobs_on, worker, workflow_id) for worker in live]
    )
    return {job.id: worker for worker, found in zip(live, lists, strict=True) for job in found}


def _utilization(rows: _Rows) -> Utilization:
    by_id = {job.id: job for job in rows.jobs}
    requirements = {row.id: row for row in rows.requirements}
    compared = (JobStatus.COMPLETED, *ENDED_BADLY)
    ended = [
        EndedJob(job=job, result=result, requirements=requirements.get(job.requirements_id or 0))
        for result in with_step_peaks(rows.last, rows.steps)
        if result.status in compared and (job := by_id.get(result.job_id)) is not None
    ]
    return compare(ended, rows.jobs, tolerance=_TOLERANCE)


def _cpus(rows: _Rows) -> dict[int, int]:
    requested = {row.id: row.num_cpus for row in rows.requirements}
    return {job.id: requested.get(job.requirements_id or 0, 1) for job in rows.jobs}
