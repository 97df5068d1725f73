"""Requests and seconds of a poll and of a recovery, by size of the workflow, 5 % of it failed.

The comparison is what `torc watch` does for its job counts: it downloads every job.
"""

import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
from hosting import over_loopback

from torc_watch.core.model import JobStatus
from torc_watch.core.policy import RecoverySettings
from torc_watch.engine.journal import Journal
from torc_watch.engine.observing import observe
from torc_watch.engine.supervisor import Surroundings, supervise
from torc_watch.engine.watch import WatchRequest
from torc_watch.sandbox.local_allocations import LocalAllocations
from torc_watch.sandbox.server import ServerSettings
from torc_watch.torc.client import TorcClient
from torc_watch.torc.drafts import NewJob, NewRequirements, NewResult, NewWorkflow
from torc_watch.torc.transport import Connection, Transport

_SIZES = (100, 1_000, 10_000)
_FAILED_OF = 20  # one of so many


async def measure() -> dict[str, float]:
    values: dict[str, float] = {}
    for jobs in _SIZES:
        with tempfile.TemporaryDirectory() as directory:
            values |= await _measure_one(jobs, Path(directory))
    return values


async def _measure_one(jobs: int, directory: Path) -> dict[str, float]:
    values: dict[str, float] = {}
    settings = ServerSettings(directory=directory / "server")
    async with over_loopback(settings) as url, Transport(Connection(url=url)) as transport:
        client = await TorcClient.connect(transport)
        workflow_id = await _failed_workflow(client, jobs)
        scheduler = LocalAllocations(directory / "allocations", transport.connection)

        async def record(name: str, action: Callable[[], Awaitable[Any]]) -> None:
            sent, began = transport.requests_sent, time.perf_counter()
            await action()
            values[f"{name}, {jobs:,} jobs: s"] = time.perf_counter() - began
            values[f"{name}, {jobs:,} jobs: requests"] = transport.requests_sent - sent

        await record("poll", lambda: observe(client, scheduler, workflow_id, with_counts=False))
        await record(
            "poll with counts", lambda: observe(client, scheduler, workflow_id, with_counts=True)
        )
        await record("compare: download every job", lambda: client.list_jobs(workflow_id))
        with closing(Journal(directory / "journal.db")) as journal:
            surroundings = Surroundings(
                client=client,
                scheduler=scheduler,
                journal=journal,
                locks=directory / "locks",
                report=lambda _: None,
            )
            request = _one_round(workflow_id, directory)
            await record("recovery", lambda: supervise([request], surroundings))
        failed = jobs // _FAILED_OF
        values[f"recovery, {jobs:,} jobs: requests per failed job"] = (
            values[f"recovery, {jobs:,} jobs: requests"] / failed
        )
        with anyio.CancelScope(shield=True):
            await scheduler.cancel_all()
    return values


def _one_round(workflow_id: int, directory: Path) -> WatchRequest:
    return WatchRequest(
        workflow_id=workflow_id,
        recovery=RecoverySettings(max_retries=None),
        poll_interval=1,
        show_job_counts=False,
        output_dir=directory / "output",
        once=True,
    )


async def _failed_workflow(client: TorcClient, jobs: int) -> int:
    """A workflow at rest, of which every twentieth job was killed for its memory."""
    workflow_id = await client.create_workflow(NewWorkflow(name="bench", user="bench"))
    row = await client.create_requirements(
        workflow_id, NewRequirements(name="small", memory=64 * 2**20, runtime=60)
    )
    ids = await client.create_jobs(
        workflow_id,
        [NewJob(name=f"job_{n}", command="true", requirements_id=row) for n in range(jobs)],
    )
    await client.initialize_jobs(workflow_id)
    run = (await client.get_workflow(workflow_id)).run_id
    transport = client.transport
    await transport.post(f"/workflows/{workflow_id}/claim_next_jobs", limit=jobs)
    node = await transport.post("/compute_nodes", body=_ended_node(workflow_id))
    for start in range(0, jobs, 1_000):
        completions = [
            _completion(workflow_id, job_id, run, node["id"], failed=n % _FAILED_OF == 0)
            for n, job_id in enumerate(ids[start : start + 1_000], start)
        ]
        path = f"/workflows/{workflow_id}/batch_complete_jobs"
        await transport.post(path, body={"completions": completions})
    return workflow_id


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
