"""A workflow on a server whose worker is played: no process runs."""

from collections.abc import Mapping

from torc_watch.core.model import JobStatus
from torc_watch.core.units import GIB
from torc_watch.engine.messages import utc_now
from torc_watch.torc.client import TorcClient
from torc_watch.torc.requests import NewJob, NewRequirements, NewResult, NewWorkflow
from torc_watch.torc.runner_api import RunnerApi, WorkerResources

_NODE = WorkerResources(num_cpus=64, memory=512 * GIB)


async def played_workflow(
    client: TorcClient, codes: Mapping[str, int | None], more_workers: int = 0
) -> int:
    """Runs the jobs with these names to these return codes; None runs on.

    All are on node n1, whose worker ends unless a job runs on; ``more_workers`` live and run none.
    """
    workflow_id = await client.create_workflow(NewWorkflow(name="nightly", user="ada"))
    row = await client.create_requirements(
        workflow_id, NewRequirements(name="small", memory=2 * GIB, runtime=60)
    )
    jobs = [NewJob(name=name, command="true", requirements_id=row) for name in codes]
    ids = await client.create_jobs(workflow_id, jobs)
    await client.initialize_jobs(workflow_id)
    run_id = (await client.get_workflow(workflow_id)).run_id
    await RunnerApi(client.transport).claim_jobs(workflow_id, _NODE, limit=len(ids))
    node_id = await _worker(client, workflow_id, "n1")
    for job_id, code in zip(ids, codes.values(), strict=True):
        await RunnerApi(client.transport).start_job(job_id, run_id=run_id, node_id=node_id)
        if code is not None:
            await client.complete_job(job_id, _result(workflow_id, run_id, node_id, code))
    if None not in codes.values():
        await client.end_compute_node(workflow_id, node_id)
    for number in range(more_workers):
        await _worker(client, workflow_id, f"idle{number}")
    return workflow_id


async def _worker(client: TorcClient, workflow_id: int, hostname: str) -> int:
    return await RunnerApi(client.transport).register_node(
        workflow_id,
        hostname=hostname,
        pid=1,
        started_at=utc_now(),
        resources=_NODE,
        allocation=None,
    )


def _result(workflow_id: int, run_id: int, node_id: int, code: int) -> NewResult:
    return NewResult(
        workflow_id=workflow_id,
        run_id=run_id,
        attempt=1,
        compute_node_id=node_id,
        status=JobStatus.FAILED if code else JobStatus.COMPLETED,
        return_code=code,
        exec_seconds=2,
        completed_at=utc_now(),
        peak_memory=GIB,
    )
