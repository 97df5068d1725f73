"""Torc's official Python clients, unchanged, against the embedded server."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import anyio
import pytest

from torc_watch.sandbox.server import ServerSettings, serve
from torc_watch.sandbox.server.settings import DialectName

ROOT = Path(__file__).parents[2]
DRIVER = Path(__file__).with_name("official_client_driver.py")

SEEN_BY_BOTH: dict[str, Any] = {
    "ping": {"status": "ok"},
    "recovery": {
        "uninitialized": True,
        "initialized": {"a": "ready", "b": "blocked", "c": "blocked", "d": "ready"},
        "claimed": ["a", "d"],
        "failed": {"a": "failed", "b": "canceled", "c": "canceled", "d": "completed"},
        "errors": {
            "no such workflow": 404,
            "no such job": 404,
            "completing by status": 422,
            "another run": 422,
            "starting what is not claimed": 500,
            "renaming a job that ran": 422,
            "memory of a strange unit": 422,
        },
        "allocations": {"reset_while_pending": 422, "complete": 1, "pending": 0},
        "reset": 3,
        "runs": 1,
        "again": {"a": "ready", "b": "blocked", "c": "blocked", "d": "completed"},
        "recovered": dict.fromkeys("abcd", "completed"),
        "results": 4,
        "all results": 5,
        "out of memory": 1,
        "events": ["reset_job_status", "reset_workflow_status"],
    },
    "cancellation": {
        "complete": [True, True],
        "jobs": {"a": "canceled", "b": "blocked", "c": "blocked", "d": "ready"},
        "claimed": 0,
    },
    "action": {"pending": ["on_workflow_start"], "second_claim": 409},
    "paging": {
        "first": [10_000, 10_001, True],
        "last": [1, False, "j10000"],
        "newest": "j10000",
    },
}
SEEN_BY_35: dict[str, Any] = {
    "version": "1.0.0",
    "retry": {"retried": ["ready", 2], "too often": 422},
    "newer": {
        "task": ["initialize_jobs", "succeeded"],
        "running": ["a"],
        "counts": [4, 1],
        "archived": True,
        "reset when archived": 422,
    },
}
SEEN_BY_12: dict[str, Any] = {
    "version": "0.12.2 (embedded)",
    "retry": {"without max_retries": 400},
}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("version", "dialect", "particular"),
    [("0.35.0", "0.35", SEEN_BY_35), ("0.12.3", "0.12", SEEN_BY_12)],
)
async def test_the_official_client_recovers_a_workflow(
    tmp_path: Path, version: str, dialect: DialectName, particular: dict[str, Any]
) -> None:
    python = client_of(version)
    settings = ServerSettings(directory=tmp_path, dialect=dialect, unblock_interval=0.01)
    assert await driven(settings, python) == SEEN_BY_BOTH | particular


async def driven(settings: ServerSettings, python: Path) -> Any:
    """What the driver saw of a server with these settings."""
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
        ended = await anyio.run_process([python, DRIVER, urls[0]], check=False)
        group.cancel_scope.cancel()
    assert ended.returncode == 0, ended.stderr.decode()
    return json.loads(ended.stdout)


def client_of(version: str) -> Path:
    """The Python of a client's environment, made when missing; skips where it cannot be made."""
    environment = ROOT / f".venv-torc-client-{version}"
    if not (environment / "complete").exists():
        made = subprocess.run(
            [ROOT / "scripts" / "setup-torc-clients"], capture_output=True, text=True, check=False
        )
        if made.returncode != 0:
            unavailable(f"torc-client {version} cannot be installed: {made.stderr.strip()[-200:]}")
    return environment / "bin" / "python"


def unavailable(reason: str) -> None:
    """Skip, or fail where this machine is required to have the clients."""
    if "torc-client" in os.environ.get("TORC_WATCH_REQUIRE", "").split(","):
        pytest.fail(reason)
    pytest.skip(reason)
