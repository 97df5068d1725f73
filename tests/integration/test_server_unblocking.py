"""When the embedded server unblocks jobs, and what it does when it cannot. Time is virtual."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from torc_watch.sandbox.server.settings import DialectName

if TYPE_CHECKING:
    from tests.integration.conftest import OpenTorc

# A job by name, and those that it waits for.
CHAIN = {"a": [], "b": ["a"], "c": ["b"]}


async def unblocked() -> None:
    """Past the next run of the unblocking task."""
    await anyio.sleep(30.1)


@pytest.mark.looptime
@pytest.mark.parametrize("dialect", ["0.12", "0.35"])
async def test_dependants_become_ready_only_when_the_task_runs(
    open_torc: "OpenTorc", dialect: DialectName
) -> None:
    async with open_torc(dialect) as torc:
        await torc.add(CHAIN)
        await torc.workflow("POST", "initialize_jobs")
        await torc.finish(a=0)
        await anyio.sleep(20)
        assert (await torc.statuses())["b"] == "blocked"
        await unblocked()
        assert (await torc.statuses())["b"] == "ready"


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
