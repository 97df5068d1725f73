"""Queries about a workflow: summary, dependencies, running jobs."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conformance.conftest import Torc

newer_servers = pytest.mark.parametrize("server", ["embedded-1.0", "torc-1.0.0"], indirect=True)

PAST, FUTURE = "2000-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
CHAIN = {"a": [], "b": ["a"], "c": ["b"]}


@newer_servers
async def test_summary_of_a_workflow(torc: "Torc") -> None:
    await torc.add(CHAIN | {"other": []})
    await torc.workflow("POST", "initialize_jobs")
    await torc.finish(other=1)
    summary = await torc.workflow("GET", "status")
    counts = {name: jobs for name, jobs in summary["jobs_by_status"].items() if jobs}
    assert counts == {"blocked": 2, "pending": 1, "failed": 1}
    assert (summary["total_jobs"], summary["is_complete"]) == (4, False)
    assert summary["total_exec_time_minutes"] == 0.5
    await torc.workflow("PUT", "cancel")
    summary = await torc.workflow("GET", "status")
    assert (summary["is_complete"], summary["is_canceled"]) == (True, True)
    assert await torc.is_complete()


async def test_list_of_dependencies(torc: "Torc") -> None:
    """API 0.12 ignores the requested order."""
    await torc.add(CHAIN)
    edges = await torc.workflow("GET", "job_dependencies?limit=1&reverse_sort=true")
    assert (edges["count"], edges["total_count"], edges["has_more"]) == (1, 2, True)
    name, blocker = {"0.12": ("b", "a"), "1.0": ("c", "b")}[torc.api_version]
    assert edges["items"] == [
        {
            "job_id": await torc.id_of(name),
            "job_name": name,
            "depends_on_job_id": await torc.id_of(blocker),
            "depends_on_job_name": blocker,
            "workflow_id": torc.workflow_id,
        }
    ]
    assert "depends_on_job_ids" not in (await torc.jobs())["b"]
    listed = f"/jobs?workflow_id={torc.workflow_id}&include_relationships=true"
    job = (await torc.ask("GET", listed))["items"][1]
    assert job["depends_on_job_ids"] == [await torc.id_of("a")]


@newer_servers
async def test_running_jobs_and_their_nodes(torc: "Torc") -> None:
    allocation = {"workflow_id": torc.workflow_id, "scheduler_id": 4711, "status": "active"}
    allocation |= {"scheduler_config_id": 1, "scheduler_type": "slurm"}
    created = await torc.ask("POST", "/scheduled_compute_nodes", allocation)
    node = await torc.ask("GET", f"/compute_nodes/{torc.node_id}")
    node["scheduler"] = {"scheduler_id": created["id"]}
    await torc.ask("PUT", f"/compute_nodes/{torc.node_id}", node)
    await torc.add({"job": [], "waits": []})
    await torc.workflow("POST", "initialize_jobs")
    await torc.claim()
    assert await torc.start("job") == 200
    (running,) = (await torc.workflow("GET", "running_jobs"))["items"]
    assert running.pop("start_time").endswith("+00:00")
    assert running == {
        "job_id": await torc.id_of("job"),
        "job_name": "job",
        "compute_node_name": "h",
        "scheduler_type": "local",
        "scheduler_job_id": "4711",
    }


@newer_servers
async def test_job_on_a_node_of_another_workflow_is_not_listed_as_running(torc: "Torc") -> None:
    await torc.add({"job": []})
    await torc.workflow("POST", "initialize_jobs")
    await torc.claim()
    torc.node_id = (await torc.sibling()).node_id
    assert await torc.start("job") == 200
    running = await torc.workflow("GET", "running_jobs")
    assert (running["items"], running["total_count"]) == ([], 0)


async def test_update_of_a_job_replaces_its_dependencies_and_keeps_its_attempt(
    torc: "Torc",
) -> None:
    await torc.add(CHAIN)
    a, c = await torc.id_of("a"), await torc.id_of("c")
    body = {"workflow_id": torc.workflow_id, "name": "c", "command": "true", "attempt_id": 9}
    job = await torc.ask("PUT", f"/jobs/{c}", body | {"depends_on_job_ids": [a]})
    assert (job["depends_on_job_ids"], job["attempt_id"]) == ([a], 1)


@newer_servers
@pytest.mark.parametrize(
    ("ends", "blocked"),
    [([PAST], 1), ([PAST, FUTURE], 0), ([None], 0), ([PAST, None], 0), ([], 0)],
)
async def test_jobs_that_outlast_every_worker_are_counted(
    torc: "Torc", ends: list[str | None], blocked: int
) -> None:
    """A worker without an end time can run every job."""
    needs = {"workflow_id": torc.workflow_id, "name": "long", "memory": "1m", "runtime": "PT9M"}
    row = await torc.ask("POST", "/resource_requirements", needs)
    await torc.add({"long": []}, resource_requirements_id=row["id"])
    await torc.add({"short": []})
    node = {"workflow_id": torc.workflow_id, "hostname": "h", "pid": 1, "start_time": "now"}
    node |= {"compute_node_type": "slurm", "is_active": True, "memory_gb": 8.0}
    node |= {"num_cpus": 4, "num_gpus": 0, "num_nodes": 1}
    for end in ends:
        await torc.ask("POST", "/compute_nodes", node | ({"end_time": end} if end else {}))
    await torc.workflow("POST", "initialize_jobs")
    summary = await torc.workflow("GET", "status")
    assert summary["runtime_blocked_ready_jobs"] == blocked
    assert ("max_allocation_remaining_seconds" in summary) == any(ends)
