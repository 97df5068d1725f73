"""The embedded server as a process of its own, on a real socket: starts, ends, and events."""

import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.rigs.embedded import serve_on_loopback
from torc_watch.core.errors import SandboxError
from torc_watch.sandbox.server import ServerSettings, open_server, serve

PROGRAM = """
import sys
from pathlib import Path
import anyio
from torc_watch.sandbox.server import ServerSettings, serve

async def main():
    settings = ServerSettings(directory=Path(sys.argv[1]), unblock_interval=0.01)
    await serve(settings, announce=lambda url: print(url, flush=True))

anyio.run(main)
"""
WORKFLOW = {"name": "w", "user": "u"}
JOB = {"workflow_id": 1, "name": "j", "command": "true"}
ALLOCATION: dict[str, Any] = {"workflow_id": 1, "scheduler_id": 9, "scheduler_config_id": 1}
ALLOCATION |= {"scheduler_type": "slurm", "status": "pending"}


@contextmanager
def server_process(directory: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server and its URL; killed at the end where the test did not end it."""
    command = [sys.executable, "-c", PROGRAM, str(directory)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.mark.slow
def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    with server_process(tmp_path) as (process, url):
        httpx.post(f"{url}/workflows", json=WORKFLOW).raise_for_status()
        jobs = [JOB | {"name": f"j{number}"} for number in range(50)]
        httpx.post(f"{url}/bulk_jobs", json={"jobs": jobs}).raise_for_status()
        process.kill()
        process.wait()
    with server_process(tmp_path) as (_, url):
        assert httpx.get(f"{url}/workflows/1/job_ids").json()["count"] == 50
        assert httpx.post(f"{url}/jobs", json=JOB).json()["id"] == 51


@pytest.mark.slow
@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_quietly_even_while_somebody_listens(
    tmp_path: Path, asked: signal.Signals
) -> None:
    with server_process(tmp_path) as (process, url):
        httpx.post(f"{url}/workflows", json=WORKFLOW).raise_for_status()
        with httpx.stream("GET", f"{url}/workflows/1/events/stream") as stream:
            assert stream.status_code == 200
            process.send_signal(asked)
            assert list(stream.iter_lines()) == []
        output, errors = process.communicate(timeout=20)
        assert (process.returncode, output, errors) == (0, "", "")


async def test_one_server_for_a_directory(tmp_path: Path) -> None:
    async with open_server(ServerSettings(directory=tmp_path)):
        await expect_refusal(tmp_path, "Another server runs on")
    async with open_server(ServerSettings(directory=tmp_path)):
        pass  # the first one let go


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SandboxError, match=f"Cannot listen on 127.0.0.1:{port}"):
            await serve(ServerSettings(directory=tmp_path), port=port, announce=lambda _: None)


async def test_a_directory_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    await expect_refusal(tmp_path / "file" / "below", "cannot be used")


async def test_a_database_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "torc.db").write_text("no database " * 100)
    await expect_refusal(tmp_path, "torc.db cannot be used: file is not a database")


async def test_a_database_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "torc.db").mkdir()
    await expect_refusal(tmp_path, "torc.db cannot be used: unable to open")


async def expect_refusal(directory: Path, reason: str) -> None:
    with pytest.raises(SandboxError, match=reason):
        async with open_server(ServerSettings(directory=directory)):
            pass


async def test_listeners_hear_of_their_workflow_from_their_level_on(tmp_path: Path) -> None:
    settings = ServerSettings(directory=tmp_path)
    async with serve_on_loopback(settings) as url, httpx.AsyncClient(base_url=url) as client:
        for _ in range(2):
            await client.post("/workflows", json=WORKFLOW)
        await client.post("/jobs", json=JOB)
        path = "/workflows/1/events/stream?level=error"
        async with client.stream("GET", path) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            await client.post("/workflows/1/initialize_jobs")  # info: too low
            await client.post("/workflows/2/initialize_jobs")  # somebody else's
            await fail_job(client)
            lines = stream.aiter_lines()
            assert await anext(lines) == "event: job_failed"
            assert '"return_code": 137' in await anext(lines)


async def test_what_listeners_are_told_of(tmp_path: Path) -> None:
    settings = ServerSettings(directory=tmp_path)
    async with serve_on_loopback(settings) as url, httpx.AsyncClient(base_url=url) as client:
        await client.post("/workflows", json=WORKFLOW)
        async with client.stream("GET", "/workflows/1/events/stream") as stream:
            for path, body in (
                ("/scheduled_compute_nodes", ALLOCATION),
                ("/jobs", JOB),
                ("/workflows/1/initialize_jobs", None),
                ("/workflows/1/initialize_jobs?only_uninitialized=true", None),
                ("/workflows/1/claim_next_jobs", None),
            ):
                (await client.post(path, json=body)).raise_for_status()
            await fail_job(client)
            lines = stream.aiter_lines()
            told = [line async for line in limited(lines, 18) if line.startswith("event:")]
    assert told == [
        "event: scheduler_node_created",
        "event: workflow_reinitialized",
        "event: workflow_started",
        "event: compute_node_started",
        "event: compute_node_stopped",
        "event: job_failed",
    ]


async def limited(lines: AsyncIterator[str], number: int) -> AsyncIterator[str]:
    for _ in range(number):
        yield await anext(lines)


async def test_there_is_no_stream_of_an_unknown_workflow(tmp_path: Path) -> None:
    settings = ServerSettings(directory=tmp_path)
    async with serve_on_loopback(settings) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/workflows/9/events/stream")).status_code == 404


async def fail_job(client: httpx.AsyncClient) -> None:
    """A node appears and goes, and job 1 of workflow 1 failed on it."""
    node: dict[str, Any] = {
        "workflow_id": 1,
        "hostname": "h",
        "pid": 1,
        "start_time": "now",
        "num_cpus": 1,
    }
    node |= {"memory_gb": 1.0, "num_gpus": 0, "num_nodes": 1, "compute_node_type": "local"}
    (await client.post("/compute_nodes", json=node)).raise_for_status()
    (await client.put("/compute_nodes/1", json=node | {"is_active": False})).raise_for_status()
    result = {"workflow_id": 1, "job_id": 1, "run_id": 0, "compute_node_id": 1}
    result |= {"return_code": 137, "exec_time_minutes": 1}
    body = result | {"completion_time": "now", "status": "failed"}
    (await client.post("/jobs/1/complete_job/failed/0", json=body)).raise_for_status()
