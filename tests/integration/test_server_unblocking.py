"""Unblocking by the embedded server: who becomes ready or canceled, and when. Time is virtual."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from torc_watch.sandbox.server.settings import DialectName

if TYPE_CHECKING:
    from tests.integration.conftest import OpenTorc

both_dialects = pytest.mark.parametrize("dialect", ["0.12", "0.35"])
# A job by name, and those that it waits for.
CHAIN = {"a": [], "b": ["a"], "c": ["b"]}
DIAMOND = {"top": [], "left": ["top"], "right": ["top"], "bottom": ["left", "right"]}


async def unblocked() -> None:
    """Past the next run of the unblocking task."""
    await anyio.sleep(30.1)


@pytest.mark.looptime
@both_dialects
async def test_dependants_become_ready_only_when_the_task_runs(
    open_torc: "OpenTorc", dialect: DialectName
) -> None:
    async with open_torc(dialect) as torc:
        await torc.add(DIAMOND)
        await torc.workflow("POST", "initialize_jobs")
        await torc.finish(top=0)
        await anyio.sleep(20)
        assert (await torc.statuses())["left"] == "blocked"
        await unblocked()
        assert await torc.statuses() == {
            "top": "completed",
            "left": "ready",
            "right": "ready",
            "bottom": "blocked",
        }
        await torc.finish(left=0, right=0)
        await unblocked()
        await torc.finish(bottom=0)
        assert await torc.is_complete()


@pytest.mark.looptime
@both_dialects
async def test_a_failure_cancels_what_comes_after_it(
    open_torc: "OpenTorc", dialect: DialectName
) -> None:
    async with open_torc(dialect) as torc:
        await torc.add(CHAIN)
        await torc.workflow("POST", "initialize_jobs")
        await torc.finish(a=137)
        assert not await torc.is_complete()
        await unblocked()
        assert await torc.statuses() == {"a": "failed", "b": "canceled", "c": "canceled"}
        assert await torc.is_complete()


@pytest.mark.looptime
@pytest.mark.parametrize(("dialect", "bottom"), [("0.12", "blocked"), ("0.35", "canceled")])
async def test_below_a_failed_diamond_the_older_server_leaves_a_job_blocked(
    open_torc: "OpenTorc", dialect: DialectName, bottom: str
) -> None:
    async with open_torc(dialect) as torc:
        await torc.add(DIAMOND)
        await torc.workflow("POST", "initialize_jobs")
        await torc.finish(top=1)
        await unblocked()
        assert await torc.statuses() == {
            "top": "failed",
            "left": "canceled",
            "right": "canceled",
            "bottom": bottom,
        }


@pytest.mark.looptime
@pytest.mark.parametrize(("dialect", "bottom"), [("0.12", "ready"), ("0.35", "canceled")])
async def test_below_a_failed_diamond_and_a_success_the_older_server_makes_a_job_ready(
    open_torc: "OpenTorc", dialect: DialectName, bottom: str
) -> None:
    async with open_torc(dialect) as torc:
        graph = {"top": [], "fine": [], "left": ["top"], "right": ["top"]}
        await torc.add(graph | {"bottom": ["left", "right", "fine"]})
        await torc.workflow("POST", "initialize_jobs")
        await torc.finish(top=1, fine=0)
        await unblocked()
        assert (await torc.statuses())["bottom"] == bottom


@pytest.mark.looptime
async def test_a_job_that_does_not_mind_a_failure_becomes_ready(open_torc: "OpenTorc") -> None:
    async with open_torc() as torc:
        await torc.add(CHAIN, cancel_on_blocking_job_failure=False)
        await torc.workflow("POST", "initialize_jobs")
        await torc.finish(a=1)
        await unblocked()
        assert await torc.statuses() == {"a": "failed", "b": "ready", "c": "blocked"}


@pytest.mark.looptime
async def test_what_cannot_be_written_now_is_written_later(
    tmp_path: Path, open_torc: "OpenTorc", caplog: pytest.LogCaptureFixture
) -> None:
    async with open_torc() as torc:
        await torc.add(CHAIN)
        await torc.workflow("POST", "initialize_jobs")
        await torc.finish(a=0)
        with closing(sqlite3.connect(tmp_path / "torc.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await unblocked()
            assert (await torc.statuses())["b"] == "blocked"
            caplog.clear()
            assert await torc.set_status("b", "ready") == 500
            assert "locked" in caplog.text
        await unblocked()
        assert (await torc.statuses())["b"] == "ready"


async def test_a_completion_of_before_a_restart_is_dealt_with_at_once(
    open_torc: "OpenTorc",
) -> None:
    async with open_torc() as torc:
        await torc.add(CHAIN)
        await torc.workflow("POST", "initialize_jobs")
        await torc.finish(a=0)
    async with open_torc() as torc:
        jobs = (await torc.ask("GET", "/jobs?workflow_id=1"))["items"]
        assert [job["status"] for job in jobs] == ["completed", "ready", "blocked"]
