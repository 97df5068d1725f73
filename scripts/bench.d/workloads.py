"""Creates workflows in the states to measure, with requests of a client and a worker."""

import os
import socket
from datetime import UTC, datetime
from typing import Any

from torc_watch.core.allocation import AllocationShape
from torc_watch.core.model import JobStatus
from torc_watch.core.units import GIB, MIB
from torc_watch.torc.client import TorcClient
from torc_watch.torc.requests import NewJob, NewRequirements, NewResult, NewWorkflow
from torc_watch.torc.runner_api import RunnerApi, WorkerResources

FAILED_OF = 20  # one of this many jobs has failed
_BATCH = 1_000  # completions


async def failed_workflow(client: TorcClient, jobs: int) -> int:
    """A complete workflow of which every twentieth job was killed for its memory."""
    workflow_id, ids = await _initialized_workflow(client, jobs)
    run = (await client.get_workflow(workflow_id)).run_id
    transport = client.transport
    resources = WorkerResources(num_cpus=jobs, memory=jobs * 64 * MIB)
    await RunnerApi(transport).claim_jobs(workflow_id, resources, limit=jobs)
    node = await transport.post("/compute_nodes", body=_ended_node(workflow_id))
    for start in range(0, jobs, _BATCH):
        completions = [
            _completion(workflow_id, job_id, run, node["id"], failed=n % FAILED_OF == 0)
            for n, job_id in enumerate(ids[start : start + _BATCH], start)
        ]
        path = f"/workflows/{workflow_id}/batch_complete_jobs"
        await transport.post(path, body={"completions": completions})
    return workflow_id


async def busy_workflow(
    client: TorcClient, jobs: int, *, scheduler_type: str, scheduler_id: int
) -> int:
    """A workflow with the allocation ``scheduler_id``, whose worker runs one of its jobs."""
    workflow_id, _ = await _initialized_workflow(client, jobs)
    config_id = await client.create_scheduler_config(
        workflow_id, "local", name="local", shape=AllocationShape(num_cpus=1, memory=GIB)
    )
    await client.create_allocation(
        workflow_id,
        scheduler_id=scheduler_id,
        scheduler_config_id=config_id,
        scheduler_type=scheduler_type,
        status="active",
    )
    worker = RunnerApi(client.transport)
    resources = WorkerResources(num_cpus=1, memory=GIB)
    run_id = (await client.get_workflow(workflow_id)).run_id
    node_id = await worker.register_node(
        workflow_id,
        hostname=socket.gethostname(),
        pid=os.getpid(),
        started_at=datetime.now(UTC),
        resources=resources,
        allocation=await worker.find_allocation(
            workflow_id, scheduler_id=scheduler_id, scheduler_type=scheduler_type
        ),
    )
    for claimed in await worker.claim_jobs(workflow_id, resources, limit=1):
        await worker.start_job(claimed.job.id, run_id=run_id, node_id=node_id)
    return workflow_id


async def _initialized_workflow(client: TorcClient, jobs: int) -> tuple[int, list[int]]:
    """The id of a new workflow and those of its jobs, which are ready."""
    workflow_id = await client.create_workflow(NewWorkflow(name="bench", user="bench"))
    row = await client.create_requirements(
        workflow_id, NewRequirements(name="small", memory=64 * MIB, runtime=60)
    )
    ids = await client.create_jobs(
        workflow_id,
        [NewJob(name=f"job_{n}", command="true", requirements_id=row) for n in range(jobs)],
    )
    await client.initialize_jobs(workflow_id)
    return workflow_id, ids


def _ended_node(workflow_id: int) -> dict[str, Any]:
    return {
        "workflow_id": workflow_id,
        "hostname": "bench",
        "pid": 1,
        "start_time": datetime.now(UTC).isoformat(),
        "duration_seconds": 1.0,
        "is_active": False,
        "num_cpus": 1,
        "memory_gb": 1.0,
        "num_gpus": 0,
        "num_nodes": 1,
        "compute_node_type": "local",
    }


def _completion(
    workflow_id: int, job_id: int, run: int, node_id: int, *, failed: bool
) -> dict[str, Any]:
    result = NewResult(
        workflow_id=workflow_id,
        run_id=run,
        attempt=1,
        compute_node_id=node_id,
        status=JobStatus.FAILED if failed else JobStatus.COMPLETED,
        return_code=137 if failed else 0,
        exec_seconds=1,
        completed_at=datetime.now(UTC),
    )
    return {
        "job_id": job_id,
        "run_id": run,
        "status": result.status.value,
        "result": result.body(job_id),
    }
