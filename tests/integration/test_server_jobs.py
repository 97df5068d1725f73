"""The embedded server's rules for the end of a job's attempt."""

from typing import TYPE_CHECKING

import pytest

from torc_watch.sandbox.server.settings import DialectName

if TYPE_CHECKING:
    from tests.integration.conftest import OpenTorc

both_dialects = pytest.mark.parametrize("dialect", ["0.12", "0.35"])


@both_dialects
async def test_a_second_result_of_an_attempt_is_an_internal_error(
    open_torc: "OpenTorc", dialect: DialectName
) -> None:
    async with open_torc(dialect) as torc:
        await torc.add({"job": []})
        assert await torc.complete("job", "failed", 1) == 200
        assert await torc.complete("job", "failed", 1) == 422
        # Without a new run or attempt, a job that starts over can never be completed.
        await torc.set_status("job", "ready")
        assert await torc.complete("job") == 500
        assert (await torc.statuses())["job"] == "ready"
        assert await torc.results() == [(0, 1, 1)]


@both_dialects
async def test_a_report_of_another_run_leaves_its_result(
    open_torc: "OpenTorc", dialect: DialectName
) -> None:
    async with open_torc(dialect) as torc:
        await torc.add({"job": []})
        await torc.workflow("POST", "initialize_jobs")
        assert await torc.complete("job", run_id=4) == 500
        assert await torc.statuses() == {"job": "ready"}
        assert await torc.results() == [(4, 1, 0)]
        job = (await torc.jobs())["job"]
        body = torc.result(job, "completed", 0) | {"run_id": 5}
        assert (
            await torc.status_of("POST", f"/jobs/{job['id']}/complete_job/completed/0", body) == 500
        )
        assert await torc.statuses() == {"job": "ready"}


@both_dialects
async def test_a_pending_failed_job_completes_nothing(
    open_torc: "OpenTorc", dialect: DialectName
) -> None:
    async with open_torc(dialect) as torc:
        await torc.add({"job": []})
        assert await torc.complete("job", "pending_failed", 1) == 200
        assert await torc.statuses() == {"job": "pending_failed"}
        assert not await torc.is_complete()
        assert await torc.complete("job", "running", 1) == 500


@both_dialects
async def test_a_retry_is_a_new_attempt_of_the_same_run(
    open_torc: "OpenTorc", dialect: DialectName
) -> None:
    async with open_torc(dialect) as torc:
        await torc.add({"job": []})
        job_id = await torc.id_of("job")
        assert await torc.complete("job", "failed", 1) == 200
        for query, run_id, status in (
            ("", 0, 400),
            ("?max_retries=1", 0, 422),
            ("?max_retries=2", 5, 422),
            ("?max_retries=2", 0, 200),
            ("?max_retries=3", 0, 422),  # it is ready now, and did not fail
        ):
            path = f"/jobs/{job_id}/retry/{run_id}{query}"
            assert await torc.status_of("POST", path) == status
        await torc.finish(job=0)
        assert await torc.results("&all_runs=true") == [(0, 1, 1), (0, 2, 0)]
        events = (await torc.ask("GET", f"/events?workflow_id={torc.workflow_id}"))["items"]
        assert [event["data"]["event_type"] for event in events] == ["job_retried"]


@pytest.mark.parametrize(("dialect", "jobs"), [("0.12", 1), ("0.35", 0)])
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "retry/0?max_retries=2"), ("PUT", "manage_status_change/ready/0")],
)
async def test_a_job_that_is_ready_again_leaves_its_node_in_the_newer_dialect(
    open_torc: "OpenTorc", dialect: DialectName, jobs: int, method: str, path: str
) -> None:
    async with open_torc(dialect) as torc:
        await torc.add({"job": []})
        await torc.workflow("POST", "initialize_jobs")
        await torc.claim()
        assert await torc.start("job") == 200
        await torc.ask(method, f"/jobs/{await torc.id_of('job')}/{path}")
        assert await torc.statuses() == {"job": "ready"}
        assert await torc.count_on_node() == jobs


@both_dialects
async def test_a_status_that_a_job_has_is_no_change_in_any_run(
    open_torc: "OpenTorc", dialect: DialectName
) -> None:
    async with open_torc(dialect) as torc:
        await torc.add({"job": []})
        torc.run_id = 5
        assert await torc.set_status("job", "uninitialized") == 200
        assert await torc.set_status("job", "ready") == 422


async def test_many_reports_at_once_stand_for_themselves(open_torc: "OpenTorc") -> None:
    async with open_torc() as torc:
        await torc.add({"good": [], "twice": [], "wrong": [], "known": []})
        await torc.workflow("POST", "initialize_jobs")
        await torc.claim()
        jobs = await torc.jobs()
        assert await torc.complete("twice") == 200
        assert await torc.start("known") == 200
        await torc.ask("POST", "/results", torc.result(jobs["known"], "completed", 0))
        completions = [
            {"job_id": jobs[name]["id"], "run_id": run_id, "status": "completed"}
            | {"result": torc.result(jobs[name], "completed", 0)}
            for name, run_id in (("good", 0), ("twice", 0), ("wrong", 3), ("known", 0))
        ]
        answer = await torc.workflow("POST", "batch_complete_jobs", {"completions": completions})
        assert answer["completed"] == [jobs["good"]["id"]]
        assert [error["job_id"] for error in answer["errors"]] == [
            jobs["twice"]["id"],
            jobs["wrong"]["id"],
            jobs["known"]["id"],
        ]
        assert (await torc.jobs())["known"]["compute_node_id"] == torc.node_id
