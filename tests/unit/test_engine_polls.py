"""When the engine polls a workflow, and how many requests a poll needs."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import anyio
import pytest

from torc_watch.core.allocation import AllocationState
from torc_watch.core.events import Verdict
from torc_watch.core.model import JobStatus
from torc_watch.core.units import MIB
from torc_watch.torc.requests import NewResult
from torc_watch.torc.runner_api import RunnerApi, WorkerResources

if TYPE_CHECKING:
    from tests.conftest import OpenSite, Site

pytestmark = pytest.mark.looptime

OOM = (137, 64 * MIB, 10.0)


async def test_polls_keep_their_interval(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"train": [(0, None, 600.0)]}
        workflow_id = await site.submit(["train"])

        await site.watch(workflow_id, poll_interval=50)

        polls = times_of_polls(site)
        gaps = [later - earlier for earlier, later in pairwise(polls)]
        before_the_end = [gap for gap, poll in zip(gaps, polls[1:], strict=True) if poll < 600]
        assert len(before_the_end) >= 11
        assert all(45 <= gap <= 50 for gap in before_the_end)


async def test_poll_of_a_workflow_with_workers_sends_two_requests(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"train": [(0, None, 600.0)]}
        await site.watch(await site.submit(["train"]), poll_interval=50)

        asked = [(method, path) for time, method, path in site.line.sent if 100 < time < 550]
    polls = len(asked) // 2
    assert polls >= 8
    assert asked == [("GET", "/workflows/1"), ("GET", "/scheduled_compute_nodes")] * polls


async def test_poll_of_a_workflow_in_slurm_counts_its_jobs_once(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site:
        site.scheduler.endings = {"train": [(0, None, 600.0)]}
        site.scheduler.beginnings = {1: datetime.now(UTC)}
        workflow_id = await site.submit(["train"])
        site.scheduler.known_states[99] = AllocationState.ALIVE  # queued
        await site.client.create_allocation(
            workflow_id, scheduler_id=99, scheduler_config_id=1, scheduler_type="slurm"
        )
        with anyio.move_on_after(550):
            await site.watch(workflow_id, poll_interval=50)

        asked = [path for time, _, path in site.line.sent if time > 300]
    assert len(asked) >= 12
    assert asked[:3] * (len(asked) // 3) == asked
    assert asked[:3] == ["/workflows/1", "/scheduled_compute_nodes", "/workflows/1/status"]


async def test_worker_that_ends_triggers_a_poll(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"train": [(0, None, 600.0)]}
        workflow_id = await site.submit(["train"])

        await site.watch(workflow_id, poll_interval=400)

        assert any(poll == pytest.approx(600, abs=1) for poll in times_of_polls(site))


async def test_end_is_seen_soon_though_a_worker_closes_its_allocation_late(
    open_site: "OpenSite",
) -> None:
    async with open_site() as site:
        site.scheduler.endings = {"train": [(0, None, 600.0)]}
        site.scheduler.seconds_to_close = 1.0
        workflow_id = await site.submit(["train"])

        await site.watch(workflow_id, poll_interval=400)

        assert max(times_of_polls(site)) == pytest.approx(602, abs=1)


async def test_workflow_is_not_polled_during_recovery(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"train": [OOM]}
        workflow_id = await site.submit(["train"])
        site.scheduler.seconds_to_submit[workflow_id] = 1000.0

        ended = await site.watch(workflow_id, poll_interval=1)

        assert ended.verdict is Verdict.SUCCEEDED
        polls = times_of_polls(site)
        gaps = [later - earlier for earlier, later in pairwise(polls)]
        assert sum(gap >= 1000 for gap in gaps) == 1


def times_of_polls(site: "Site") -> list[float]:
    """Polls and submissions request the list of allocations."""
    return [time for time, _, path in site.line.sent if path == "/scheduled_compute_nodes"]


async def test_number_of_requests_does_not_depend_on_completed_jobs(
    open_site: "OpenSite",
) -> None:
    """In polls and rounds, only failed jobs need further requests."""
    numbers = []
    for jobs in (10, 1000):
        async with open_site(str(jobs)) as site:
            workflow_id = await site.submit([f"j{number}" for number in range(jobs)], allocations=0)
            await end_all(site, workflow_id, failed=5)
            await site.watch(workflow_id)
            numbers.append(len(site.line.sent))
    assert numbers[0] == numbers[1] < 120


async def end_all(site: "Site", workflow_id: int, *, failed: int) -> None:
    """Ends every job: the first ``failed`` jobs ran out of memory, the others completed."""
    node_id = await RunnerApi(site.client.transport).register_node(
        workflow_id,
        hostname="n1",
        pid=1,
        started_at=datetime.now(UTC),
        resources=WorkerResources(num_cpus=1, memory=MIB),
        allocation=None,
    )
    completions = []
    for place, job in enumerate(await site.client.list_jobs(workflow_id)):
        status = JobStatus.FAILED if place < failed else JobStatus.COMPLETED
        result = NewResult(
            workflow_id=workflow_id,
            run_id=1,
            attempt=1,
            compute_node_id=node_id,
            status=status,
            return_code=137 if place < failed else 0,
            exec_seconds=1,
            completed_at=datetime.now(UTC),
            peak_memory=64 * MIB,
        )
        completions.append(
            {"job_id": job.id, "run_id": 1, "status": status, "result": result.body(job.id)}
        )
    await site.client.transport.post(
        f"/workflows/{workflow_id}/batch_complete_jobs", body={"completions": completions}
    )
    await site.client.end_compute_node(workflow_id, node_id)
