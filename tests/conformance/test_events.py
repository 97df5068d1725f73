"""The events that a server streams, and the changes without events."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

if TYPE_CHECKING:
    from tests.conformance.conftest import Torc

ALLOCATION = {"scheduler_id": 9, "scheduler_config_id": 1, "scheduler_type": "slurm"}


@asynccontextmanager
async def open_stream(torc: "Torc", level: str = "info") -> AsyncIterator[AsyncIterator[Any]]:
    """The events of the workflow from now on, as (event name, JSON)."""
    path = f"/workflows/{torc.workflow_id}/events/stream?level={level}"
    async with torc.client.stream("GET", path, timeout=10) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        yield _events(response.aiter_lines())


async def _events(lines: AsyncIterator[str]) -> AsyncIterator[Any]:
    name = ""
    async for line in lines:
        field, _, value = line.partition(":")
        if field == "event":
            name = value.strip()
        elif field == "data":
            yield name, json.loads(value)


async def names_of(events: AsyncIterator[Any], number: int) -> list[str]:
    with anyio.fail_after(10):
        return [(await anext(events))[0] for _ in range(number)]


async def test_events_of_a_job(torc: "Torc") -> None:
    await torc.add({"good": [], "bad": []})
    async with open_stream(torc) as events:
        await torc.workflow("POST", "initialize_jobs")
        await torc.workflow("POST", "initialize_jobs?only_uninitialized=true")
        await torc.finish(good=0, bad=137)
        expected = ["workflow_reinitialized", "workflow_started"]  # Torc swaps these names
        expected += ["job_started", "job_completed", "job_started", "job_failed"]
        assert await names_of(events, len(expected)) == expected


@pytest.mark.parametrize("server", ["embedded-1.0", "torc-1.0.0"], indirect=True)
async def test_event_of_a_finished_task(torc: "Torc") -> None:
    async with open_stream(torc) as events:
        path = f"/workflows/{torc.workflow_id}/initialize_jobs?async=true"
        task = (await torc.client.request("POST", path)).json()
        with anyio.fail_after(10):
            received = [await anext(events), await anext(events)]
    assert [name for name, _ in received] == ["workflow_reinitialized", "task_completed"]
    data = received[1][1]["data"]
    assert (data["task_id"], data["status"]) == (task["id"], "succeeded")


async def test_content_of_a_job_event(torc: "Torc") -> None:
    await torc.add({"bad": []})
    await torc.workflow("POST", "initialize_jobs")
    await torc.claim()
    await torc.start("bad")
    async with open_stream(torc) as events:
        assert await torc.complete("bad", "failed", 137) == 200
        with anyio.fail_after(10):
            name, event = await anext(events)
    assert (name, event["event_type"]) == ("job_failed", "job_failed")
    assert (event["workflow_id"], event["severity"]) == (torc.workflow_id, "error")
    assert (event["data"]["job_id"], event["data"]["return_code"]) == (
        await torc.id_of("bad"),
        137,
    )


async def test_events_of_nodes_and_allocations(torc: "Torc") -> None:
    async with open_stream(torc) as events:
        body = ALLOCATION | {"workflow_id": torc.workflow_id, "status": "pending"}
        await torc.ask("POST", "/scheduled_compute_nodes", body)
        node = await torc.ask("GET", f"/compute_nodes/{torc.node_id}")
        await torc.ask("PUT", f"/compute_nodes/{torc.node_id}", node | {"is_active": False})
        assert await names_of(events, 2) == ["scheduler_node_created", "compute_node_stopped"]


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("info", ["job_completed", "job_terminated", "job_failed"]),
        ("warning", ["job_terminated", "job_failed"]),
        ("error", ["job_failed"]),
    ],
)
async def test_level_filters_events(torc: "Torc", level: str, expected: list[str]) -> None:
    ends = {"a": "completed", "b": "terminated", "c": "failed"}
    await torc.add({name: [] for name in ends})
    async with open_stream(torc, level) as events:
        for name, status in ends.items():
            assert await torc.complete(name, status) == 200
        assert await names_of(events, len(expected)) == expected


async def test_changes_without_events(torc: "Torc") -> None:
    """Retries, resets, cancellation and unblocking; nor does the stream have other workflows."""
    other = await torc.sibling()
    await torc.add({"bad": [], "behind": ["bad"]})
    await torc.workflow("POST", "initialize_jobs")
    await torc.finish(bad=1)
    async with open_stream(torc) as events:
        await other.add({"j": []})
        await other.workflow("POST", "initialize_jobs")
        await torc.background_work_done()
        await torc.ask("POST", f"/jobs/{await torc.id_of('bad')}/retry/0?max_retries=9")
        await torc.workflow("PUT", "cancel")
        await torc.workflow("POST", "reset_job_status?failed_only=true")
        await torc.workflow("POST", "reset_status")
        await torc.workflow("POST", "initialize_jobs")
        assert await names_of(events, 1) == ["workflow_reinitialized"]


async def test_stream_of_an_unknown_workflow_is_not_found(torc: "Torc") -> None:
    assert await torc.status_of("GET", "/workflows/1000000000/events/stream") == 404
