"""Jobs that a worker has claimed and does not start, while it lives."""

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest

from torc_watch.core import events, intervals
from torc_watch.core.allocation import AllocationState, AllocationStatus, EndCause
from torc_watch.core.events import Verdict
from torc_watch.core.model import JobStatus
from torc_watch.core.recovery_round import RoundOutcome
from torc_watch.core.units import GIB
from torc_watch.daemon.watch_history import watches_of
from torc_watch.torc.requests import NewJob, NewRequirements

if TYPE_CHECKING:
    from tests.conftest import Death, OpenSite, Site

pytestmark = pytest.mark.looptime


QUEUED = 99  # the number of an allocation that waits for its turn


async def submit(
    site: "Site", death: "Death", monkeypatch: pytest.MonkeyPatch, *, seconds_to_end: float = 30
) -> int:
    """A workflow whose first worker claims its jobs, and then does nothing but live."""
    site.scheduler.deaths, site.scheduler.state_after_death = {1: death}, AllocationState.ALIVE
    site.scheduler.beginnings = {1: datetime.now(UTC)}
    monkeypatch.setattr(
        site.scheduler, "cancel", lambda number: cancel(site, number, seconds_to_end)
    )
    workflow_id = await site.submit(["a", "b"])
    await site.scheduler.rest()
    return workflow_id


async def add_queued(site: "Site", workflow_id: int) -> None:
    site.scheduler.known_states[QUEUED] = AllocationState.ALIVE
    (row,) = await site.client.list_scheduler_configs(workflow_id, "slurm")
    await site.client.create_allocation(
        workflow_id, scheduler_id=QUEUED, scheduler_config_id=row.id, scheduler_type="slurm"
    )


async def cancel(site: "Site", number: int, seconds: float = 0) -> None:
    """Takes a while, and looks as if the user had done it."""
    site.scheduler.canceled.append(number)
    end = partial(site.scheduler.known_states.update, {number: AllocationState.GONE})
    asyncio.get_running_loop().call_later(seconds, end)
    now = datetime.now(UTC)
    site.scheduler.ends[number] = AllocationStatus(
        state=AllocationState.GONE, cause=EndCause.CANCELED, canceled_by="ada", began=now, ended=now
    )


async def test_allocation_of_an_idle_worker_is_ended_for_the_jobs_it_claimed(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, "claimed", monkeypatch)

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED
        (stranded,) = site.seen(events.JobsStranded)
        assert (stranded.jobs, stranded.scheduler_ids) == (2, (1,))
        assert await site.results(workflow_id) == [("a", 1, 0), ("b", 1, 0)]
        (watch,) = watches_of(site.directory, workflow_id)
        assert [round_.outcome for round_ in watch.rounds] == [RoundOutcome.CONTINUED] * 2


async def test_cancellation_by_the_user_is_told_from_ours(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, "claimed", monkeypatch)
        await add_queued(site, workflow_id)

        async def cancel_queued() -> None:
            await anyio.sleep(intervals.STRANDED_GRACE / 2)
            await cancel(site, QUEUED)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancel_queued)
            ended = await site.watch(workflow_id)

        assert site.scheduler.canceled == [QUEUED, 1]
        assert ended.verdict is Verdict.HANDED_OVER
        assert f"Allocation {QUEUED} was canceled by ada" in ended.reason


async def test_allocations_are_submitted_while_the_idle_one_ends(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end is ours still, when another round is over."""
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, "claimed", monkeypatch, seconds_to_end=200)

        async def add_large_job() -> None:
            await anyio.sleep(100)
            large = NewRequirements(name="large", memory=2 * GIB, runtime=60)
            row = await site.client.create_requirements(workflow_id, large)
            new = NewJob(name="c", command="true", requirements_id=row)
            (job_id,) = await site.client.create_jobs(workflow_id, [new])
            await site.client.set_job_status(job_id, JobStatus.READY, 1)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(add_large_job)
            ended = await site.watch(workflow_id)

        assert site.seen(events.JobsUnserved)
        assert ended.verdict is Verdict.SUCCEEDED


async def test_end_by_us_is_known_after_a_crash(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, "claimed", monkeypatch)
        with anyio.move_on_after(intervals.STRANDED_GRACE + 70):
            await site.watch(workflow_id)
        assert site.scheduler.canceled == [1]

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED


async def test_worker_that_runs_a_job_is_left_alone(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, "half-way", monkeypatch)
        with anyio.move_on_after(3600):
            await site.watch(workflow_id)
        assert site.scheduler.canceled == []


async def test_worker_that_has_just_claimed_is_left_alone(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, "claimed", monkeypatch)
        with anyio.move_on_after(intervals.STRANDED_GRACE - 1):
            await site.watch(workflow_id, poll_interval=10)
        assert site.scheduler.canceled == []


async def test_claimed_jobs_do_not_wait_for_the_turn_of_a_queued_allocation(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, "claimed", monkeypatch)
        await add_queued(site, workflow_id)
        with anyio.move_on_after(86_400):
            await site.watch(workflow_id)
        assert site.scheduler.canceled[0] == 1
        jobs = await site.client.list_jobs(workflow_id)
        assert JobStatus.PENDING not in {job.status for job in jobs}
