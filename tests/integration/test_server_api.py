"""The embedded server over HTTP: refused bodies, background tasks and accounts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from torc_watch.sandbox.server import ServerSettings, open_server
from torc_watch.sandbox.server.server_settings import TorcApi

URL = "http://torc/torc-service/v1"
WORKFLOW = {"name": "w", "user": "u"}
ALLOCATION = {"scheduler_id": 9, "scheduler_config_id": 1, "scheduler_type": "slurm"}
JOB = {"workflow_id": 1, "name": "j", "command": "true"}


@asynccontextmanager
async def server(
    directory: Path, api_version: TorcApi = "1.0", **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    opened = open_server(ServerSettings(directory=directory, api_version=api_version, **settings))
    async with (
        opened as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client,
    ):
        yield client


async def created(client: httpx.AsyncClient, path: str, body: Any) -> Any:
    response = await client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


async def got(client: httpx.AsyncClient, path: str) -> Any:
    response = await client.get(path)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize("jobs", [[{}] * 1000, [JOB | {"depends_on_job_ids": ["x"] * 1000}]])
async def test_error_names_the_first_mistake_only(tmp_path: Path, jobs: list[Any]) -> None:
    async with server(tmp_path) as client:
        response = await client.post("/bulk_jobs", json={"jobs": jobs})
        assert response.status_code == 422
        assert response.text.startswith("Failed to deserialize the JSON body into the target type")
        assert response.text.count("jobs.0.") == 1
        assert len(response.text) < 200


async def test_number_beyond_64_bits_is_an_internal_error(tmp_path: Path) -> None:
    async with server(tmp_path) as client:
        await created(client, "/workflows", WORKFLOW)
        body = ALLOCATION | {"workflow_id": 1, "status": "x", "scheduler_id": 2**70}
        response = await client.post("/scheduled_compute_nodes", json=body)
        assert response.status_code == 500
        assert response.json()["error"]["message"] == "An internal error occurred"


@pytest.mark.looptime
async def test_background_task_initializes_jobs_and_can_be_polled(tmp_path: Path) -> None:
    async with server(tmp_path) as client:
        await created(client, "/workflows", WORKFLOW)
        await created(client, "/jobs", JOB)
        await anyio.sleep(1)  # the server is idle
        queued = await client.post("/workflows/1/initialize_jobs?async=true")
        assert (queued.status_code, queued.json()["status"]) == (202, "queued")
        again = await client.post("/workflows/1/initialize_jobs?async=true")
        assert (again.status_code, again.json()["id"]) == (202, 1)
        other = "/workflows/1/initialize_jobs?async=true&only_uninitialized=true"
        assert (await client.post(other)).status_code == 409
        assert (await got(client, "/workflows/1/active_task"))["task"]["id"] == 1
        await anyio.sleep(1)
        assert (await got(client, "/tasks/1"))["status"] == "succeeded"
        assert (await got(client, "/workflows/1/active_task")) == {"task": None}
        assert (await got(client, "/jobs/1"))["status"] == "ready"


async def test_task_from_before_a_restart_has_failed(tmp_path: Path) -> None:
    async with server(tmp_path) as client:
        await created(client, "/workflows", WORKFLOW)
        await client.post("/workflows/1/initialize_jobs?async=true")
    async with server(tmp_path) as client:
        assert (await got(client, "/tasks/1"))["status"] == "failed"
        assert (await got(client, "/workflows/1/active_task")) == {"task": None}


@pytest.mark.parametrize(
    ("credentials", "status"),
    [(None, 401), (("ada", "wrong"), 401), (("eve", "secret"), 401), (("ada", "secret"), 200)],
)
async def test_server_with_accounts_requires_a_password(
    tmp_path: Path, credentials: tuple[str, str] | None, status: int
) -> None:
    async with server(tmp_path, accounts={"ada": "secret"}) as client:
        auth = None if credentials is None else httpx.BasicAuth(*credentials)
        response = await client.get("/ping", auth=auth)
        assert response.status_code == status
        if status == 401:
            assert response.text == "Unauthorized"
            assert response.headers["WWW-Authenticate"] == 'Basic realm="Torc"'
