"""Workflow actions: when a worker may claim them, and how often."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conformance.conftest import Torc

RUN: dict[str, Any] = {"action_type": "run_commands", "action_config": {"commands": ["true"]}}


@pytest.mark.parametrize(
    ("trigger_type", "jobs", "event"),
    [
        ("on_workflow_start", None, "initialized"),
        ("on_worker_start", None, "initialized"),
        ("on_worker_complete", None, "initialized"),
        ("on_jobs_ready", ["first"], "initialized"),
        ("on_jobs_ready", ["first", "second"], "first ended"),
        ("on_jobs_complete", ["first"], "first ended"),
        ("on_jobs_complete", ["first", "second"], "all ended"),
        ("on_workflow_complete", None, "all ended"),
        ("on_full_moon", None, None),
    ],
)
async def test_event_that_triggers_an_action(
    torc: "Torc",
    trigger_type: str,
    jobs: list[str] | None,
    event: str | None,
) -> None:
    await torc.add({"first": [], "second": ["first"]})
    job_ids = None if jobs is None else [await torc.id_of(name) for name in jobs]
    await add_action(torc, trigger_type=trigger_type, job_ids=job_ids)
    pending_at = {}
    await torc.workflow("POST", "initialize_jobs")
    pending_at["initialized"] = await pending(torc)
    await torc.finish(first=0)
    await torc.background_work_done()
    pending_at["first ended"] = await pending(torc)
    await torc.finish(second=0)
    pending_at["all ended"] = await pending(torc)
    assert next((name for name, ids in pending_at.items() if ids), None) == event


async def test_jobs_that_stay_complete_still_count_after_a_reset(torc: "Torc") -> None:
    await torc.add({"kept": [], "again": []})
    job_ids = [await torc.id_of("kept"), await torc.id_of("again")]
    action = await add_action(torc, trigger_type="on_jobs_complete", job_ids=job_ids)
    assert await torc.complete("kept") == 200
    await torc.workflow("POST", "initialize_jobs?only_uninitialized=true")
    assert await pending(torc) == []
    assert await torc.complete("again") == 200
    assert await pending(torc) == [action]


async def test_initialization_resets_actions_and_deletes_recovery_actions(torc: "Torc") -> None:
    action = await add_action(torc, trigger_type="on_workflow_start")
    await add_action(torc, trigger_type="on_workflow_start", is_recovery=True)
    for _ in range(2):
        await torc.workflow("POST", "initialize_jobs")
        assert await pending(torc) == [action]
        await torc.workflow("POST", f"actions/{action}/claim", {})


async def test_actions_with_past_events_after_a_partial_reset(torc: "Torc") -> None:
    """API 0.12 makes all actions pending again; API 1.0 only those that the next run triggers."""
    await torc.add({"kept": [], "again": []})
    kept, again = await torc.id_of("kept"), await torc.id_of("again")
    start = await add_action(torc, trigger_type="on_workflow_start")
    over = await add_action(torc, trigger_type="on_jobs_complete", job_ids=[kept])
    ready = await add_action(torc, trigger_type="on_jobs_ready", job_ids=[kept])
    half = await add_action(torc, trigger_type="on_jobs_ready", job_ids=[kept, again])
    worker = await add_action(torc, trigger_type="on_worker_start")
    await torc.workflow("POST", "initialize_jobs")
    await torc.finish(kept=0, again=1)
    for action in await pending(torc):
        await torc.workflow("POST", f"actions/{action}/claim", {})
    await torc.workflow("POST", "reset_job_status?failed_only=true")
    await torc.workflow("POST", "initialize_jobs?only_uninitialized=true")
    everything = [start, over, ready, half, worker]
    expected = {"0.12": everything, "1.0": [half, worker]}
    assert await pending(torc) == expected[torc.api_version]
    await torc.workflow("POST", "initialize_jobs")
    assert await pending(torc) == everything


@pytest.mark.parametrize("trigger_type", ["on_jobs_ready", "on_jobs_complete"])
async def test_action_without_jobs_is_reset(torc: "Torc", trigger_type: str) -> None:
    await torc.add({"job": []})
    action = await add_action(torc, trigger_type=trigger_type, job_ids=[])
    await torc.workflow("POST", "initialize_jobs")
    await torc.workflow("POST", f"actions/{action}/claim", {})
    assert await pending(torc) == []
    await torc.workflow("POST", "initialize_jobs?only_uninitialized=true")
    assert await pending(torc) == [action]


async def test_only_lists_show_the_required_triggers(torc: "Torc") -> None:
    await torc.add({"a": [], "b": []})
    ids = [await torc.id_of("a"), await torc.id_of("b")]
    body = {"workflow_id": torc.workflow_id, "trigger_type": "on_jobs_ready", "job_ids": ids, **RUN}
    assert (await torc.workflow("POST", "actions", body))["required_triggers"] == 1
    (action,) = await torc.workflow("GET", "actions")
    assert action["required_triggers"] == 2


@pytest.mark.parametrize(("persistent", "second"), [(False, 409), (True, 200)])
async def test_action_is_claimed_once_unless_persistent(
    torc: "Torc", persistent: bool, second: int
) -> None:
    action = await add_action(torc, trigger_type="on_workflow_start", persistent=persistent)
    await torc.workflow("POST", "initialize_jobs")
    claim = f"actions/{action}/claim"
    answer = await torc.workflow("POST", claim, {"compute_node_id": torc.node_id})
    assert answer == {"action_id": action, "claimed": True}
    path = f"/workflows/{torc.workflow_id}"
    assert await torc.status_of("POST", f"{path}/{claim}", {}) == second
    assert await torc.status_of("POST", f"{path}/actions/{10**9}/claim", {}) == 404
    other = await torc.sibling()
    assert await torc.status_of("POST", f"/workflows/{other.workflow_id}/{claim}", {}) == 404
    assert await pending(torc) == ([action] if persistent else [])


async def test_pending_actions_are_filtered_by_trigger_type(torc: "Torc") -> None:
    triggers = ("on_workflow_start", "on_worker_start", "on_worker_complete")
    start, _, complete = [await add_action(torc, trigger_type=trigger) for trigger in triggers]
    await torc.workflow("POST", "initialize_jobs")
    query = "?trigger_type=on_worker_complete&trigger_type=on_workflow_start"
    assert await pending(torc, query) == [start, complete]


@pytest.mark.parametrize(
    ("action_type", "config"),
    [
        ("run_commands", {"commands": []}),
        ("run_commands", {"commands": [1]}),
        ("run_commands", {"commands": ["true"], "shell": "sh"}),
        ("schedule_nodes", {"nodes": 1}),
        ("schedule_nodes", {"num_allocations": "1"}),
        ("schedule_nodes", {"num_allocations": True}),
        ("schedule_nodes", {"start_one_worker_per_node": 1}),
        ("schedule_nodes", []),
    ],
)
async def test_invalid_action_is_refused(torc: "Torc", action_type: str, config: object) -> None:
    body: dict[str, Any] = {"trigger_type": "on_workflow_start", "action_type": action_type}
    body["workflow_id"] = torc.workflow_id
    path = f"/workflows/{torc.workflow_id}/actions"
    assert await torc.status_of("POST", path, body | {"action_config": config}) == 422


async def add_action(torc: "Torc", **fields: Any) -> int:
    """Add an action to the workflow; returns its id."""
    body = {"workflow_id": torc.workflow_id, **RUN, **fields}
    return int((await torc.workflow("POST", "actions", body))["id"])


async def pending(torc: "Torc", query: str = "") -> list[int]:
    return [action["id"] for action in await torc.workflow("GET", f"actions/pending{query}")]
