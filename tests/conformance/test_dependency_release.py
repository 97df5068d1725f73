"""Dependents of finished jobs become ready or canceled, with a delay."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conformance.conftest import Connect, StartServer, Torc

# Job name to dependencies.
CHAIN = {"a": [], "b": ["a"], "c": ["b"]}
DIAMOND = {"top": [], "left": ["top"], "right": ["top"], "bottom": ["left", "right"]}


async def test_dependents_become_ready(torc: "Torc") -> None:
    await torc.add(DIAMOND)
    await torc.workflow("POST", "initialize_jobs")
    await torc.finish(top=0)
    both = {"left": "ready", "right": "ready"}
    await torc.statuses_become({"top": "completed", **both, "bottom": "blocked"})
    await torc.finish(left=0)
    await torc.background_work_done()
    assert (await torc.statuses())["bottom"] == "blocked"
    await torc.finish(right=0)
    await torc.statuses_become({"bottom": "ready"})
    await torc.finish(bottom=0)
    assert await torc.is_complete()


async def test_failure_cancels_all_descendants(torc: "Torc") -> None:
    await torc.add(CHAIN)
    await torc.workflow("POST", "initialize_jobs")
    await torc.finish(a=137)
    await torc.statuses_become({"a": "failed", "b": "canceled", "c": "canceled"})
    assert await torc.is_complete()


async def test_bottom_of_a_failed_diamond_stays_blocked_in_api_0_12(
    torc: "Torc",
) -> None:
    await torc.add(DIAMOND)
    await torc.workflow("POST", "initialize_jobs")
    await torc.finish(top=1)
    await torc.background_work_done()
    assert await torc.statuses() == {
        "top": "failed",
        "left": "canceled",
        "right": "canceled",
        "bottom": {"0.12": "blocked", "1.0": "canceled"}[torc.api_version],
    }


async def test_job_below_a_failed_diamond_and_a_success_becomes_ready_in_api_0_12(
    torc: "Torc",
) -> None:
    graph = {"top": [], "fine": [], "left": ["top"], "right": ["top"]}
    await torc.add(graph | {"bottom": ["left", "right", "fine"]})
    await torc.workflow("POST", "initialize_jobs")
    await torc.finish(top=1)
    await torc.statuses_become({"left": "canceled", "right": "canceled"})
    await torc.finish(fine=0)
    await torc.statuses_become({"bottom": {"0.12": "ready", "1.0": "canceled"}[torc.api_version]})


async def test_success_after_a_failure_cancels_only_one_level_in_api_0_12(
    torc: "Torc",
) -> None:
    await torc.add({"bad": [], "good": [], "behind": ["bad", "good"], "last": ["behind"]})
    await torc.workflow("POST", "initialize_jobs")
    await torc.finish(bad=1)
    await torc.background_work_done()
    await torc.finish(good=0)
    await torc.statuses_become({"behind": "canceled"})
    await torc.background_work_done()
    expected = {"0.12": "blocked", "1.0": "canceled"}[torc.api_version]
    assert (await torc.statuses())["last"] == expected


async def test_job_that_ignores_failures_becomes_ready(torc: "Torc") -> None:
    await torc.add(CHAIN, cancel_on_blocking_job_failure=False)
    await torc.workflow("POST", "initialize_jobs")
    await torc.finish(a=1)
    await torc.background_work_done()
    assert await torc.statuses() == {"a": "failed", "b": "ready", "c": "blocked"}


@pytest.mark.parametrize(
    ("status", "return_code", "older", "newer"),
    [
        ("failed", 1, "canceled", "canceled"),
        ("failed", 0, "ready", "ready"),
        ("terminated", 1, "canceled", "canceled"),
        ("terminated", 0, "ready", "canceled"),
        ("canceled", 1, "canceled", "canceled"),
        ("canceled", 0, "ready", "canceled"),
        ("completed", 1, "ready", "ready"),
    ],
)
async def test_status_of_a_dependent_after_each_outcome(
    torc: "Torc", status: str, return_code: int, older: str, newer: str
) -> None:
    await torc.add({"a": [], "ok": [], "b": ["a", "ok"]})
    await torc.workflow("POST", "initialize_jobs")
    await torc.finish(ok=0)
    await torc.background_work_done()
    # Another failure in the workflow: without any, API 1.0 does not check for failures.
    await torc.add({"unrelated": []})
    assert await torc.complete("unrelated", "failed", 1) == 200
    assert await torc.complete("a", status, return_code) == 200
    await torc.statuses_become({"b": {"0.12": older, "1.0": newer}[torc.api_version]})


@pytest.mark.parametrize("name", ["embedded-0.12", "embedded-1.0", "torc-0.12.2", "torc-1.0.0"])
async def test_restarted_server_starts_jobs_whose_dependency_failed(
    tmp_path: Path, start_server: "StartServer", connect: "Connect", name: str
) -> None:
    """It cancels only in workflows in which it has seen a failure since it started."""
    with start_server(name, tmp_path) as server:
        async with connect(server) as torc:
            await fail_one_of_two_parents(torc)
            known = torc.workflow_id, torc.node_id
    with start_server(name, tmp_path) as server:
        async with connect(server, *known) as torc:
            assert (await torc.statuses())["child"] == "blocked"
            assert await torc.complete("q") == 200
            await torc.statuses_become({"child": "ready"})


async def test_initialization_forgets_failures(torc: "Torc") -> None:
    """So a job starts although its other dependency failed."""
    await fail_one_of_two_parents(torc)
    await torc.workflow("POST", "initialize_jobs?only_uninitialized=true")
    assert (await torc.statuses())["child"] == "blocked"
    assert await torc.complete("q") == 200
    await torc.statuses_become({"child": "ready"})


async def fail_one_of_two_parents(torc: "Torc") -> None:
    await torc.add({"p": [], "q": [], "child": ["p", "q"]})
    await torc.workflow("POST", "initialize_jobs")
    await torc.finish(p=137)
    await torc.background_work_done()
