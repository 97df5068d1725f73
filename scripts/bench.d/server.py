"""The embedded server with 10,000 jobs: seconds per request, in process and over loopback."""

import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.rigs.embedded import serve_on_loopback
from torc_watch.sandbox.server import ServerSettings, open_server

_JOBS = 10_000
_PREFIX = "/torc-service/v1"
# 100 parallel chains: each job depends on the job 100 places before it.
_WIDTH = 100


async def measure() -> dict[str, float]:
    """Seconds of each request, by its name."""
    measured: dict[str, float] = {}
    for place, opened in (("in process", _in_process), ("loopback", _over_loopback)):
        with tempfile.TemporaryDirectory() as directory:
            async with opened(ServerSettings(directory=Path(directory))) as client:
                seconds = await _requests(client)
        measured |= {f"server, {place}: {name}": value for name, value in seconds.items()}
    return measured


@asynccontextmanager
async def _in_process(settings: ServerSettings) -> AsyncIterator[httpx.AsyncClient]:
    async with open_server(settings) as app:
        transport = httpx.ASGITransport(app)
        base_url = f"http://embedded{_PREFIX}"
        async with httpx.AsyncClient(transport=transport, base_url=base_url) as client:
            yield client


@asynccontextmanager
async def _over_loopback(settings: ServerSettings) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serve_on_loopback(settings) as url,
        httpx.AsyncClient(base_url=url, timeout=60) as client,
    ):
        yield client


async def _requests(client: httpx.AsyncClient) -> dict[str, float]:
    seconds = {}

    async def timed(name: str, method: str, path: str, body: Any = None) -> Any:
        started = time.perf_counter()
        response = await client.request(method, path, json=body)
        seconds[name] = time.perf_counter() - started
        return response.raise_for_status().json()

    workflow = await timed("create workflow", "POST", "/workflows", {"name": "b", "user": "b"})
    of_workflow = f"/workflows/{workflow['id']}"
    jobs = {"jobs": [_job(workflow["id"], number) for number in range(_JOBS)]}
    await timed("bulk insert of 10,000 jobs", "POST", "/bulk_jobs", jobs)
    listed = f"/jobs?workflow_id={workflow['id']}"
    await timed("list 10,000 jobs", "GET", listed)
    await timed("list 10,000 jobs with relations", "GET", f"{listed}&include_relationships=true")
    await timed("initialize 10,000 jobs", "POST", f"{of_workflow}/initialize_jobs")
    resources = {"num_cpus": 8, "memory_gb": 16.0, "num_gpus": 0, "num_nodes": 1}
    await timed("claim 8 jobs", "POST", f"{of_workflow}/claim_jobs_based_on_resources/8", resources)
    await timed("is_complete", "GET", f"{of_workflow}/is_complete")
    await timed("reset 10,000 jobs", "POST", f"{of_workflow}/reset_job_status")
    reinitialize = f"{of_workflow}/initialize_jobs?only_uninitialized=true"
    await timed("initialize 10,000 jobs again", "POST", reinitialize)
    return seconds


def _job(workflow_id: int, number: int) -> dict[str, Any]:
    earlier = [number - _WIDTH + 1] if number >= _WIDTH else []
    return {
        "workflow_id": workflow_id,
        "name": f"job_{number}",
        "command": f"python work.py --number {number}",
        "depends_on_job_ids": earlier,
    }
