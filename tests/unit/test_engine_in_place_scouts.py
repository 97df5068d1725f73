"""Of a kind that fails while others run, one job goes first, and those that wait request more."""

from typing import TYPE_CHECKING

import anyio
import pytest

from tests.rigs.driven_worker import Worker, start_worker, watched_with_worker
from torc_watch.core import events
from torc_watch.core.allocation import NodeClass
from torc_watch.core.errors import SchedulerUnreachable
from torc_watch.core.model import JobStatus
from torc_watch.core.units import GIB, MIB
from torc_watch.torc.requests import NewRequirements

if TYPE_CHECKING:
    from tests.conftest import OpenSite, Site

pytestmark = pytest.mark.looptime

KIND = [f"a{number}" for number in range(6)]


async def fail_all(worker: Worker, *, seconds: float = 10.0) -> None:
    for name in KIND:
        await worker.fail(name, seconds=seconds)


def retried(site: "Site") -> list[set[str]]:
    """By plan."""
    return [
        {each.job_name for each in event.plan.retries}
        for event in site.seen(events.RecoveryPlanned)
    ]


async def test_jobs_wait_for_their_scout_and_follow_when_it_completes(
    open_site: "OpenSite",
) -> None:
    async with watched_with_worker(open_site, ["other", *KIND]) as (site, workflow_id, worker):
        await fail_all(worker, seconds=1000)
        await anyio.sleep(5)
        assert retried(site) == [{"a3"}]
        assert await worker.claim() == ["a3"]
        await anyio.sleep(300)
        assert retried(site) == [{"a3"}]
        await worker.end("a3", JobStatus.COMPLETED, peak=150 * MIB)
        await anyio.sleep(65)  # no event tells of it
        assert retried(site) == [{"a3"}, set(KIND) - {"a3"}]
        memory = {name: row.memory for name, row in (await site.requirements(workflow_id)).items()}
        assert {memory[name] for name in set(KIND) - {"a3"}} == {180 * MIB}


@pytest.mark.parametrize("code", [137, 3])
async def test_jobs_do_not_wait_for_a_scout_that_failed(open_site: "OpenSite", code: int) -> None:
    async with watched_with_worker(open_site, ["other", *KIND]) as (site, _, worker):
        await fail_all(worker)
        await anyio.sleep(5)
        await worker.claim()
        await worker.fail("a3", code=code)
        await anyio.sleep(5)
        assert retried(site)[1] >= set(KIND) - {"a3"}


async def test_jobs_do_not_wait_for_a_scout_that_is_late(open_site: "OpenSite") -> None:
    """It runs for more than twice as long as they did until they were killed."""
    async with watched_with_worker(open_site, ["other", *KIND]) as (site, _, worker):
        await fail_all(worker, seconds=200)
        await anyio.sleep(5)
        await worker.claim()
        await anyio.sleep(330)
        assert retried(site) == [{"a3"}]
        await anyio.sleep(200)
        assert retried(site) == [{"a3"}, set(KIND) - {"a3"}]


@pytest.mark.parametrize("is_deleted", [True, False])
async def test_another_goes_first_after_a_user_canceled_or_deleted_the_scout(
    open_site: "OpenSite", *, is_deleted: bool
) -> None:
    async with watched_with_worker(open_site, ["other", *KIND]) as (site, _, worker):
        await fail_all(worker)
        await anyio.sleep(5)
        if is_deleted:
            await site.client.transport.delete(f"/jobs/{worker.jobs['a3'].job.id}")
        else:
            await worker.claim()
            await worker.end("a3", JobStatus.CANCELED)
        await anyio.sleep(65)
        assert retried(site) == [{"a3"}, {"a2"}]


async def test_new_watch_knows_the_scout_that_runs(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await site.submit(["other", *KIND], allocations=0)
        worker = await start_worker(site, workflow_id)
        await worker.claim()
        for name in KIND:
            await worker.fail(name, seconds=1000)
        with anyio.move_on_after(50):
            await site.watch(workflow_id)
        await worker.claim()
        with anyio.move_on_after(300):
            await site.watch(workflow_id)
        assert retried(site) == [{"a3"}]


async def test_waiting_jobs_of_the_kind_are_raised_before_they_start(
    open_site: "OpenSite",
) -> None:
    after = {f"b{number}": "other" for number in range(5)}
    async with watched_with_worker(open_site, ["other", "b8", "b9"], after=after) as opened:
        site, workflow_id, worker = opened
        await worker.fail("b8")
        await worker.end("b9", JobStatus.COMPLETED, peak=50 * MIB)
        await anyio.sleep(65)
        memory = {
            name: row.memory or 0 for name, row in (await site.requirements(workflow_id)).items()
        }
        assert all(memory[name] > 64 * MIB for name in after)
        assert memory["other"] == 64 * MIB
        (planned,) = site.seen(events.RecoveryPlanned)
        assert {each.job_name for each in planned.plan.raises} == set(after)


async def test_peers_of_a_kind_that_fails_later_count(open_site: "OpenSite") -> None:
    """Those of another kind were read when as many jobs had completed."""
    async with watched_with_worker(open_site, ["other", "b8", "a1", "a2"]) as opened:
        site, workflow_id, worker = opened
        await worker.end("a2", JobStatus.COMPLETED, peak=150 * MIB)
        await worker.fail("b8")
        await anyio.sleep(5)
        await worker.fail("a1")
        await anyio.sleep(5)
        memory = {name: row.memory for name, row in (await site.requirements(workflow_id)).items()}
        assert (memory["b8"], memory["a1"]) == (120 * MIB, 180 * MIB)


async def test_jobs_are_looked_at_again_after_their_plan_met_an_error(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watched_with_worker(open_site, ["other", "a"]) as (site, _, worker):
        classes, errors = site.scheduler.node_classes, [SchedulerUnreachable("scontrol is ill")]

        async def node_classes() -> tuple[NodeClass, ...]:
            if errors:
                raise errors.pop()
            return await classes()

        monkeypatch.setattr(site.scheduler, "node_classes", node_classes)
        await worker.fail("a")
        await anyio.sleep(70)
        assert retried(site) == [{"a"}]


async def test_request_that_a_user_changes_while_the_job_waits_counts(
    open_site: "OpenSite",
) -> None:
    async with watched_with_worker(open_site, ["other", *KIND]) as (site, workflow_id, worker):
        await fail_all(worker, seconds=1000)
        await anyio.sleep(5)
        new = NewRequirements(name="larger", memory=GIB, runtime=60)
        row = await site.client.create_requirements(workflow_id, new)
        job = await site.client.get_job(worker.jobs["a0"].job.id)
        await site.client.assign_requirements(workflow_id, job, row)
        await worker.claim()
        await worker.end("a3", JobStatus.COMPLETED, peak=150 * MIB)
        await anyio.sleep(65)
        memory = {name: row.memory for name, row in (await site.requirements(workflow_id)).items()}
        assert (memory["a0"], memory["a1"]) == (GIB, 180 * MIB)
