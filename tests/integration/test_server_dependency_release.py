"""When the embedded server unblocks jobs, also if its database fails. Time is virtual."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from torc_watch.sandbox.server import ServerSettings, open_server
from torc_watch.sandbox.server.server_settings import TorcApi

URL = "http://torc/torc-service/v1"
NODE: dict[str, Any] = {
    "workflow_id": 1,
    "hostname": "h",
    "pid": 1,
    "start_time": "now",
    "num_cpus": 1,
}
NODE |= {"memory_gb": 1.0, "num_gpus": 0, "num_nodes": 1, "compute_node_type": "local"}
RESULT: dict[str, Any] = {
    "workflow_id": 1,
    "job_id": 1,
    "run_id": 0,
    "attempt_id": 1,
    "compute_node_id": 1,
}
RESULT |= {"return_code": 0, "exec_time_minutes": 0.5, "status": "completed"}


@asynccontextmanager
async def server(directory: Path, api_version: TorcApi = "1.0") -> AsyncIterator[httpx.AsyncClient]:
    """A server on a directory that may have the data of an earlier server."""
    opened = open_server(ServerSettings(directory=directory, api_version=api_version))
    async with (
        opened as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client,
    ):
        yield client


async def begin_chain(client: httpx.AsyncClient) -> None:
    """Three jobs, each depends on the previous one; the first is complete."""
    requests: list[tuple[str, Any]] = [("/workflows", {"name": "w", "user": "u"})]
    for number, name in enumerate("abc"):
        job = {"workflow_id": 1, "name": name, "command": "true"}
        requests.append(("/jobs", job | {"depends_on_job_ids": [number] if number else []}))
    requests += [("/workflows/1/initialize_jobs", {}), ("/compute_nodes", NODE)]
    result = RESULT | {"completion_time": "2026-01-01T00:00:00Z"}
    requests.append(("/jobs/1/complete_job/completed/0", result))
    for path, body in requests:
        assert (await client.post(path, json=body)).status_code == 200


async def statuses(client: httpx.AsyncClient) -> list[str]:
    return [job["status"] for job in (await client.get("/jobs?workflow_id=1")).json()["items"]]


async def unblocking_task() -> None:
    """Wait until the unblocking task has run."""
    await anyio.sleep(30.1)


@pytest.mark.looptime
@pytest.mark.parametrize("api_version", ["0.12", "1.0"])
async def test_dependents_become_ready_only_when_the_task_runs(
    tmp_path: Path, api_version: TorcApi
) -> None:
    async with server(tmp_path, api_version) as client:
        await begin_chain(client)
        await anyio.sleep(20)
        assert await statuses(client) == ["completed", "blocked", "blocked"]
        await unblocking_task()
        assert await statuses(client) == ["completed", "ready", "blocked"]


@pytest.mark.looptime
async def test_task_retries_after_the_database_was_locked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with server(tmp_path) as client:
        await begin_chain(client)
        with closing(sqlite3.connect(tmp_path / "torc.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await unblocking_task()
            assert await statuses(client) == ["completed", "blocked", "blocked"]
            caplog.clear()
            refused = await client.put("/jobs/2/manage_status_change/ready/0")
            assert refused.status_code == 500
            assert "locked" in caplog.text
        await unblocking_task()
        assert await statuses(client) == ["completed", "ready", "blocked"]


async def test_completion_from_before_a_restart_is_processed_at_once(tmp_path: Path) -> None:
    async with server(tmp_path) as client:
        await begin_chain(client)
    async with server(tmp_path) as client:
        assert await statuses(client) == ["completed", "ready", "blocked"]
