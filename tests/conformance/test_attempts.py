"""Attempts of a job in one run: retries beside running jobs, and reports of older attempts."""

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.conformance.in_place_steps import end, retry, start_all

if TYPE_CHECKING:
    from tests.conformance.conftest import Torc

BESIDE: dict[str, list[str]] = {"other": [], "a": []}
newer_servers = pytest.mark.parametrize("server", ["embedded-1.0", "torc-1.0.0"], indirect=True)


@pytest.mark.parametrize("status", ["failed", "terminated"])
async def test_retried_job_runs_again_beside_others(torc: "Torc", status: str) -> None:
    await start_all(torc, BESIDE)
    assert await torc.complete("a", status, 137) == 200
    assert await retry(torc, "a") == 200
    job = (await torc.jobs())["a"]
    assert (job["status"], job["attempt_id"]) == ("ready", 2)
    assert await torc.results() == [(0, 1, 137)], "still the current result"
    assert await torc.claim() == ["a"]
    assert await torc.start("a") == 200
    assert await torc.complete("a") == 200
    assert await torc.statuses() == {"other": "running", "a": "completed"}
    assert await torc.results() == [(0, 2, 0)]
    assert await torc.results("&all_runs=true") == [(0, 1, 137), (0, 2, 0)]


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        ("uninitialized", 422),
        ("blocked", 422),
        ("ready", 422),
        ("pending", 422),
        ("running", 200),
        ("completed", 422),
        ("failed", 200),
        ("terminated", 200),
        ("canceled", 422),
        ("pending_failed", 422),
    ],
)
async def test_statuses_in_which_a_job_can_be_retried(
    torc: "Torc", status: str, answer: int
) -> None:
    await start_all(torc, BESIDE)
    if status in {"completed", "failed", "terminated", "canceled", "pending_failed"}:
        assert await torc.complete("a", status, 1) == 200
    else:
        assert await torc.set_status("a", status) == 200
    assert await retry(torc, "a") == answer
    job = (await torc.jobs())["a"]
    expected = (status, 1) if answer == 422 else ("ready", 2)
    assert (job["status"], job["attempt_id"]) == expected


async def test_one_of_two_clients_retries_a_job(torc: "Torc") -> None:
    await start_all(torc, BESIDE)
    assert await torc.complete("a", "failed", 137) == 200
    answers: list[int] = []

    async def retry_once() -> None:
        answers.append(await retry(torc, "a", after_attempt=1))

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(retry_once)
    assert sorted(answers) == [200, 422, 422, 422]
    assert (await torc.jobs())["a"]["attempt_id"] == 2
    assert await torc.claim() == ["a"]
    assert await torc.start("a") == 200
    assert await retry(torc, "a", after_attempt=1) == 422, "attempt 2 runs on"


async def test_retry_for_another_run_is_refused(torc: "Torc") -> None:
    await start_all(torc, BESIDE)
    assert await torc.complete("a", "failed", 137) == 200
    torc.run_id = 1
    assert await retry(torc, "a") == 422
    assert (await torc.jobs())["a"]["status"] == "failed"


@pytest.mark.parametrize("state", ["ready", "pending", "running", "completed"])
async def test_second_report_of_an_attempt_changes_nothing(torc: "Torc", state: str) -> None:
    """The unique result of each attempt protects the next one from a worker that reports twice."""
    first = await fail_and_retry(torc)
    await bring_to(torc, state)
    before = await snapshot(torc)
    answer = await torc.status_of("POST", f"/jobs/{first['job_id']}/complete_job/failed/0", first)
    assert answer == (422 if state == "completed" else 500)
    assert await snapshot(torc) == before
    late_success = first | {"status": "completed", "return_code": 0}
    path = f"/jobs/{first['job_id']}/complete_job/completed/0"
    assert await torc.status_of("POST", path, late_success) == answer
    assert await snapshot(torc) == before
    if state == "running":
        assert await torc.count_on_node() == 1, "a is no longer on its node, although it runs"
        assert await torc.complete("a") == 200


@newer_servers
@pytest.mark.parametrize("state", ["ready", "pending", "running"])
async def test_batch_with_a_second_report_is_refused_as_a_whole(torc: "Torc", state: str) -> None:
    first = await fail_and_retry(torc)
    await bring_to(torc, state)
    before = await snapshot(torc)
    other = torc.result((await torc.jobs())["other"], "completed", 0)
    batch = {"completions": [entry(other), entry(first)]}
    path = f"/workflows/{torc.workflow_id}/batch_complete_jobs"
    assert await torc.status_of("POST", path, batch) == 500
    assert await snapshot(torc) == before
    assert await torc.count_on_node() == (2 if state == "running" else 1)
    assert await torc.status_of("POST", path, {"completions": [entry(other)]}) == 200


async def test_report_of_an_attempt_without_result_ends_the_next_attempt(torc: "Torc") -> None:
    """So a running job must not be retried: attempts are not compared."""
    await start_all(torc, BESIDE)
    first = torc.result((await torc.jobs())["a"], "completed", 0)
    assert await retry(torc, "a") == 200
    assert await torc.claim() == ["a"]
    assert await torc.start("a") == 200
    path = f"/jobs/{first['job_id']}/complete_job/completed/0"
    assert await torc.status_of("POST", path, first) == 200
    assert (await torc.jobs())["a"]["status"] == "completed"
    assert await torc.results() == [(0, 1, 0)]


async def test_retried_job_in_a_complete_workflow(torc: "Torc") -> None:
    await start_all(torc, {"a": []})
    assert await torc.complete("a", "failed", 137) == 200
    assert await torc.is_complete()
    assert await retry(torc, "a") == 200
    assert not await torc.is_complete()
    assert await end(torc, "a") == 200
    assert await torc.is_complete()


async def fail_and_retry(torc: "Torc") -> dict[str, Any]:
    """Fail attempt 1 of a job and retry it; returns the result of attempt 1."""
    await start_all(torc, BESIDE)
    first = torc.result((await torc.jobs())["a"], "failed", 137)
    assert await torc.complete("a", "failed", 137) == 200
    assert await retry(torc, "a") == 200
    return first


async def bring_to(torc: "Torc", state: str) -> None:
    if state == "ready":
        return
    assert await torc.claim() == ["a"]
    if state == "pending":
        return
    assert await torc.start("a") == 200
    if state == "completed":
        assert await torc.complete("a") == 200


async def snapshot(torc: "Torc") -> tuple[Any, Any]:
    """Status and attempt of each job, and all results."""
    jobs = {name: (job["status"], job["attempt_id"]) for name, job in (await torc.jobs()).items()}
    return jobs, await torc.results("&all_runs=true")


def entry(result: dict[str, Any]) -> dict[str, Any]:
    return {
        "job_id": result["job_id"],
        "run_id": result["run_id"],
        "status": result["status"],
        "result": result,
    }
