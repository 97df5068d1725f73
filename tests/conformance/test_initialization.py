"""Initialization and reset of jobs, including the pitfalls."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conformance.conftest import Torc

NODE: dict[str, Any] = {"num_cpus": 9, "memory_gb": 9.0, "num_gpus": 0, "num_nodes": 1}
# Job name to dependencies.
CHAIN = {"a": [], "b": ["a"], "c": ["b"]}
DIAMOND = {"top": [], "left": ["top"], "right": ["top"], "bottom": ["left", "right"]}


async def test_jobs_with_dependencies_are_blocked(torc: "Torc") -> None:
    await torc.add(DIAMOND)
    assert set((await torc.statuses()).values()) == {"uninitialized"}
    await torc.workflow("POST", "initialize_jobs")
    assert await torc.statuses() == {
        "top": "ready",
        "left": "blocked",
        "right": "blocked",
        "bottom": "blocked",
    }


@pytest.mark.parametrize("query", ["", "?only_uninitialized=true"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("uninitialized", "ready"),
        ("ready", "ready"),
        ("blocked", "blocked"),
        ("pending", "ready"),
        ("running", "ready"),
        ("pending_failed", "ready"),
        ("disabled", "disabled"),
        ("completed", "completed"),
        ("failed", "failed"),
        ("canceled", "canceled"),
        ("terminated", "ready"),
    ],
)
async def test_initialization_of_each_status(
    torc: "Torc", query: str, before: str, after: str
) -> None:
    """The pitfall: terminated, pending and running jobs become ready too."""
    await torc.add({"job": []})
    if await torc.set_status("job", before) == 422:
        assert await torc.complete("job", before, 1) == 200
    await torc.workflow("POST", f"initialize_jobs{query}")
    assert await torc.statuses() == {"job": after}


async def test_initialization_hides_the_results_of_jobs_that_start_over(torc: "Torc") -> None:
    await torc.add({"ends": [], "stops": []})
    assert await torc.complete("ends", "completed", 0) == 200
    assert await torc.complete("stops", "terminated", 152) == 200
    assert await torc.results() == [(0, 1, 0), (0, 1, 152)]
    await torc.workflow("POST", "initialize_jobs?only_uninitialized=true")
    assert await torc.results() == [(0, 1, 0)]
    assert await torc.results("&all_runs=true") == [(0, 1, 0), (0, 1, 152)]


async def test_uninitialized_jobs_and_their_descendants_start_over(torc: "Torc") -> None:
    await torc.add(CHAIN | {"other": []})
    for name in ("a", "b", "c", "other"):
        assert await torc.complete(name) == 200
    assert await torc.set_status("b", "uninitialized") == 200
    await torc.workflow("POST", "initialize_jobs?only_uninitialized=true")
    assert await torc.statuses() == {
        "a": "completed",
        "b": "ready",
        "c": "blocked",
        "other": "completed",
    }


async def test_dependencies_follow_files_and_user_data(torc: "Torc") -> None:
    file = {"workflow_id": torc.workflow_id, "name": "f", "path": "/f"}
    data = {"workflow_id": torc.workflow_id, "name": "d"}
    files = [(await torc.ask("POST", "/files", file))["id"]]
    user_data_ids = [(await torc.ask("POST", "/user_data", data))["id"]]
    await torc.add({"makes": []}, output_file_ids=files, output_user_data_ids=user_data_ids)
    await torc.add({"reads": []}, input_file_ids=files)
    await torc.add({"uses": []}, input_user_data_ids=user_data_ids)
    await torc.workflow("POST", "initialize_jobs")
    assert await torc.statuses() == {"makes": "ready", "reads": "blocked", "uses": "blocked"}
    claimed = (await torc.workflow("POST", "claim_jobs_based_on_resources/9", NODE))["jobs"]
    assert [job["output_file_ids"] for job in claimed] == [files]
    assert (await torc.workflow("GET", "required_existing_files"))["files"] == []
    assert await torc.complete("makes") == 200
    assert (await torc.workflow("GET", "required_existing_files"))["files"] == files
    assert (await torc.workflow("GET", "missing_user_data"))["user_data"] == user_data_ids


async def test_failed_jobs_are_reset_with_their_descendants(torc: "Torc") -> None:
    await torc.add(CHAIN | {"fine": [], "waits": [], "behind": ["waits"]})
    for name, status in {"a": "failed", "b": "canceled", "fine": "completed"}.items():
        assert await torc.complete(name, status, 0) == 200
    assert await torc.complete("c") == 200
    assert await torc.complete("behind") == 200
    assert await torc.complete("waits", "pending_failed", 1) == 200
    answer = await torc.workflow("POST", "reset_job_status?failed_only=true")
    assert (answer["updated_count"], answer["reset_type"]) == (3, "failed_only")
    statuses = await torc.statuses()
    assert statuses.pop("fine") == "completed"
    assert statuses.pop("behind") == "completed"  # its dependency is only pending_failed
    assert set(statuses.values()) == {"uninitialized"}


async def test_reset_of_a_job_includes_direct_dependents_that_ran(torc: "Torc") -> None:
    graph = {"a": [], "ran": ["a"], "failed": ["a"], "canceled": ["a"], "later": ["ran"]}
    await torc.add(graph)
    for name in ("a", "ran", "later"):
        assert await torc.complete(name) == 200
    assert await torc.complete("failed", "failed", 1) == 200
    assert await torc.complete("canceled", "canceled", 1) == 200
    assert await torc.set_status("a", "uninitialized") == 200
    assert await torc.statuses() == {
        "a": "uninitialized",
        "ran": "uninitialized",
        "failed": "uninitialized",
        "canceled": "canceled",
        "later": "completed",
    }


@pytest.mark.parametrize("query", ["", "?failed_only=true"])
async def test_reset_removes_jobs_from_their_node(torc: "Torc", query: str) -> None:
    await torc.add({"job": []})
    await torc.workflow("POST", "initialize_jobs")
    await torc.claim()
    assert await torc.start("job") == 200
    await torc.workflow("PUT", "cancel")
    assert await torc.statuses() == {"job": "canceled"}
    assert await torc.count_on_node() == 1
    await torc.workflow("POST", f"reset_job_status{query}")
    assert await torc.count_on_node() == 0


async def test_workflow_with_claimed_jobs_is_not_reset(torc: "Torc") -> None:
    await torc.add({"job": []})
    await torc.workflow("POST", "initialize_jobs")
    await torc.claim()
    path = f"/workflows/{torc.workflow_id}/reset_status"
    assert await torc.status_of("POST", path) == 422
    assert await torc.status_of("POST", f"{path}?force=true") == 200
