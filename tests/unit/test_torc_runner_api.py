"""The requests of a job runner, and how answers are parsed."""

import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from torc_watch.core.errors import ServerFault
from torc_watch.core.model import Allocation, JobStatus
from torc_watch.core.units import GIB, MIB
from torc_watch.torc.runner_api import RunnerApi, WorkerResources
from torc_watch.torc.transport import Connection, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ALLOCATION = Allocation(
    id=6, scheduler_id=99, scheduler_config_id=2, scheduler_type="local", status="pending"
)


class Server:
    """Gives the same answer to each request."""

    def __init__(self, answer: Any, status: int = 200) -> None:
        self.answer = answer
        self.status = status
        self.sent: list[str] = []
        self.bodies: list[Any] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(f"{request.method} {request.url.raw_path.decode()}")
        if request.content:
            self.bodies.append(json.loads(request.content))
        return httpx.Response(self.status, json=self.answer)

    @asynccontextmanager
    async def api(self) -> "AsyncIterator[RunnerApi]":
        connection = Connection(url="localhost:8080")
        async with Transport(connection, http=httpx.MockTransport(self)) as transport:
            yield RunnerApi(transport)


def row(number: int, scheduler_type: str) -> dict[str, Any]:
    return {
        "id": number,
        "scheduler_id": 99,
        "scheduler_config_id": 2,
        "scheduler_type": scheduler_type,
        "status": "pending",
    }


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([], None),
        ([row(5, "slurm")], None),
        ([row(5, "slurm"), row(6, "local")], 6),
        ([row(6, "local"), row(7, "local")], 7),
    ],
)
async def test_allocation_is_found_by_id_and_type(rows: list[Any], found: int | None) -> None:
    server = Server({"items": rows, "total_count": len(rows), "has_more": False})
    async with server.api() as api:
        allocation = await api.find_allocation(1, scheduler_id=99, scheduler_type="local")
    assert (allocation and allocation.id) == found
    assert server.sent[0].endswith("workflow_id=1&scheduler_id=99")


@pytest.mark.parametrize(
    ("allocation", "of_allocation"),
    [
        (None, {}),
        (ALLOCATION, {"scheduler": {"type": "local", "scheduler_id": 6, "slurm_job_id": 99}}),
    ],
)
async def test_request_to_register_a_node(
    allocation: Allocation | None, of_allocation: dict[str, Any]
) -> None:
    server = Server({"id": 4})
    async with server.api() as api:
        node = await api.register_node(
            1,
            hostname="n1",
            pid=42,
            started_at=datetime(2026, 1, 1, tzinfo=UTC),
            resources=WorkerResources(
                num_cpus=2, memory=3 * GIB // 2, time_left=90, scheduler_config_id=2
            ),
            allocation=allocation,
        )
    assert node == 4
    assert server.bodies == [
        {
            "workflow_id": 1,
            "hostname": "n1",
            "pid": 42,
            "start_time": "2026-01-01T00:00:00+00:00",
            "is_active": True,
            "num_cpus": 2,
            "memory_gb": 1.5,
            "num_gpus": 0,
            "num_nodes": 1,
            "time_limit": "PT1M30S",
            "scheduler_config_id": 2,
            "compute_node_type": "local",
            **of_allocation,
        }
    ]


async def test_request_to_claim_jobs() -> None:
    job = {"id": 7, "workflow_id": 1, "name": "a", "command": "true", "status": "pending"}
    more = {"id": 8, "invocation_script": "env.sh", "output_file_ids": [3], "attempt_id": 2}
    server = Server({"jobs": [job, job | more], "reason": None})
    async with server.api() as api:
        first, second = await api.claim_jobs(
            1, WorkerResources(num_cpus=1, memory=64 * MIB), limit=5
        )
    assert server.sent == ["POST /torc-service/v1/workflows/1/claim_jobs_based_on_resources/5"]
    assert server.bodies == [{"num_cpus": 1, "memory_gb": 0.0625, "num_gpus": 0, "num_nodes": 1}]
    assert (first.job.id, first.job.status, first.output_file_ids) == (7, JobStatus.PENDING, ())
    assert (second.job.attempt, second.invocation_script, second.output_file_ids) == (
        2,
        "env.sh",
        (3,),
    )


@pytest.mark.parametrize("answer", [{"jobs": [], "reason": "none"}, {"jobs": None}, {}])
async def test_empty_claim(answer: Any) -> None:
    async with Server(answer).api() as api:
        resources = WorkerResources(num_cpus=1, memory=MIB)
        assert await api.claim_jobs(1, resources, limit=1) == []


@pytest.mark.parametrize("status", [500, 503])
async def test_claims_and_starts_are_not_retried(status: int) -> None:
    server = Server({"error": "no"}, status)
    async with server.api() as api:
        with pytest.raises(ServerFault):
            await api.claim_jobs(1, WorkerResources(num_cpus=1, memory=MIB), limit=1)
        with pytest.raises(ServerFault):
            await api.start_job(7, run_id=2, node_id=4)
    assert len(server.sent) == 2
    assert server.sent[1] == "PUT /torc-service/v1/jobs/7/start_job/2/4"


async def test_requirements_and_files_of_a_job() -> None:
    answer = {"id": 5, "name": "small", "memory": "64m", "runtime": "PT1M", "path": "out.csv"}
    server = Server(answer)
    async with server.api() as api:
        assert (await api.get_requirements(5)).memory == 64 * MIB
        assert await api.get_file_path(3) == "out.csv"
    assert [line.removeprefix("GET /torc-service/v1") for line in server.sent] == [
        "/resource_requirements/5",
        "/files/3",
    ]
