"""Workflows: their status in each API version, reset, cancellation and deletion."""

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conformance.conftest import Torc

older_servers = pytest.mark.parametrize("server", ["embedded-0.12", "torc-0.12.2"], indirect=True)
newer_servers = pytest.mark.parametrize("server", ["embedded-1.0", "torc-1.0.0"], indirect=True)
ALLOCATION = {"scheduler_id": 9, "scheduler_config_id": 1, "scheduler_type": "slurm"}


async def test_version_is_a_string_or_an_object(torc: "Torc") -> None:
    version = await torc.ask("GET", "/version")
    if torc.api_version == "0.12":
        assert version.startswith("0.12.")
    else:
        assert set(version) == {"version", "api_version", "git_hash"}


async def test_metadata_is_a_string_or_an_object(torc: "Torc") -> None:
    metadata: object = {"0.12": '{"a": 1}', "1.0": {"a": 1}}[torc.api_version]
    body = {"name": "w", "user": "u", "metadata": metadata}
    workflow = await torc.ask("POST", "/workflows", body)
    assert (await torc.ask("GET", f"/workflows/{workflow['id']}"))["metadata"] == metadata


@older_servers
async def test_run_is_in_the_status_row_in_api_0_12(torc: "Torc") -> None:
    assert "run_id" not in await torc.ask("GET", f"/workflows/{torc.workflow_id}")
    status = await torc.workflow("GET", "status")
    assert (status["id"], status["run_id"]) == (torc.workflow_id, 0)
    assert (status["is_canceled"], status["is_archived"]) == (False, False)
    await torc.workflow("PUT", "status", status | {"run_id": 3})
    assert (await torc.workflow("POST", "reset_status"))["run_id"] == 3


@newer_servers
async def test_run_is_in_the_workflow_in_api_1_0(torc: "Torc") -> None:
    config = {"mode": "direct", "oom_exit_code": 99}
    body = {"name": "w", "user": "u", "run_id": 7, "is_canceled": True, "execution_config": config}
    created = await torc.ask("POST", "/workflows", body)
    workflow = await torc.ask("GET", f"/workflows/{created['id']}")
    assert (workflow["run_id"], workflow["is_canceled"]) == (0, False)
    assert workflow["execution_config"].items() >= config.items()
    assert (await torc.workflow("POST", "reset_status"))["run_id"] == 1
    assert (await torc.ask("GET", f"/workflows/{torc.workflow_id}"))["run_id"] == 1
    summary = await torc.workflow("GET", "status")
    assert summary["total_jobs"] == 0
    assert len(summary["jobs_by_status"]) == 11
    assert "run_id" not in summary


@newer_servers
async def test_update_keeps_what_is_not_sent_and_replaces_the_configuration(torc: "Torc") -> None:
    fields = {"description": "d", "project": "p", "metadata": {"a": 1}, "use_pending_failed": True}
    fields |= {"compute_node_wait_for_new_jobs_seconds": 7, "slurm_defaults": {"account": "a"}}
    fields |= {"submission_directory": "/data", "execution_config": {"oom_exit_code": 99}}
    identity = {"name": "w", "user": "u"}
    path = f"/workflows/{(await torc.ask('POST', '/workflows', identity | fields))['id']}"
    before = await torc.ask("GET", path)
    body = identity | {"execution_config": {"mode": "direct", "sigterm_lead_seconds": 3}}
    updated = await torc.ask("PUT", path, body | {"run_id": 7, "is_canceled": True})
    assert updated == before | body
    assert await torc.ask("GET", path) == updated
    assert await torc.status_of("PUT", path, identity | {"submission_directory": "/data"}) == 200
    assert await torc.status_of("PUT", path, identity | {"submission_directory": "/tmp"}) == 422
    assert await torc.status_of("PUT", path, {"execution_config": {}}) == 422
    assert await torc.status_of("PUT", "/workflows/9999", identity) == 404


@newer_servers
async def test_archived_workflow_is_not_reset(torc: "Torc") -> None:
    archived = await torc.workflow("POST", "archive", {"is_archived": True})
    assert archived["is_archived"] is True
    path = f"/workflows/{torc.workflow_id}/reset_status"
    assert await torc.status_of("POST", path) == 422


@pytest.mark.parametrize(
    ("status", "expected"), [("pending", 422), ("active", 422), ("complete", 200)]
)
async def test_workflow_with_open_allocations_is_not_reset(
    torc: "Torc", status: str, expected: int
) -> None:
    body = ALLOCATION | {"workflow_id": torc.workflow_id, "status": status}
    await torc.ask("POST", "/scheduled_compute_nodes", body)
    path = f"/workflows/{torc.workflow_id}/reset_status"
    assert await torc.status_of("POST", path) == expected
    assert await torc.status_of("POST", f"{path}?force=true") == 200


async def test_canceled_workflow_is_complete_until_it_is_reset(torc: "Torc") -> None:
    await torc.add({"runs": [], "waits": ["runs"]})
    await torc.workflow("POST", "initialize_jobs")
    await torc.claim()
    await torc.workflow("PUT", "cancel")
    assert await torc.statuses() == {"runs": "canceled", "waits": "blocked"}
    assert await torc.is_complete()
    await torc.workflow("POST", "reset_status")
    assert not await torc.is_complete()


async def test_canceled_job_without_a_result_releases_no_dependents(torc: "Torc") -> None:
    await torc.add({"runs": [], "waits": ["runs"]})
    await torc.workflow("POST", "initialize_jobs")
    await torc.claim()
    await torc.workflow("PUT", "cancel")
    await torc.background_work_done()
    assert await torc.statuses() == {"runs": "canceled", "waits": "blocked"}


@pytest.mark.parametrize(("method", "path"), [("PUT", "cancel"), ("POST", "reset_status")])
async def test_response_to_cancel_and_reset(torc: "Torc", method: str, path: str) -> None:
    """The status row in API 0.12, the workflow in API 1.0; both with the new state."""
    answer = await torc.workflow(method, path)
    assert (answer["id"], answer["is_canceled"]) == (torc.workflow_id, path == "cancel")
    assert ("name" in answer) == (torc.api_version == "1.0")


async def test_empty_workflow_is_complete_and_uninitialized(torc: "Torc") -> None:
    assert await torc.is_complete()
    assert (await torc.workflow("GET", "is_uninitialized"))["is_uninitialized"]


async def test_only_the_status_row_of_api_0_12_survives_deletion(
    torc: "Torc",
) -> None:
    await torc.add({"job": []})
    job_id = await torc.id_of("job")
    path = f"/workflows/{torc.workflow_id}"
    assert (await torc.ask("DELETE", path))["name"] == "w"
    assert await torc.status_of("GET", f"/jobs/{job_id}") == 404
    assert await torc.status_of("GET", path) == 404
    status = {"0.12": 200, "1.0": 404}[torc.api_version]
    assert await torc.status_of("GET", f"{path}/is_complete") == status
    assert await torc.status_of("GET", f"{path}/status") == status
    assert (await torc.sibling()).workflow_id > torc.workflow_id  # ids are not reused


@newer_servers
async def test_background_task_initializes_jobs_and_can_be_polled(torc: "Torc") -> None:
    await torc.add({"job": []})
    path = f"/workflows/{torc.workflow_id}/initialize_jobs?async=true"
    queued = await torc.client.post(path)
    assert (queued.status_code, queued.json()["operation"]) == (202, "initialize_jobs")
    task = f"/tasks/{queued.json()['id']}"
    await torc.eventually(partial(status_in, torc, task), "succeeded")
    assert await torc.workflow("GET", "active_task") == {"task": None}
    assert await torc.statuses() == {"job": "ready"}


async def status_in(torc: "Torc", path: str) -> Any:
    return (await torc.ask("GET", path))["status"]
