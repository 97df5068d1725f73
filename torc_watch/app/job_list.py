"""The jobs of a workflow, each with how it ended last."""

from collections.abc import Collection, Mapping

from torc_watch.app.composition import open_client, unknown_id_refused
from torc_watch.core.job_attempt import is_over
from torc_watch.core.listed_job import ListedJob
from torc_watch.core.model import Job, JobResult, JobStatus, Workflow
from torc_watch.torc.client import TorcClient
from torc_watch.torc.transport import Connection

_UNDER_WAY = (JobStatus.PENDING, JobStatus.RUNNING)


async def list_jobs(
    workflow_id: int, statuses: Collection[JobStatus], connection: Connection
) -> list[ListedJob]:
    """By ID; all of them, or those with one of ``statuses``. Raises ServerError, InvalidInput."""
    async with open_client(connection) as client:
        with unknown_id_refused(workflow_id, connection):
            workflow = await client.get_workflow(workflow_id)
        return await jobs_of(client, workflow, statuses)


async def jobs_of(
    client: TorcClient, workflow: Workflow, statuses: Collection[JobStatus]
) -> list[ListedJob]:
    """The same, with a client. Commands of jobs are not kept, of which a workflow may have many."""
    nodes = {each.id: each.hostname for each in await client.list_compute_nodes(workflow.id)}
    found: list[ListedJob] = []
    for status in dict.fromkeys(statuses) or (None,):
        results = {each.job_id: each for each in await client.list_results(workflow.id, status)}
        async for page in client.job_pages(workflow.id, status):
            found += [_listed(workflow, job, results.get(job.id), nodes) for job in page]
    return sorted(found, key=lambda job: job.id)


def _listed(
    workflow: Workflow, job: Job, result: JobResult | None, nodes: Mapping[int, str]
) -> ListedJob:
    if result is None or not is_over(job):
        under_way = job.status in _UNDER_WAY
        return ListedJob(
            id=job.id,
            name=job.name,
            status=job.status,
            run_id=workflow.run_id if under_way else None,
            attempt=job.attempt if under_way else None,
        )
    return ListedJob(
        id=job.id,
        name=job.name,
        status=job.status,
        run_id=result.run_id,
        attempt=result.attempt,
        return_code=result.return_code,
        seconds=result.exec_seconds,
        peak_memory=result.peak_memory,
        node=nodes.get(result.compute_node_id or 0),
    )
