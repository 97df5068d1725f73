"""What only Torc's own tools ask a server for."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conformance.conftest import Torc

newer_servers = pytest.mark.parametrize("server", ["embedded-0.35", "torc-1.0.0"], indirect=True)

NODE = {"num_cpus": 4, "memory_gb": 8.0, "num_gpus": 0, "num_nodes": 1}


PAST, FUTURE = "2000-01-01T00:00:00Z", "2999-01-01T00:00:00Z"


@newer_servers
@pytest.mark.parametrize(
    ("ends", "blocked"),
    [([PAST], 1), ([PAST, FUTURE], 0), ([None], 0), ([PAST, None], 0), ([], 0)],
)
async def test_jobs_that_outlast_every_worker_are_counted(
    torc: "Torc", ends: list[str | None], blocked: int
) -> None:
    """A worker without an end has time for all."""
    needs = {"workflow_id": torc.workflow_id, "name": "long", "memory": "1m", "runtime": "PT9M"}
    row = await torc.ask("POST", "/resource_requirements", needs)
    await torc.add({"long": []}, resource_requirements_id=row["id"])
    await torc.add({"short": []})
    node = {"workflow_id": torc.workflow_id, "hostname": "h", "pid": 1, "start_time": "now"}
    node |= {"compute_node_type": "slurm", "is_active": True, **NODE}
    for end in ends:
        await torc.ask("POST", "/compute_nodes", node | ({"end_time": end} if end else {}))
    await torc.workflow("POST", "initialize_jobs")
    summary = await torc.workflow("GET", "status")
    assert summary["runtime_blocked_ready_jobs"] == blocked
    assert ("max_allocation_remaining_seconds" in summary) == any(ends)


async def test_what_is_answered_to_a_worker_about_its_job(torc: "Torc") -> None:
    """As the job was before the request, but for its status; a retried one as it is stored."""
    await torc.add({"job": []})
    await torc.workflow("POST", "initialize_jobs")
    await torc.claim()
    job_id = await torc.id_of("job")
    started = await torc.ask("PUT", f"/jobs/{job_id}/start_job/0/{torc.node_id}")
    assert (started["status"], "compute_node_id" in started) == ("running", False)
    assert ("compute_node_id" in (await torc.jobs())["job"]) == (torc.dialect == "0.35")
    result = torc.result(started, "failed", 1)
    ended = await torc.ask("POST", f"/jobs/{job_id}/complete_job/failed/0", result)
    assert (ended["status"], "compute_node_id" in ended) == ("failed", torc.dialect == "0.35")
    assert "compute_node_id" not in (await torc.jobs())["job"]
    retried = await torc.ask("POST", f"/jobs/{job_id}/retry/0?max_retries=2")
    assert (retried["status"], retried["attempt_id"]) == ("ready", 2)
    assert "invocation_script" not in retried
    assert (await torc.jobs())["job"]["invocation_script"] == ""


@newer_servers
async def test_what_slurm_measured_of_an_attempt_is_kept_once(torc: "Torc") -> None:
    await torc.add({"job": []})
    body = {"workflow_id": torc.workflow_id, "job_id": await torc.id_of("job"), "run_id": 0}
    body |= {"attempt_id": 1, "max_rss_bytes": 5}
    stats = await torc.ask("POST", "/slurm_stats", body)
    assert await torc.status_of("POST", "/slurm_stats", body) == 500
    listed = f"/slurm_stats?workflow_id={torc.workflow_id}"
    assert (await torc.ask("GET", listed))["items"] == [stats]
    assert (await torc.ask("GET", f"{listed}&run_id=1"))["items"] == []


@pytest.mark.parametrize("order", ["job_id", "workflow_id", "id"])
async def test_the_order_of_current_results(torc: "Torc", order: str) -> None:
    """The older server stumbles over what two of its tables have."""
    await torc.add({"b": [], "a": []})
    for name in ("a", "b"):
        assert await torc.complete(name) == 200
    listed = f"/results?workflow_id={torc.workflow_id}&sort_by={order}"
    stumbles = torc.dialect == "0.12" and order != "id"
    assert await torc.status_of("GET", listed) == (500 if stumbles else 200)
    assert await torc.status_of("GET", f"{listed}&all_runs=true") == 200


async def test_an_empty_batch(torc: "Torc") -> None:
    status = {"0.12": 200, "0.35": 422}[torc.dialect]
    assert await torc.status_of("POST", "/bulk_jobs", {"jobs": []}) == status


async def test_what_is_answered_for_a_new_job_is_what_was_sent(torc: "Torc") -> None:
    body = {"workflow_id": torc.workflow_id, "name": "j", "command": "true"}
    job = await torc.ask("POST", "/jobs", body)
    decided = {"id": job["id"], "status": "uninitialized"}
    decided["resource_requirements_id"] = job["resource_requirements_id"]
    expected = {"0.12": {"scheduler_id": None}, "0.35": {}}[torc.dialect]
    assert job == body | decided | expected
