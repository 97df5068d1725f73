"""Queued allocations that no job of their workflow needs any more."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio
import pytest

from torc_watch.core import events
from torc_watch.core.allocation import AllocationState
from torc_watch.core.errors import SchedulerUnreachable
from torc_watch.core.events import Verdict
from torc_watch.core.recovery_round import RecoverySettings

if TYPE_CHECKING:
    from tests.conftest import OpenSite, Site

pytestmark = pytest.mark.looptime
QUEUED = 99  # the number of an allocation that waits for its turn


async def submit(site: "Site", *jobs: str, **more: object) -> int:
    """A workflow with one allocation that runs, and one that is queued."""
    site.scheduler.known_states[QUEUED] = AllocationState.ALIVE
    site.scheduler.beginnings[1] = datetime.now(UTC)
    workflow_id = await site.submit(jobs, **more)  # type: ignore[arg-type]
    (row,) = await site.client.list_scheduler_configs(workflow_id, "slurm")
    await site.client.create_allocation(
        workflow_id, scheduler_id=QUEUED, scheduler_config_id=row.id, scheduler_type="slurm"
    )
    return workflow_id


async def test_workflow_that_is_done_does_not_wait_in_a_queue(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_site(scheduler_type="slurm") as site:

        async def cancel(number: int) -> None:
            site.scheduler.canceled.append(number)
            if len(site.scheduler.canceled) == 1:
                raise SchedulerUnreachable("Socket timed out")
            site.scheduler.known_states[number] = AllocationState.GONE

        monkeypatch.setattr(site.scheduler, "cancel", cancel)
        workflow_id = await submit(site, "a", "b")

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED
        assert site.scheduler.canceled == [QUEUED, QUEUED]
        told = site.seen(events.AllocationsUnneeded)
        assert [each.scheduler_ids for each in told] == [(QUEUED,), (QUEUED,)]
        statuses = [each.status for each in await site.client.list_allocations(workflow_id)]
        assert statuses == ["complete", "canceled"]


async def test_row_stays_open_of_an_allocation_that_began_meanwhile(
    open_site: "OpenSite",
) -> None:
    """Its worker may have a job, and takes a while to end."""
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, "a")
        with anyio.move_on_after(1000):
            await site.watch(workflow_id)
        assert site.scheduler.canceled == [QUEUED]
        assert [each.is_open for each in await site.client.list_allocations(workflow_id)] == [
            False,
            True,
        ]


@pytest.mark.parametrize("settings", [None, RecoverySettings(auto_schedule=False)])
async def test_nothing_is_canceled_where_the_user_submits(
    open_site: "OpenSite", settings: RecoverySettings | None
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, "a")
        with anyio.move_on_after(3600):
            await site.watch(workflow_id, recovery=settings)
        assert site.scheduler.canceled == []


async def test_blocked_jobs_need_what_is_queued(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site:
        site.scheduler.endings = {"first": [(0, None, 3000.0)]}
        workflow_id = await submit(site, "first", "second", after={"second": "first"})
        with anyio.move_on_after(2500):
            await site.watch(workflow_id)
        assert site.scheduler.canceled == []


@pytest.mark.parametrize("says_so", ["slurm", "server"])
async def test_allocation_that_has_begun_is_left_alone(open_site: "OpenSite", says_so: str) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, "a")
        if says_so == "slurm":
            site.scheduler.beginnings[QUEUED] = datetime.now(UTC)
        else:
            queued = (await site.client.list_allocations(workflow_id))[-1]
            await site.client.set_allocation_status(queued, "active")
        with anyio.move_on_after(3600):
            await site.watch(workflow_id)
        assert site.scheduler.canceled == []
