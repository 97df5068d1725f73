"""Completed attempts of jobs, retries, and batches of results."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conformance.conftest import Torc

newer_servers = pytest.mark.parametrize("server", ["embedded-1.0", "torc-1.0.0"], indirect=True)


async def test_second_result_of_an_attempt_is_an_internal_error(torc: "Torc") -> None:
    await torc.add({"job": []})
    assert await torc.complete("job", "failed", 1) == 200
    assert await torc.complete("job", "failed", 1) == 422
    # Without a new run or attempt, a job that starts over can never be completed.
    await torc.set_status("job", "ready")
    assert await torc.complete("job") == 500
    assert (await torc.statuses())["job"] == "ready"
    assert await torc.results() == [(0, 1, 1)]


async def test_completion_with_another_run_fails_but_stores_the_result(torc: "Torc") -> None:
    await torc.add({"job": []})
    await torc.workflow("POST", "initialize_jobs")
    assert await torc.complete("job", run_id=4) == 500
    assert await torc.statuses() == {"job": "ready"}
    assert await torc.results() == [(4, 1, 0)]


@pytest.mark.parametrize(
    ("mismatch", "older", "newer"),
    [({"run_id": 5}, 500, 422), ({"status": "failed"}, 200, 422)],
)
async def test_inconsistent_completion(
    torc: "Torc", mismatch: dict[str, Any], older: int, newer: int
) -> None:
    """API 0.12 uses the path, and requires a result of the run in the path."""
    await torc.add({"job": []})
    job = (await torc.jobs())["job"]
    path = f"/jobs/{job['id']}/complete_job/completed/0"
    expected = {"0.12": older, "1.0": newer}[torc.api_version]
    body = torc.result(job, "completed", 0) | mismatch
    assert await torc.status_of("POST", path, body) == expected
    status = "completed" if expected == 200 else "uninitialized"
    assert await torc.statuses() == {"job": status}


async def test_pending_failed_job_is_not_complete(torc: "Torc") -> None:
    await torc.add({"job": []})
    assert await torc.complete("job", "pending_failed", 1) == 200
    assert await torc.statuses() == {"job": "pending_failed"}
    assert not await torc.is_complete()
    assert await torc.complete("job", "running", 1) == 500


async def test_retry_is_a_new_attempt_in_the_same_run(torc: "Torc") -> None:
    await torc.add({"job": []})
    job_id = await torc.id_of("job")
    assert await torc.complete("job", "failed", 1) == 200
    for query, run_id, status in (
        ("", 0, 400),
        ("?max_retries=1", 0, 422),
        ("?max_retries=2", 5, 422),
        ("?max_retries=2", 0, 200),
        ("?max_retries=3", 0, 422),  # the job is ready now, not failed
    ):
        path = f"/jobs/{job_id}/retry/{run_id}{query}"
        assert await torc.status_of("POST", path) == status
    await torc.finish(job=0)
    assert await torc.results("&all_runs=true") == [(0, 1, 1), (0, 2, 0)]


@pytest.mark.parametrize(
    ("method", "path", "stays"),
    [
        ("POST", "retry/0?max_retries=2", {"0.12": 1, "1.0": 0}),
        ("PUT", "manage_status_change/ready/0", {"0.12": 1, "1.0": 1}),
    ],
)
async def test_job_that_is_ready_again_may_keep_its_node(
    torc: "Torc", method: str, path: str, stays: dict[str, int]
) -> None:
    await torc.add({"job": []})
    await torc.workflow("POST", "initialize_jobs")
    await torc.claim()
    assert await torc.start("job") == 200
    await torc.ask(method, f"/jobs/{await torc.id_of('job')}/{path}")
    assert await torc.statuses() == {"job": "ready"}
    assert await torc.count_on_node() == stays[torc.api_version]


async def test_setting_the_current_status_succeeds_for_any_run(torc: "Torc") -> None:
    await torc.add({"job": []})
    torc.run_id = 5
    assert await torc.set_status("job", "uninitialized") == 200
    assert await torc.set_status("job", "ready") == 422


async def test_responses_to_a_worker(torc: "Torc") -> None:
    """The job as it was before the request, with the new status; a retried job as it is stored."""
    await torc.add({"job": []})
    await torc.workflow("POST", "initialize_jobs")
    await torc.claim()
    job_id = await torc.id_of("job")
    started = await torc.ask("PUT", f"/jobs/{job_id}/start_job/0/{torc.node_id}")
    assert (started["status"], "compute_node_id" in started) == ("running", False)
    assert ("compute_node_id" in (await torc.jobs())["job"]) == (torc.api_version == "1.0")
    result = torc.result(started, "failed", 1)
    ended = await torc.ask("POST", f"/jobs/{job_id}/complete_job/failed/0", result)
    assert (ended["status"], "compute_node_id" in ended) == ("failed", torc.api_version == "1.0")
    assert "compute_node_id" not in (await torc.jobs())["job"]
    retried = await torc.ask("POST", f"/jobs/{job_id}/retry/0?max_retries=2")
    assert (retried["status"], retried["attempt_id"]) == ("ready", 2)
    assert "invocation_script" not in retried
    assert (await torc.jobs())["job"]["invocation_script"] == ""


@newer_servers
async def test_refused_completion_does_not_affect_its_batch(torc: "Torc") -> None:
    await torc.add({"good": [], "twice": [], "wrong": [], "odd": []})
    await torc.workflow("POST", "initialize_jobs")
    await torc.claim()
    jobs = await torc.jobs()
    assert await torc.complete("twice") == 200
    completions = [completion(torc, jobs["good"]), completion(torc, jobs["twice"])]
    completions += [
        completion(torc, jobs["wrong"], run_id=3),
        completion(torc, jobs["odd"], return_code=1),
    ]
    completions[-1]["status"] = "failed"  # but its result has completed
    answer = await torc.workflow("POST", "batch_complete_jobs", {"completions": completions})
    assert answer["completed"] == [jobs["good"]["id"]]
    refused = [jobs[name]["id"] for name in ("twice", "wrong", "odd")]
    assert [error["job_id"] for error in answer["errors"]] == refused
    assert await torc.results() == [(0, 1, 0), (0, 1, 0)]


@newer_servers
async def test_internal_error_undoes_a_whole_batch_of_completions(torc: "Torc") -> None:
    await torc.add({"good": [], "known": []})
    await torc.workflow("POST", "initialize_jobs")
    await torc.claim()
    jobs = await torc.jobs()
    assert await torc.complete("known") == 200
    assert await torc.set_status("known", "ready") == 200  # its attempt already has a result
    body = {"completions": [completion(torc, jobs[name]) for name in ("good", "known")]}
    path = f"/workflows/{torc.workflow_id}/batch_complete_jobs"
    assert await torc.status_of("POST", path, body) == 500
    assert await torc.statuses() == {"good": "pending", "known": "ready"}


def completion(
    torc: "Torc", job: dict[str, Any], run_id: int = 0, return_code: int = 0
) -> dict[str, Any]:
    result = torc.result(job, "completed", return_code) | {"run_id": run_id}
    return {"job_id": job["id"], "run_id": run_id, "status": "completed", "result": result}
