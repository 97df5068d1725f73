"""Recovery in place: of a failed job and its canceled descendants, while other jobs still run.

These steps are safe against every race: set the failed job to running, so that no worker claims it
and its dependents do not change; set its canceled descendants to blocked; then retry the job.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance.in_place_steps import (
    CHAIN,
    DIAMOND,
    RUNNING,
    TWO_PARENTS,
    begin,
    block,
    end,
    end_other,
    recover,
    retry,
    start_all,
)

if TYPE_CHECKING:
    from tests.conformance.conftest import Connect, StartServer, Torc


async def test_job_and_its_canceled_descendants_run_again_in_the_same_run(torc: "Torc") -> None:
    await begin(torc, CHAIN, "a")
    assert await torc.statuses() == dict.fromkeys("bc", "canceled") | RUNNING | {"a": "failed"}
    await recover(torc, "a", "b", "c")
    assert await torc.results() == [(0, 1, 137)]  # until the retry has a result
    for name, unblocked in (("a", "b"), ("b", "c"), ("c", None)):
        assert await torc.claim() == [name]
        assert await end(torc, name) == 200
        if unblocked:
            assert (await torc.statuses())[unblocked] == "ready"
    assert await torc.statuses() == dict.fromkeys("abc", "completed") | RUNNING
    assert not await torc.is_complete()
    assert await torc.complete("other") == 200
    assert await torc.is_complete()
    assert sorted(await torc.results()) == [(0, 1, 0), (0, 1, 0), (0, 1, 0), (0, 2, 0)]
    assert (0, 1, 137) in await torc.results("&all_runs=true")


async def test_all_jobs_of_a_diamond_run_again(torc: "Torc") -> None:
    await begin(torc, DIAMOND, "top")
    await recover(torc, "top", "left", "right", "bottom")
    for name in ("top", "left", "right"):
        assert (await torc.statuses())["bottom"] == "blocked"
        assert await end(torc, name) == 200
    assert (await torc.statuses())["bottom"] == "ready"


async def test_bottom_of_a_diamond_that_is_not_blocked_again(torc: "Torc") -> None:
    """API 1.0 keeps it canceled. API 0.12 had left it blocked."""
    await begin(torc, DIAMOND, "top")
    await recover(torc, "top", "left", "right")
    for name in ("top", "left", "right"):
        assert await end(torc, name) == 200
    expected = {"0.12": "ready", "1.0": "canceled"}[torc.api_version]
    assert (await torc.statuses())["bottom"] == expected


async def test_job_set_to_running_is_not_claimed_and_its_dependents_do_not_change(
    torc: "Torc",
) -> None:
    await begin(torc, CHAIN, "a")
    assert await torc.set_status("a", "running") == 200
    await block(torc, "b", "c")
    assert await end_other(torc) == 200
    assert await torc.claim() == []
    assert await torc.count_on_node() == 0
    assert await torc.statuses() == {
        "other": "completed",
        "a": "running",
        "b": "blocked",
        "c": "blocked",
    }
    assert await retry(torc, "a") == 200
    assert await end(torc, "a") == 200
    assert (await torc.statuses())["b"] == "ready"


async def test_descendants_blocked_too_early_may_be_canceled_again(torc: "Torc") -> None:
    """API 1.0 checks every blocked job of the workflow after any of its jobs has finished."""
    await begin(torc, CHAIN, "a")
    await block(torc, "b", "c")
    assert await end_other(torc) == 200
    assert await retry(torc, "a") == 200
    assert await end(torc, "a") == 200
    expected = {"0.12": ("ready", "blocked"), "1.0": ("canceled", "canceled")}[torc.api_version]
    statuses = await torc.statuses()
    assert (statuses["b"], statuses["c"]) == expected


async def test_job_retried_too_early_may_finish_before_its_descendants_are_blocked(
    torc: "Torc",
) -> None:
    """Then they stay blocked forever, or in API 1.0 until another job finishes."""
    await begin(torc, CHAIN, "a")
    assert await retry(torc, "a") == 200
    assert await end(torc, "a") == 200
    assert (await torc.statuses())["b"] == "canceled"
    await block(torc, "b", "c")
    await torc.background_work_done()
    assert (await torc.statuses())["b"] == "blocked"
    assert await end_other(torc) == 200
    expected = {"0.12": "blocked", "1.0": "ready"}[torc.api_version]
    assert (await torc.statuses())["b"] == expected


@pytest.mark.parametrize(
    ("recovered", "status"), [(["p"], "canceled"), (["p", "q"], "ready")], ids=["one", "both"]
)
async def test_descendant_of_two_failures_needs_both(
    torc: "Torc", recovered: list[str], status: str
) -> None:
    await begin(torc, TWO_PARENTS, "p", "q")
    for name in recovered:
        assert await torc.set_status(name, "running") == 200
    await block(torc, "child")
    for name in recovered:
        assert await retry(torc, name) == 200
    await torc.claim()
    for name in recovered:
        assert (await torc.statuses())["child"] == "blocked"
        assert await end(torc, name) == 200
    assert (await torc.statuses())["child"] == status


async def test_second_failure_cancels_again(torc: "Torc") -> None:
    await begin(torc, CHAIN, "a")
    for attempt in (2, 3):
        await recover(torc, "a", "b", "c")
        assert (await torc.jobs())["a"]["attempt_id"] == attempt
        assert await end(torc, "a", 137) == 200
        assert await torc.statuses() == dict.fromkeys("bc", "canceled") | RUNNING | {"a": "failed"}


@pytest.mark.parametrize(
    ("status", "answer"),
    [("failed", 200), ("terminated", 200), ("pending_failed", 422), ("canceled", 422)],
)
async def test_job_set_to_running_can_be_retried_from_any_outcome(
    torc: "Torc", status: str, answer: int
) -> None:
    await begin(torc, CHAIN)
    assert await torc.complete("a", status, 1) == 200
    await torc.background_work_done()
    assert await retry(torc, "a") == answer
    await recover(torc, "a", "b", "c")
    assert await end(torc, "a") == 200
    assert (await torc.statuses())["b"] == "ready"


async def test_descendants_are_blocked_from_the_top(torc: "Torc") -> None:
    """A job behind a canceled one is due: API 1.0 cancels it again when any other job ends."""
    await begin(torc, CHAIN, "a")
    assert await torc.set_status("a", "running") == 200
    await block(torc, "c")
    assert await end_other(torc) == 200
    expected = {"0.12": "blocked", "1.0": "canceled"}[torc.api_version]
    assert (await torc.statuses())["c"] == expected


async def test_descendants_canceled_just_before_the_retry(torc: "Torc") -> None:
    """While the retried job is not complete, nothing is too late for them."""
    await begin(torc, CHAIN, "a")
    assert await retry(torc, "a") == 200
    await torc.claim()
    assert await torc.start("a") == 200
    await block(torc, "b", "c")
    assert await end_other(torc) == 200
    assert await torc.complete("a") == 200
    for name in ("b", "c"):
        await torc.statuses_become({name: "ready"})
        assert await end(torc, name) == 200


async def test_dependent_that_ignores_failures(torc: "Torc") -> None:
    """Once the failure has released it, it runs beside the retry, and not again."""
    await start_all(torc, CHAIN, cancel_on_blocking_job_failure=False)
    assert await torc.complete("a", "failed", 137) == 200
    await torc.background_work_done()
    assert await retry(torc, "a") == 200
    assert (await torc.statuses())["b"] == "ready"
    for name in ("b", "a"):
        assert await end(torc, name) == 200
    statuses = await torc.statuses()
    assert (statuses["a"], statuses["b"]) == ("completed", "completed")


async def test_descendant_with_a_result_cannot_complete_again(torc: "Torc") -> None:
    """It ran although its dependency had failed: it needs its own retry instead."""
    await torc.add({"a": [], "b": ["a"]}, cancel_on_blocking_job_failure=False)
    await torc.workflow("POST", "initialize_jobs")
    for name in ("a", "b"):
        assert await end(torc, name, 1) == 200
    await recover(torc, "a", "b")
    assert await end(torc, "a") == 200
    assert await end(torc, "b") == 500
    assert (await torc.statuses())["b"] == "running"


@pytest.mark.parametrize("name", ["embedded-0.12", "embedded-1.0", "torc-0.12.2", "torc-1.0.0"])
async def test_retry_before_the_unblocking_task_needs_no_further_steps(
    tmp_path: Path, start_server: "StartServer", connect: "Connect", name: str
) -> None:
    with start_server(name, tmp_path, unblock_interval=3600) as server:
        async with connect(server) as torc:
            await torc.add(CHAIN)
            await torc.workflow("POST", "initialize_jobs")
            await torc.finish(a=137)
            assert await retry(torc, "a") == 200
            await torc.finish(a=0)
            assert (await torc.statuses())["b"] == "blocked"
            known = torc.workflow_id, torc.node_id
    with start_server(name, tmp_path) as server:
        async with connect(server, *known) as torc:
            await torc.statuses_become({"a": "completed", "b": "ready", "c": "blocked"})


@pytest.mark.parametrize("name", ["embedded-0.12", "embedded-1.0", "torc-0.12.2", "torc-1.0.0"])
@pytest.mark.parametrize("held", [True, False], ids=["held", "not held"])
async def test_restarted_server_has_forgotten_the_failures(
    tmp_path: Path, start_server: "StartServer", connect: "Connect", name: str, *, held: bool
) -> None:
    """API 1.0 starts a blocked dependent of a failed job: so set that job to running first."""
    with start_server(name, tmp_path) as server:
        async with connect(server) as torc:
            await begin(torc, CHAIN, "a")
            known = torc.workflow_id, torc.node_id
    with start_server(name, tmp_path) as server:
        async with connect(server, *known) as torc:
            if held:
                assert await torc.set_status("a", "running") == 200
            await block(torc, "b", "c")
            assert await end_other(torc) == 200
            released = torc.api_version == "1.0" and not held
            assert (await torc.statuses())["b"] == ("ready" if released else "blocked")
