"""Torc's official Python clients, each with the servers of its API version."""

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conformance.conftest import Server

ROOT = Path(__file__).parents[2]
DRIVER = Path(__file__).with_name("official_client_driver.py")

SEEN_BY_BOTH: dict[str, Any] = {
    "ping": {"status": "ok"},
    "recovery": {
        "uninitialized": True,
        "initialized": {"a": "ready", "b": "blocked", "c": "blocked", "d": "ready"},
        "claimed": ["a", "d"],
        "failed": {"a": "failed", "b": "canceled", "c": "canceled", "d": "completed"},
        "shown": {
            "workflow": ["official", True],
            "job": ["a", "failed"],
            "result": [137, 2**30, "failed"],
            "node": ["node", False],
        },
        "allocations": {"reset_while_pending": 422, "complete": 1, "pending": 0},
        "reset": 3,
        "runs": 1,
        "again": {"a": "ready", "b": "blocked", "c": "blocked", "d": "completed"},
        "recovered": dict.fromkeys("abcd", "completed"),
        "results": 4,
        "all results": 5,
    },
    "action": {"pending": ["on_workflow_start"], "second_claim": 409},
}
SEEN_BY_1_0: dict[str, Any] = {
    "retry": {"retried": ["ready", 2], "too often": 422},
    "newer": {
        "task": ["initialize_jobs", "succeeded"],
        "running": ["a"],
        "counts": [4, 1],
        "archived": True,
        "reset when archived": 422,
    },
}
SEEN_BY_0_12: dict[str, Any] = {"retry": {"without max_retries": 400}}
CLIENTS = {"0.12": ("0.12.3", SEEN_BY_0_12), "1.0": ("0.35.0", SEEN_BY_1_0)}
VERSIONS = {
    "embedded-0.12": "0.12.2 (embedded)",
    "embedded-1.0": "1.0.0",
    "torc-0.12.2": "0.12.2 (unknown)",
    "torc-1.0.0": "1.0.0 (unknown)",
}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_official_client_recovers_a_workflow(server: "Server") -> None:
    version, only_this_version = CLIENTS[server.api_version]
    command: list[str | Path] = [client_of(version), DRIVER, server.url]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    expected = SEEN_BY_BOTH | only_this_version | {"version": VERSIONS[server.name]}
    assert json.loads(ended.stdout) == expected


def client_of(version: str) -> Path:
    """The Python of a client's environment; creates it, or skips the test if that fails."""
    environment = ROOT / f".venv-torc-client-{version}"
    if not (environment / "complete").exists():
        setup = subprocess.run(
            [ROOT / "scripts" / "setup-torc-clients"], capture_output=True, text=True, check=False
        )
        if setup.returncode != 0:
            unavailable(f"torc-client {version} cannot be installed: {setup.stderr.strip()[-200:]}")
    return environment / "bin" / "python"


def unavailable(reason: str) -> None:
    """Skip, or fail if TORC_WATCH_REQUIRE demands the clients."""
    if "torc-client" in os.environ.get("TORC_WATCH_REQUIRE", "").split(","):
        pytest.fail(reason)
    pytest.skip(reason)
