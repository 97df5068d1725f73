"""Workflows of Slurm are recovered into Slurm, played by the simulated scheduler."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.conftest import SimulatedScheduler
from torc_watch.core import events
from torc_watch.core.events import Verdict
from torc_watch.core.recovery_round import RecoverySettings
from torc_watch.core.scheduler_choice import SchedulerChoice

if TYPE_CHECKING:
    from tests.conftest import OpenSite, Site

pytestmark = pytest.mark.looptime


async def end_of_first_worker(site: "Site", *jobs: str) -> int:
    """A workflow whose only worker has died with these jobs."""
    site.scheduler.deaths = {1: "running"}
    workflow_id = await site.submit(jobs)
    await site.scheduler.rest()
    return workflow_id


async def types_and_rows(site: "Site", workflow_id: int) -> list[tuple[str, int]]:
    allocations = await site.client.list_allocations(workflow_id)
    return [(each.scheduler_type, each.scheduler_config_id) for each in allocations]


async def test_workflow_of_slurm_is_recovered_under_its_own_row(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await end_of_first_worker(site, "a", "b")
        ended = await site.watch(workflow_id)
        assert ended.verdict is Verdict.SUCCEEDED
        assert await types_and_rows(site, workflow_id) == [("slurm", 1), ("slurm", 1)]
        spec = site.scheduler.requests[-1].spec
        assert spec.options == ("--account=a", "--cpus-per-task=10")
        assert (spec.num_cpus, spec.num_nodes) == (10, 1)


@pytest.mark.parametrize("has_row", [True, False])
async def test_workflow_of_slurm_never_runs_on_the_machine_of_its_watch(
    open_site: "OpenSite", *, has_row: bool
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await site.submit(["a"], allocations=0)
        if has_row:
            await site.create_row(workflow_id)
        else:
            await site.client.create_allocation(
                workflow_id,
                scheduler_id=99,
                scheduler_config_id=7,
                scheduler_type="slurm",
                status="canceled",
            )
        here = SimulatedScheduler(site.client)
        ended = await site.watch(workflow_id, here)
        assert (ended.verdict, here.requests) == (Verdict.HANDED_OVER, [])
        assert "--scheduler local" in ended.reason


async def test_workflow_of_slurm_runs_here_if_its_user_says_so(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await end_of_first_worker(site, "a")
        for allocation in await site.client.list_allocations(workflow_id):
            await site.client.set_allocation_status(allocation, "complete")
        here = SimulatedScheduler(site.client, allocations_before=1)
        settings = RecoverySettings(scheduler=SchedulerChoice.LOCAL)
        ended = await site.watch(workflow_id, here, recovery=settings)
        await here.close()
        assert (ended.verdict, len(here.requests)) == (Verdict.SUCCEEDED, 1)
        assert (await types_and_rows(site, workflow_id))[-1] == ("local", 1)


async def test_jobs_that_are_tied_to_rows_get_allocations_under_theirs(
    open_site: "OpenSite",
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await end_of_first_worker(site, "a", "b", "c")
        other = await site.create_row(workflow_id, partition="gpu", mem="2g")
        await site.create_row(workflow_id, partition="unused")
        (node,) = site.scheduler.nodes
        site.scheduler.nodes = (
            replace(node, partition="std"),
            replace(node, partition="gpu", is_default=False),
        )
        for job in await site.client.list_jobs(workflow_id):
            row = {"a": 1, "b": other}.get(job.name)
            body = {"workflow_id": workflow_id, "name": job.name, "command": job.command}
            if row:
                await site.client.transport.put(
                    f"/jobs/{job.id}", body=body | {"scheduler_id": row}
                )
        ended = await site.watch(workflow_id)
        assert ended.verdict is Verdict.SUCCEEDED
        (planned,) = site.seen(events.RecoveryPlanned)
        specs = planned.plan.allocations
        assert [spec.scheduler_config_id for spec in specs] == [1, other]
        assert await types_and_rows(site, workflow_id) == [
            ("slurm", 1),
            ("slurm", 1),
            ("slurm", other),
        ]
