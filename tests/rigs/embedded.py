"""The embedded server in this event loop, on a free loopback port, and a workflow on it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import anyio

from torc_watch.core.model import JobStatus
from torc_watch.core.units import GIB
from torc_watch.engine.messages import utc_now
from torc_watch.sandbox.server import ServerSettings, serve
from torc_watch.torc.client import TorcClient
from torc_watch.torc.requests import NewJob, NewRequirements, NewResult, NewWorkflow
from torc_watch.torc.runner_api import RunnerApi, WorkerResources


@asynccontextmanager
async def serve_on_loopback(settings: ServerSettings) -> AsyncIterator[str]:
    """Yields the embedded server's URL."""
    listening = anyio.Event()
    urls: list[str] = []

    def announce(url: str) -> None:
        urls.append(url)
        listening.set()

    async def run() -> None:
        await serve(settings, announce=announce)

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await listening.wait()
        yield urls[0]
        group.cancel_scope.cancel()


async def ended_workflow(client: TorcClient, codes: Mapping[str, int]) -> int:
    """Its jobs, whose return codes are by their names, ran on a worker that has ended."""
    workflow_id = await client.create_workflow(NewWorkflow(name="nightly", user="ada"))
    row = await client.create_requirements(
        workflow_id, NewRequirements(name="small", memory=2 * GIB, runtime=60)
    )
    ids = await client.create_jobs(
        workflow_id,
        [NewJob(name=name, command="true", requirements_id=row) for name in codes],
    )
    await client.initialize_jobs(workflow_id)
    run_id = (await client.get_workflow(workflow_id)).run_id
    worker, resources = RunnerApi(client.transport), WorkerResources(num_cpus=9, memory=99 * GIB)
    await worker.claim_jobs(workflow_id, resources, limit=len(codes))
    node_id = await worker.register_node(
        workflow_id,
        hostname="n1",
        pid=1,
        started_at=utc_now(),
        resources=resources,
        allocation=None,
    )
    for job_id, code in zip(ids, codes.values(), strict=True):
        await worker.start_job(job_id, run_id=run_id, node_id=node_id)
        result = NewResult(
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
        await client.complete_job(job_id, result)
    await client.end_compute_node(workflow_id, node_id)
    return workflow_id
