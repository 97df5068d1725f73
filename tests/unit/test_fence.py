"""The fence allows changes only while the daemon holds the lease."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from torc_watch.core import events
from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.errors import JournalError, LeaseLost
from torc_watch.core.units import GIB
from torc_watch.daemon.fence import Fence, FencedScheduler
from torc_watch.daemon.lease import Lease, this_holder
from torc_watch.engine.supervisor import watch_workflow
from torc_watch.host.processes import find_process
from torc_watch.schedulers.base import WorkerAssignment
from torc_watch.torc.transport import Connection

if TYPE_CHECKING:
    from tests.conftest import OpenSite

pytestmark = pytest.mark.looptime

PATIENCE = 180.0
ME = this_holder(PATIENCE)
URL = f"http://test-{os.getpid()}/torc-service/v1"


class FakeLease(Lease):
    """Counts heartbeats; each raises ``error``, if there is one."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, ME)
        self.count = 0
        self.error: Exception | None = None

    def beat(self) -> None:
        self.count += 1
        if self.error is not None:
            raise self.error


def in_virtual_time(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    async def run_sync(function: Callable[[], None], **_: object) -> None:
        await anyio.sleep(seconds)
        function()

    monkeypatch.setattr("anyio.to_thread.run_sync", run_sync)


async def test_heartbeat_allows_changes_for_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_virtual_time(monkeypatch, 0)
    lease = FakeLease(tmp_path)
    fence = Fence(lease)

    for _ in range(5):
        await fence.check()
    assert lease.count == 1

    await anyio.sleep(1.1)
    lease.error = LeaseLost()
    with pytest.raises(LeaseLost):
        await fence.check()


async def test_no_allocation_is_submitted_or_canceled_without_the_lease(
    open_site: "OpenSite", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_virtual_time(monkeypatch, 0)
    lease = FakeLease(tmp_path)
    lease.error = LeaseLost()
    spec = AllocationSpec(token="t", num_cpus=1, memory=GIB)  # noqa: S106 - no password
    work = WorkerAssignment(
        connection=Connection(url=URL),
        workflow_id=1,
        scheduler_config_id=1,
        output_dir=tmp_path,
    )
    async with open_site() as site:
        scheduler = FencedScheduler(site.scheduler, Fence(lease))
        with pytest.raises(LeaseLost):
            await scheduler.submit(spec, work)
        with pytest.raises(LeaseLost):
            await scheduler.cancel(1)

        assert (site.scheduler.requests, site.scheduler.canceled) == ([], [])


async def test_simultaneous_checks_share_one_heartbeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_virtual_time(monkeypatch, 2)
    lease = FakeLease(tmp_path)
    fence = Fence(lease)

    async with anyio.create_task_group() as tasks:
        for _ in range(9):
            tasks.start_soon(fence.check)

    assert lease.count == 1


async def test_failed_heartbeat_prevents_the_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_virtual_time(monkeypatch, 0)
    lease = FakeLease(tmp_path)
    lease.error = OSError("stale handle")

    with pytest.raises(JournalError, match="stale handle"):
        await Fence(lease).check()


async def test_slow_heartbeat_prevents_the_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_virtual_time(monkeypatch, PATIENCE)
    with pytest.raises(JournalError, match="too long"):
        await Fence(FakeLease(tmp_path)).check()


async def refuse() -> None:
    raise LeaseLost


async def test_no_hook_runs_without_the_lease(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [(1, None, 0.0)]}
        request = site.request(await site.submit(["a"]), hook=("true",))
        await site.scheduler.rest()

        with pytest.raises(LeaseLost):
            async with site.context(before_change=refuse) as context:
                await watch_workflow(request, context)

        assert site.seen(events.HookStarted) == []


async def test_no_process_is_killed_without_the_lease(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.deaths = {1: "running"}
        request = site.request(await site.submit(["a"]))
        await site.scheduler.rest()
        job = {"TORC_WORKFLOW_ID": "1", "TORC_JOB_ID": "1", "TORC_API_URL": URL}
        with subprocess.Popen(["sleep", "600"], env=os.environ | job) as left:  # noqa: ASYNC220
            try:
                async with site.context() as context:
                    fenced = replace(context, before_change=refuse)
                    with pytest.raises(LeaseLost):
                        await watch_workflow(request, fenced)
                process = find_process(left.pid)
                assert process is not None
                assert not process.is_dead
            finally:
                left.kill()
