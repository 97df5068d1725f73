"""Workers that die, allocations in an unknown state, and jobs without workers."""

import os
import socket
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from torc_watch.core import events, intervals
from torc_watch.core.allocation import AllocationSpec, AllocationState
from torc_watch.core.events import Verdict, WatchEnded
from torc_watch.core.model import JobStatus
from torc_watch.core.recovery_round import RecoverySettings
from torc_watch.core.return_code import ORPHANED
from torc_watch.core.units import GIB
from torc_watch.schedulers.base import WorkerAssignment
from torc_watch.torc.runner_api import RunnerApi, WorkerResources

if TYPE_CHECKING:
    from tests.conftest import Forward, OpenSite, Site

pytestmark = pytest.mark.looptime
HALF_A_DAY = 12 * 3600.0
LONG_RUN = (0, None, 1000.0)
HERE = socket.gethostname()


async def test_workflow_stalls_without_a_grace_period_when_its_worker_died(
    open_site: "OpenSite",
) -> None:
    """The worker's jobs cannot end."""
    async with open_site() as site:
        site.scheduler.deaths = {1: "running"}
        workflow_id = await site.submit(["a"])

        await site.watch(workflow_id, recovery=None)

        assert anyio.current_time() <= 60


@pytest.mark.parametrize("settings", [None, RecoverySettings(max_retries=1)])
async def test_failed_allocations_are_reported(
    open_site: "OpenSite", settings: RecoverySettings | None
) -> None:
    """Each diagnosis reports those that ended since the last one."""
    async with open_site() as site:
        site.scheduler.failures = {1: "no such user", 2: "no such file"}
        site.scheduler.deaths = {1: "running", 2: "running"}
        workflow_id = await site.submit(["a"])

        await site.watch(workflow_id, recovery=settings)

        reported = [
            (event.scheduler, event.scheduler_id, event.status.detail)
            for event in site.seen(events.AllocationFailed)
        ]
        assert reported == [
            ("local", 1, "no such user"),
            *([("local", 2, "no such file")] if settings else []),
        ]
        assert isinstance(site.events[-1], WatchEnded)


async def test_allocation_in_an_unknown_state_is_not_treated_as_ended(
    open_site: "OpenSite",
) -> None:
    async with open_site() as site:
        site.scheduler.deaths = {1: "running"}
        site.scheduler.state_after_death = AllocationState.UNKNOWN
        workflow_id = await site.submit(["a", "b"])
        verdicts: list[Verdict] = []

        async def watch() -> None:
            verdicts.append((await site.watch(workflow_id, poll_interval=1800)).verdict)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            await anyio.sleep(HALF_A_DAY)
            assert {method for _, method, _ in site.line.sent} == {"GET"}
            assert (await site.client.count_jobs(workflow_id)).of(JobStatus.RUNNING) == 2
            assert not verdicts
            site.scheduler.known_states[1] = AllocationState.GONE

        assert verdicts == [Verdict.SUCCEEDED]
        assert ("a", 1, ORPHANED) in await site.results(workflow_id)


@pytest.mark.parametrize("interval", [5, 60, 3600])
async def test_workflow_without_workers_is_stuck_after_the_grace_period(
    open_site: "OpenSite", interval: float
) -> None:
    """The poll interval does not matter."""
    async with open_site() as site:
        workflow_id = await site.submit(["a"], allocations=0)

        ended = await site.watch(workflow_id, recovery=None, poll_interval=interval)

        assert ended.verdict is Verdict.STUCK
        assert all(event.is_resting for event in site.seen(events.Polled))
        assert f"recover {workflow_id}` starts some" in ended.reason
        assert 45 <= anyio.current_time() <= 50


async def test_long_job_is_not_a_stall(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [LONG_RUN]}
        workflow_id = await site.submit(["a"])

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED
        assert not site.seen(events.WorkflowStalled)


async def test_allocations_that_end_at_once_are_replaced_after_the_grace_period(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watch waits for the grace period before each round."""
    async with open_site() as site:
        workflow_id = await site.submit(["a"], allocations=0)
        submitted: list[tuple[AllocationSpec, WorkerAssignment]] = []

        async def submit(spec: AllocationSpec, work: WorkerAssignment) -> int:
            submitted.append((spec, work))
            return len(submitted)  # a number that the scheduler does not know

        monkeypatch.setattr(site.scheduler, "submit", submit)

        ended = await site.watch(workflow_id, poll_interval=15)

        assert ended.verdict is Verdict.EXHAUSTED
        assert len(submitted) == 4  # the first round is free
        assert anyio.current_time() >= 4 * intervals.STALL_GRACE


async def test_one_round_is_refused_while_workers_run(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [LONG_RUN]}
        workflow_id = await site.submit(["a"])

        ended = await site.watch(workflow_id, once=True)

        assert ended.verdict is Verdict.HANDED_OVER
        assert "still has workers" in ended.reason


async def test_one_round_starts_without_a_grace_period(open_site: "OpenSite") -> None:
    """The user who requests it knows that no worker is about to start."""
    async with open_site() as site:
        workflow_id = await site.submit(["a"], allocations=0)

        ended = await site.watch(workflow_id, once=True)

        assert ended.verdict is Verdict.RESUBMITTED
        assert anyio.current_time() < 1


async def run_by_hand(site: "Site", *, hostname: str, pid: int, jobs: int) -> None:
    """Starts an unmanaged worker with so many running jobs of workflow 1."""
    worker, node = RunnerApi(site.client.transport), WorkerResources(num_cpus=1, memory=GIB)
    node_id = await worker.register_node(
        1,
        hostname=hostname,
        pid=pid,
        started_at=datetime.now(UTC),
        resources=node,
        allocation=None,
    )
    for _ in range(jobs):
        (claimed,) = await worker.claim_jobs(1, node, limit=1)
        await worker.start_job(claimed.job.id, run_id=1, node_id=node_id)


def dead_pid() -> int:
    with subprocess.Popen(["true"]) as process:
        process.wait()
        return process.pid


async def test_job_of_a_worker_that_starts_after_the_poll_is_no_orphan(
    open_site: "OpenSite",
) -> None:
    """The poll found only a dead worker."""

    async def begin(request: httpx.Request, forward: "Forward") -> httpx.Response:
        if request.url.path.endswith("/resource_requirements"):
            site.line.fault = None
            await run_by_hand(site, hostname=HERE, pid=os.getpid(), jobs=1)
        return await forward(request)

    async with open_site() as site:
        await site.submit(["a", "b"], allocations=0)
        await run_by_hand(site, hostname=HERE, pid=dead_pid(), jobs=1)
        site.line.fault = begin

        ended = await site.watch(1, once=True)

        assert "Another process started workers" in ended.reason
        assert {method for _, method, _ in site.line.sent} == {"GET"}


async def test_watch_without_recovery_does_not_wait_for_idle_workers(open_site: "OpenSite") -> None:
    """Idle workers on other machines only matter before a new run."""
    async with open_site() as site:
        await site.submit(["a"], allocations=0)
        await run_by_hand(site, hostname="elsewhere", pid=1, jobs=0)

        ended = await site.watch(1, recovery=None)

        assert ended.verdict is Verdict.STUCK
        assert not site.seen(events.WorkersAwaited)
        assert anyio.current_time() <= intervals.LEAVING_GRACE / 2
