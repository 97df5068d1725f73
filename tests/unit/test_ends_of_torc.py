"""The diagnosis of jobs that ended under the real Torc, as scripts/capture-ends captured them.

A fake server gives the captured answers; everything above the HTTP transport is the product.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from torc_watch.core.assessment import WorkflowState, workflow_state
from torc_watch.core.cause import Cause
from torc_watch.engine.failure_search import FailureSearch
from torc_watch.engine.job_outputs import JobOutputs
from torc_watch.engine.workers import observe
from torc_watch.failures.rule_file import own_rules
from torc_watch.schedulers.cluster import Cluster
from torc_watch.schedulers.local.local_scheduler import LocalScheduler
from torc_watch.schedulers.local.this_machine import ThisMachine
from torc_watch.torc.client import TorcClient
from torc_watch.torc.transport import API_PATH, Connection, Transport

FIXTURES = Path(__file__).parents[1] / "fixtures"
OLD, NEW = "torc-0.12.2", "torc-1.0.0"
URL = "http://test"

LISTS = {
    "/jobs",
    "/results",
    "/resource_requirements",
    "/compute_nodes",
    "/scheduled_compute_nodes",
}
SINGLE = {
    "/version": "version",
    "/workflows/1": "workflow",
    "/workflows/1/status": "status",
    "/workflows/1/is_complete": "is_complete",
}


class CapturedServer:
    """Answers requests about workflow 1 from one file."""

    def __init__(self, version: str, name: str) -> None:
        self._rows = json.loads((FIXTURES / version / f"{name}.json").read_text())

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix(API_PATH)
        if path in SINGLE:
            return httpx.Response(200, json=self._rows[SINGLE[path]])
        assert path in LISTS, path
        items = [row for row in self._rows[path[1:]] if self._is_asked(row, request.url.params)]
        page = {"items": items, "total_count": len(items), "has_more": False}
        return httpx.Response(200, json=page)

    def _is_asked(self, row: dict[str, Any], query: httpx.QueryParams) -> bool:
        if (node := query.get("active_compute_node_id")) is not None:
            return row["id"] in self._rows["active_jobs"][node]
        return "status" not in query or row["status"] == query["status"]


@asynccontextmanager
async def captured(version: str, name: str) -> AsyncIterator[TorcClient]:
    http = httpx.MockTransport(CapturedServer(version, name))
    async with Transport(Connection(url=URL), http=http) as transport:
        yield await TorcClient.connect(transport)


async def findings(version: str, name: str, directory: Path) -> dict[str, tuple[Cause, str]]:
    """Cause and reason by the job's name."""
    async with captured(version, name) as client:
        cluster = Cluster.of(LocalScheduler(directory), machine=ThisMachine())
        observation = await observe(client, cluster, 1, with_counts=True, max_age=0)
        assert observation.counts is not None
        search = FailureSearch(client, cluster, JobOutputs(own_rules))
        diagnosis = await search.diagnose(observation, observation.counts, directory)
    return {each.job.name: (each.cause, each.reason) for each in diagnosis.findings}


Expected = dict[str, tuple[Cause, str]]

OOM, TIMEOUT, INTERRUPTED, UNKNOWN = Cause.OOM, Cause.TIMEOUT, Cause.INTERRUPTED, Cause.UNKNOWN
LOST = (UNKNOWN, "killed by a signal, which one was not recorded")
KILLED = (OOM, "killed (137)")
PEAK = (OOM, "above its 64m")
LEFT = (INTERRUPTED, "stopped because its worker had to leave")
AT_LIMIT = (TIMEOUT, "killed at its run time limit PT5S")
GONE = (INTERRUPTED, "its worker is gone")


def code(number: int) -> tuple[Cause, str]:
    return UNKNOWN, f"exit code {number}"


def signal(number: int) -> tuple[Cause, str]:
    return UNKNOWN, f"killed by signal {number}"


CRASHED = (Cause.CODE, "segmentation fault (signal 11)")
BY_ITSELF: Expected = {
    "exit-3": code(3),
    "exit-137": KILLED,
    "not-found": (Cause.ENVIRONMENT, "a command was not found (exit code 127)"),
    "not-executable": (Cause.ENVIRONMENT, "its program cannot be executed (exit code 126)"),
    "missing-output": code(1),
    "ulimit-memory": code(1),
    "late-sigkill": AT_LIMIT,
    "sigkill in-shell": KILLED,
    "sigsegv in-shell": CRASHED,
    "sigterm in-shell": signal(15),
    "sigint in-shell": signal(2),
}
BY_ITSELF_OLD: Expected = BY_ITSELF | dict.fromkeys(
    ("ulimit-cpu", "sigkill", "sigsegv", "sigterm", "sigint"), LOST
)
BY_ITSELF_NEW: Expected = BY_ITSELF | {
    "ulimit-cpu": (TIMEOUT, "killed for its run time (152)"),
    "sigkill": KILLED,
    "sigsegv": CRASHED,
    "sigterm": signal(15),
    "sigint": signal(2),
}
MEMORY_OLD: Expected = {
    "killed": PEAK,
    "killed in-shell": PEAK,
    "exit-1": PEAK,
    "killed within": LOST,
}
MEMORY_NEW: Expected = {
    "killed": PEAK,
    "killed in-shell": PEAK,
    "exit-1": PEAK,
    "exit-0": PEAK,
    "killed within": KILLED,
}
NOT_LIMITED = {job: end for job, end in MEMORY_NEW.items() if job != "exit-0"}
WORKER_ENDED: Expected = {
    "sleeps": LEFT,
    "sleeps in-shell": LEFT,
    "ignores": LEFT,
    "exit-7": LEFT,
    "late": AT_LIMIT,
    "late-ignores": AT_LIMIT,
}
# Status pending_failed replaces "terminated", so only 152 still shows that Torc ended the job.
WORKER_ENDED_PENDING = WORKER_ENDED | {
    "sleeps": signal(15),
    "sleeps in-shell": signal(15),
    "exit-7": code(7),
}
OWN_CODES: Expected = {
    "killed": PEAK,
    "exit-77": code(77),
    "exit-78": code(78),
    "ignores": LEFT,
    "late-ignores": AT_LIMIT,
    "sleeps": LEFT,
}
# A job that exits with the workflow's own kill code looks like a killed job.
OWN_CODES_PENDING = OWN_CODES | {"exit-78": LEFT, "sleeps": signal(15)}
RETRIED: Expected = {"in-vain": code(10), "no-rule": code(3), "any-code": code(3)}
PENDING: Expected = {
    "exit-3": code(3),
    "missing-output": code(1),
    "sigkill in-shell": KILLED,
    "sigsegv in-shell": CRASHED,
    "killed for memory": PEAK,
}
ORPHANS: Expected = {"sleeps": GONE, "sleeps in-shell": GONE}
DEAD = (INTERRUPTED, "its worker died")

ENDS: dict[tuple[str, str], Expected] = {
    (OLD, "by-itself"): BY_ITSELF_OLD,
    (NEW, "by-itself"): BY_ITSELF_NEW,
    (OLD, "memory"): MEMORY_OLD,
    (NEW, "memory"): MEMORY_NEW,
    (NEW, "memory-not-limited"): NOT_LIMITED,
    (NEW, "worker-ended"): WORKER_ENDED,
    (NEW, "worker-ended-pending-failed"): WORKER_ENDED_PENDING,
    (NEW, "worker-ended-by-kill"): {"sleeps": LEFT, "late": AT_LIMIT},
    (NEW, "own-codes"): OWN_CODES,
    (NEW, "own-codes-pending-failed"): OWN_CODES_PENDING,
    (OLD, "retried"): RETRIED | {"killed": LOST},
    (NEW, "retried"): RETRIED | {"killed": KILLED},
    (OLD, "pending-failed"): PENDING | {"sigkill": LOST, "sigsegv": LOST},
    (NEW, "pending-failed"): PENDING | {"sigkill": KILLED, "sigsegv": CRASHED},
    (OLD, "canceled"): {},
    (NEW, "canceled"): {},
    (OLD, "orphans-failed"): {"sleeps": DEAD, "sleeps in-shell": DEAD},
    (NEW, "orphans-failed"): ORPHANS,
    (OLD, "server-restarted"): dict.fromkeys(
        ("fails-meanwhile", "ends-meanwhile", "ends-after", "fails-after"), GONE
    ),
    (NEW, "server-restarted"): {"fails-meanwhile": code(3), "fails-after": code(3)},
    **{
        (version, name): ORPHANS
        for version in (OLD, NEW)
        for name in ("worker-killed", "worker-told-to-stop", "worker-interrupted")
    },
}


@pytest.mark.parametrize(("version", "name"), list(ENDS))
async def test_causes_of_captured_jobs(version: str, name: str, tmp_path: Path) -> None:
    found = await findings(version, name, tmp_path)
    expected = ENDS[version, name]
    assert {job: cause for job, (cause, _) in found.items()} == {
        job: cause for job, (cause, _) in expected.items()
    }
    for job, (_, reason) in expected.items():
        assert reason in found[job][1], job


def test_every_capture_is_tested() -> None:
    captures = {(path.parent.name, path.stem) for path in FIXTURES.glob("torc-*/*.json")}
    assert captures == set(ENDS)


UNCERTAIN = WorkflowState.WORKING  # the worker is on another machine, and holds jobs
STATES = {
    "by-itself": (WorkflowState.FINISHED, WorkflowState.FINISHED),
    "pending-failed": (WorkflowState.STALLED, WorkflowState.STALLED),
    "canceled": (WorkflowState.CANCELED, WorkflowState.CANCELED),
    "worker-killed": (UNCERTAIN, UNCERTAIN),
    "worker-told-to-stop": (UNCERTAIN, UNCERTAIN),
    "server-restarted": (UNCERTAIN, WorkflowState.FINISHED),
    "orphans-failed": (WorkflowState.FINISHED, UNCERTAIN),
}


@pytest.mark.parametrize("index", [0, 1], ids=[OLD, NEW])
@pytest.mark.parametrize("name", list(STATES))
async def test_state_of_captured_workflows(name: str, index: int, tmp_path: Path) -> None:
    async with captured((OLD, NEW)[index], name) as client:
        cluster = Cluster.of(LocalScheduler(tmp_path), machine=ThisMachine())
        observation = await observe(client, cluster, 1, with_counts=False, max_age=0)
    assert workflow_state(observation) is STATES[name][index]
