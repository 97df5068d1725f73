"""Reads what the jobs of a workflow have needed, over all of its runs."""

from contextlib import suppress
from functools import partial
from pathlib import Path

from torc_watch.app.composition import open_client, unknown_id_refused
from torc_watch.core.errors import JournalError
from torc_watch.core.kind_history import SizedAttempt
from torc_watch.core.kind_sizes import WorkflowSizes, ended_job, kind_sizes, unfinished_rows
from torc_watch.core.model import JobStatus
from torc_watch.core.sized_attempts import key_of
from torc_watch.core.utilization import ENDED_BADLY, EndedJob, with_step_peaks
from torc_watch.core.workflow_key import WorkflowIdentity
from torc_watch.daemon.stored_attempts import attempts_of
from torc_watch.torc.concurrency import gather
from torc_watch.torc.transport import Connection


async def read_sizes(workflow_id: int, home: Path, connection: Connection) -> WorkflowSizes:
    """Of completed and failed jobs, also attempts that only the journal knows. Changes nothing.

    Raises ServerError, and InvalidInput for a workflow that the server does not have.
    """
    async with open_client(connection) as client:
        with unknown_id_refused(workflow_id, connection):
            workflow = await client.get_workflow(workflow_id)
        lists = await gather(
            [
                partial(client.list_results, workflow_id, status, all_runs=True)
                for status in (JobStatus.COMPLETED, *ENDED_BADLY)
            ]
        )
        results = [result for found in lists for result in found]
        jobs = {job.id: job for job in await client.list_jobs(workflow_id)}
        rows = {row.id: row for row in await client.list_requirements(workflow_id)}
        steps = await client.list_step_usage(workflow_id) if results else []
    ended = [
        EndedJob(job=job, result=result, requirements=rows.get(job.requirements_id or 0))
        for result in with_step_peaks(results, steps)
        if (job := jobs.get(result.job_id)) is not None  # else it was added or deleted meanwhile
    ]
    shown = {(each.result.job_id, each.result.run_id, each.result.attempt) for each in ended}
    ended += [
        ended_job(each, job, rows.get(job.requirements_id or 0))
        for each in _recorded(home, WorkflowIdentity.of(workflow, connection.url))
        if key_of(each) not in shown and (job := jobs.get(each.job_id)) is not None
    ]
    return WorkflowSizes(
        kinds=kind_sizes(workflow_id, ended, rows.values()),
        unfinished=unfinished_rows(jobs.values(), ended, rows),
    )


def _recorded(home: Path, identity: WorkflowIdentity) -> tuple[SizedAttempt, ...]:
    """None where the journal cannot be read: the server has the most."""
    with suppress(JournalError):
        return attempts_of(home, identity).attempts
    return ()
