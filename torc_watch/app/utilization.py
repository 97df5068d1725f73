"""Reads what the jobs of a workflow requested and used."""

from dataclasses import dataclass
from functools import partial

from torc_watch.app.composition import open_client, unknown_id_refused
from torc_watch.core.model import JobResult, JobStatus
from torc_watch.core.utilization import (
    ENDED_BADLY,
    EndedJob,
    Utilization,
    compare,
    with_step_peaks,
)
from torc_watch.torc.client import TorcClient
from torc_watch.torc.concurrency import gather
from torc_watch.torc.transport import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What is compared: the last result of each job, or those of one run.

    ``tolerance`` is how many percent above the request are no over-use.
    """

    tolerance: float
    run_id: int | None = None
    include_failed: bool = False


async def read_utilization(
    workflow_id: int, connection: Connection, comparison: Comparison
) -> Utilization:
    """Of completed jobs, and of failed ones if wanted. Changes nothing.

    Raises ServerError, and InvalidInput for a workflow that the server does not have.
    """
    async with open_client(connection) as client:
        with unknown_id_refused(workflow_id, connection):
            await client.get_workflow(workflow_id)
        results = await _results(client, workflow_id, comparison)
        jobs = await client.list_jobs(workflow_id)
        rows = {row.id: row for row in await client.list_requirements(workflow_id)}
        steps = await client.list_step_usage(workflow_id) if results else []
    by_id = {job.id: job for job in jobs}
    ended = [
        EndedJob(job=job, result=result, requirements=rows.get(job.requirements_id or 0))
        for result in with_step_peaks(results, steps)
        if (job := by_id.get(result.job_id)) is not None  # else it was added or deleted meanwhile
    ]
    return compare(ended, jobs, tolerance=comparison.tolerance)


async def _results(client: TorcClient, workflow_id: int, comparison: Comparison) -> list[JobResult]:
    run_id = comparison.run_id
    statuses = (JobStatus.COMPLETED, *(ENDED_BADLY if comparison.include_failed else ()))
    lists = await gather(
        [
            partial(client.list_results, workflow_id, status, all_runs=run_id is not None)
            for status in statuses
        ]
    )
    found = [result for results in lists for result in results]
    return [result for result in found if run_id in (None, result.run_id)]
