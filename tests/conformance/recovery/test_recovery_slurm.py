"""Workflows of Slurm are recovered into Slurm, played by the simulated scheduler."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.conftest import SimulatedScheduler
from torc_watch.core import events
from torc_watch.core.events import Verdict
from torc_watch.core.model import JobStatus
from torc_watch.core.recovery_round import RecoverySettings
from torc_watch.core.scheduler_choice import SchedulerChoice
from torc_watch.core.units import GIB
from torc_watch.torc.requests import NewResult
from torc_watch.torc.runner_api import RunnerApi, WorkerResources

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


async def test_partition_and_walltime_of_the_user_replace_those_of_the_row(
    open_site: "OpenSite",
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await end_of_first_worker(site, "a")
        (node,) = site.scheduler.nodes
        site.scheduler.nodes = (node, replace(node, partition="short", is_default=False))
        settings = RecoverySettings(partition="short", walltime=1800)
        ended = await site.watch(workflow_id, recovery=settings)
        assert ended.verdict is Verdict.SUCCEEDED
        spec = site.scheduler.requests[-1].spec
        assert (spec.options[-1], spec.runtime) == ("--partition=short", 1800)


async def test_partition_that_is_none_of_the_cluster_hands_over(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await end_of_first_worker(site, "a")
        ended = await site.watch(workflow_id, recovery=RecoverySettings(partition="shrot"))
        assert ended.verdict is Verdict.HANDED_OVER
        assert "wants partition shrot, which has none" in ended.evidence[0].reason


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


async def add_action(site: "Site", workflow_id: int, trigger: str, *names: str, **more: Any) -> int:
    """An action by which a worker submits one allocation; its id."""
    jobs = {job.name: job.id for job in await site.client.list_jobs(workflow_id)}
    config = {"scheduler_type": "slurm", "scheduler_id": 1, "num_allocations": 1}
    body = {"workflow_id": workflow_id, "trigger_type": trigger, "action_type": "schedule_nodes"}
    body |= {"action_config": config, "trigger_count": 0, "required_triggers": 1}
    body |= {"executed": False, "persistent": False, "is_recovery": False}
    if names:
        body["job_ids"] = [jobs[name] for name in names]
    path = f"/workflows/{workflow_id}/actions"
    return int((await site.client.transport.post(path, body=body | more))["id"])


async def executed(site: "Site", workflow_id: int) -> set[int]:
    rows = await site.client.transport.get(f"/workflows/{workflow_id}/actions")
    return {row["id"] for row in rows if row["executed"]}


async def test_actions_that_are_due_are_claimed_and_later_ones_left_to_the_workers(
    open_site: "OpenSite",
) -> None:
    """Otherwise the first worker would submit once more what the round has submitted."""
    async with open_site(scheduler_type="slurm") as site:
        site.scheduler.deaths = {1: "running"}
        workflow_id = await site.submit(["a", "b", "later"], after={"later": "a"})
        await site.scheduler.rest()
        due = {
            await add_action(site, workflow_id, "on_workflow_start"),
            await add_action(site, workflow_id, "on_worker_start"),
            await add_action(site, workflow_id, "on_jobs_ready", "a", "b"),
        }
        await add_action(site, workflow_id, "on_jobs_ready", "later")
        await add_action(site, workflow_id, "on_jobs_ready", "a", "later")
        await add_action(site, workflow_id, "on_worker_complete")
        await add_action(site, workflow_id, "on_workflow_start", persistent=True)
        commands = {"commands": ["true"]}
        await add_action(
            site,
            workflow_id,
            "on_workflow_start",
            action_type="run_commands",
            action_config=commands,
        )
        ended = await site.watch(workflow_id)
        assert ended.verdict is Verdict.SUCCEEDED
        assert await executed(site, workflow_id) == due
        (claimed,) = site.seen(events.ActionsClaimed)
        assert claimed.actions == 3


async def test_executed_action_whose_allocation_was_never_submitted_strands_no_jobs(
    open_site: "OpenSite",
) -> None:
    """Torc claims an action before sbatch, and does not give it back when that fails."""
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await site.submit(["a"], allocations=0)
        await site.create_row(workflow_id)
        action = await add_action(site, workflow_id, "on_jobs_ready", "a")
        path = f"/workflows/{workflow_id}/actions/{action}/claim"
        await site.client.transport.post(path, body={})
        ended = await site.watch(workflow_id)
        assert (ended.verdict, len(site.scheduler.requests)) == (Verdict.SUCCEEDED, 1)


async def run_first_job_by_hand(site: "Site", workflow_id: int) -> None:
    """As a worker does that leaves at once."""
    worker, node = RunnerApi(site.client.transport), WorkerResources(num_cpus=1, memory=GIB)
    node_id = await worker.register_node(
        workflow_id,
        hostname="n1",
        pid=1,
        started_at=datetime.now(UTC),
        resources=node,
        allocation=None,
    )
    (claimed,) = await worker.claim_jobs(workflow_id, node, limit=1)
    await worker.start_job(claimed.job.id, run_id=1, node_id=node_id)
    result = NewResult(
        workflow_id=workflow_id,
        run_id=1,
        attempt=1,
        compute_node_id=node_id,
        status=JobStatus.COMPLETED,
        return_code=0,
        exec_seconds=1,
        completed_at=datetime.now(UTC),
    )
    await site.client.complete_job(claimed.job.id, result)
    await site.client.end_compute_node(workflow_id, node_id)


@pytest.mark.parametrize("waits", [0, 60])
async def test_allocation_that_a_leaving_worker_canceled_is_submitted_again(
    open_site: "OpenSite", waits: float
) -> None:
    """Torc's runner cancels queued allocations when no job is ready, also if some are blocked.

    Without a wait, the server may have yet to unblock the job that is left.
    """
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await site.submit(["a", "later"], after={"later": "a"}, allocations=0)
        await site.client.create_allocation(
            workflow_id,
            scheduler_id=99,
            scheduler_config_id=await site.create_row(workflow_id),
            scheduler_type="slurm",
            status="canceled",
        )
        await run_first_job_by_hand(site, workflow_id)
        await anyio.sleep(waits)
        ended = await site.watch(workflow_id, poll_interval=10)
        assert ended.verdict is Verdict.SUCCEEDED
        (planned,) = site.seen(events.RecoveryPlanned)
        assert (planned.plan.retries, len(planned.plan.allocations)) == ((), 1)
        assert await types_and_rows(site, workflow_id) == [("slurm", 1)] * 2
        assert (await site.client.get_workflow(workflow_id)).run_id == 1
