"""A future server version, simulated by changing the responses of every server."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from torc_watch.core.model import JobStatus
from torc_watch.core.units import GIB
from torc_watch.torc.client import TorcClient
from torc_watch.torc.requests import NewJob, NewRequirements, NewResult, NewWorkflow
from torc_watch.torc.runner_api import RunnerApi, WorkerResources
from torc_watch.torc.transport import Connection, Transport

if TYPE_CHECKING:
    from tests.conformance.conftest import Server

NODE = WorkerResources(num_cpus=4, memory=8 * GIB)
UNKNOWN_FIELDS = {"future field": [{"deeper": None}], "completely_new": 9.9}


@dataclass
class FutureServer(httpx.AsyncBaseTransport):
    """Reports version 9.9, adds fields to every object, and shows the named jobs as paused."""

    inner: httpx.AsyncBaseTransport
    paused: set[str] = field(default_factory=set)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self.inner.handle_async_request(request)
        body = await response.aread()
        await response.aclose()
        try:
            answer = json.loads(body)
        except ValueError:
            return httpx.Response(response.status_code, content=body)
        if request.url.path.endswith("/version"):
            answer = answer | {"version": "9.9.0"} if isinstance(answer, dict) else "9.9.0 (new)"
        return httpx.Response(response.status_code, json=self._changed(answer))

    async def aclose(self) -> None:
        await self.inner.aclose()

    def _changed(self, value: Any) -> Any:
        match value:
            case {"jobs_by_status": counts}:
                moved = {"ready": counts["ready"] - len(self.paused), "paused": len(self.paused)}
                return value | UNKNOWN_FIELDS | {"jobs_by_status": counts | moved}
            case dict():
                changed = {
                    key: self._changed(inner) for key, inner in value.items()
                } | UNKNOWN_FIELDS
                is_paused = value.get("name") in self.paused and "status" in value
                return changed | {"status": "paused"} if is_paused else changed
            case list():
                return [self._changed(inner) for inner in value]
            case _:
                return value


@pytest.fixture
def future() -> FutureServer:
    return FutureServer(httpx.AsyncHTTPTransport())


@pytest.fixture
async def client(server: "Server", future: FutureServer) -> AsyncIterator[TorcClient]:
    async with Transport(Connection(url=server.url), http=future) as transport:
        yield await TorcClient.connect(transport)


async def test_recovery_round_on_a_future_server(client: TorcClient) -> None:
    """Unknown fields are kept, also in objects that are read, changed and sent back."""
    assert client.version.startswith("9.9.0")
    workflow_id = await client.create_workflow(NewWorkflow(name="w", user="ada"))
    (job_id,) = await client.create_jobs(workflow_id, [NewJob(name="j", command="true")])
    await client.advance_run(workflow_id, to_run=1)
    await client.initialize_jobs(workflow_id)
    worker = RunnerApi(client.transport)
    allocation_id = await client.create_allocation(
        workflow_id, scheduler_id=7, scheduler_config_id=1, scheduler_type="local"
    )
    allocation = await worker.find_allocation(workflow_id, scheduler_id=7, scheduler_type="local")
    assert allocation is not None
    assert allocation.id == allocation_id
    await client.set_allocation_status(allocation, "active")
    node_id = await worker.register_node(
        workflow_id,
        hostname="n1",
        pid=42,
        started_at=datetime.now(UTC),
        resources=NODE,
        allocation=allocation,
    )
    (claimed,) = await worker.claim_jobs(workflow_id, NODE, limit=1)
    await worker.start_job(claimed.job.id, run_id=1, node_id=node_id)
    await client.complete_job(job_id, failure(workflow_id, node_id))
    await client.end_compute_node(workflow_id, node_id)
    await client.set_allocation_status(allocation, "complete")

    (result,) = await client.list_results(workflow_id, JobStatus.FAILED)
    assert (result.job_id, result.return_code) == (job_id, 137)
    more = NewRequirements(name="more", memory=2 * GIB, runtime=60)
    requirements_id = await client.create_requirements(workflow_id, more)
    job = await client.get_job(job_id)
    await client.assign_requirements(workflow_id, job, requirements_id)
    await client.set_job_status(job_id, JobStatus.UNINITIALIZED, 1)
    await client.advance_run(workflow_id, to_run=2)
    await client.initialize_jobs(workflow_id)
    (again,) = await client.list_jobs(workflow_id, JobStatus.READY)
    assert (again.id, again.requirements_id) == (job_id, requirements_id)
    assert [node.has_ended for node in await client.list_compute_nodes(workflow_id)] == [True]


async def test_unknown_status_is_unrecognized(client: TorcClient, future: FutureServer) -> None:
    workflow_id = await client.create_workflow(NewWorkflow(name="w", user="ada"))
    jobs = [NewJob(name=name, command="true") for name in ("strange", "usual")]
    await client.create_jobs(workflow_id, jobs)
    await client.initialize_jobs(workflow_id)
    future.paused = {"strange"}

    statuses = [job.status for job in await client.list_jobs(workflow_id)]
    assert statuses == [JobStatus.UNRECOGNIZED, JobStatus.READY]


@pytest.mark.parametrize("server", ["embedded-1.0", "torc-1.0.0"], indirect=True)
async def test_jobs_in_an_unknown_status_are_counted(
    client: TorcClient, future: FutureServer
) -> None:
    workflow_id = await client.create_workflow(NewWorkflow(name="w", user="ada"))
    jobs = [NewJob(name=name, command="true") for name in ("strange", "usual")]
    await client.create_jobs(workflow_id, jobs)
    await client.initialize_jobs(workflow_id)
    future.paused = {"strange"}

    counts = await client.count_jobs(workflow_id)
    assert (counts.of(JobStatus.UNRECOGNIZED), counts.of(JobStatus.READY)) == (1, 1)
    assert counts.total == 2


def failure(workflow_id: int, node_id: int) -> NewResult:
    return NewResult(
        workflow_id=workflow_id,
        run_id=1,
        attempt=1,
        compute_node_id=node_id,
        status=JobStatus.FAILED,
        return_code=137,
        exec_seconds=30.0,
        completed_at=datetime.now(UTC),
        peak_memory=None,
    )
