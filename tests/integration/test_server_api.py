"""The embedded server's manners: shapes of both API versions, lists, refusals and tasks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from torc_watch.sandbox.server import ServerSettings, open_server
from torc_watch.sandbox.server.settings import ApiVersionName

URL = "http://torc/torc-service/v1"
WORKFLOW = {"name": "w", "user": "u"}
ALLOCATION = {"scheduler_id": 9, "scheduler_config_id": 1, "scheduler_type": "slurm"}
JOB = {"workflow_id": 1, "name": "j", "command": "true"}


@asynccontextmanager
async def server(
    directory: Path, api_version: ApiVersionName = "1.0", **settings: Any
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
async def test_only_the_first_mistake_of_a_body_is_named(tmp_path: Path, jobs: list[Any]) -> None:
    async with server(tmp_path) as client:
        response = await client.post("/bulk_jobs", json={"jobs": jobs})
        assert response.status_code == 422
        assert response.text.startswith("Failed to deserialize the JSON body into the target type")
        assert response.text.count("jobs.0.") == 1
        assert len(response.text) < 200


async def test_a_body_of_numbers_beyond_the_database_is_an_internal_error(tmp_path: Path) -> None:
    async with server(tmp_path) as client:
        await created(client, "/workflows", WORKFLOW)
        body = ALLOCATION | {"workflow_id": 1, "status": "x", "scheduler_id": 2**70}
        response = await client.post("/scheduled_compute_nodes", json=body)
        assert response.status_code == 500
        assert response.json()["error"]["message"] == "An internal error occurred"


@pytest.mark.looptime
async def test_jobs_are_initialized_by_a_task_that_can_be_asked_after(tmp_path: Path) -> None:
    async with server(tmp_path) as client:
        await created(client, "/workflows", WORKFLOW)
        await created(client, "/jobs", JOB)
        await anyio.sleep(1)  # the server has nothing to do
        queued = await client.post("/workflows/1/initialize_jobs?async=true")
        assert (queued.status_code, queued.json()["status"]) == (202, "queued")
        assert (await client.post("/workflows/1/initialize_jobs")).status_code == 409
        assert (await got(client, "/workflows/1/active_task"))["task"]["id"] == 1
        await anyio.sleep(1)
        assert (await got(client, "/tasks/1"))["status"] == "succeeded"
        assert (await got(client, "/workflows/1/active_task")) == {"task": None}
        assert (await got(client, "/jobs/1"))["status"] == "ready"


async def test_a_task_of_before_a_restart_is_done(tmp_path: Path) -> None:
    async with server(tmp_path) as client:
        await created(client, "/workflows", WORKFLOW)
        await client.post("/workflows/1/initialize_jobs?async=true")
    async with server(tmp_path) as client:
        await anyio.lowlevel.checkpoint()
        assert (await got(client, "/tasks/1"))["status"] == "succeeded"


@pytest.mark.parametrize(
    ("credentials", "status"),
    [(None, 401), (("ada", "wrong"), 401), (("eve", "secret"), 401), (("ada", "secret"), 200)],
)
async def test_accounts_are_asked_for_when_there_are_any(
    tmp_path: Path, credentials: tuple[str, str] | None, status: int
) -> None:
    async with server(tmp_path, accounts={"ada": "secret"}) as client:
        auth = None if credentials is None else httpx.BasicAuth(*credentials)
        response = await client.get("/ping", auth=auth)
        assert response.status_code == status
        if status == 401:
            assert response.text == "Unauthorized"
            assert response.headers["WWW-Authenticate"] == 'Basic realm="Torc"'
