"""What others do to a workflow, and what its user wants, counts more than retries in place."""

from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from tests.rigs.driven_worker import rounds, start_worker, statuses, watched_with_worker
from torc_watch.core import events
from torc_watch.core.allocation import AllocationState, AllocationStatus, EndCause
from torc_watch.core.model import JobStatus
from torc_watch.core.recovery_round import ApprovalLimits, RecoverySettings, RoundOutcome

if TYPE_CHECKING:
    from tests.conftest import Forward, OpenSite, Site

pytestmark = pytest.mark.looptime


def changes(site: "Site") -> list[tuple[str, str]]:
    """Of jobs, in order: the method and the end of the path."""
    return [
        (method, path.removeprefix("/jobs/"))
        for _, method, path in site.line.sent
        if method != "GET" and path.startswith("/jobs/")
    ]


@pytest.mark.parametrize(
    "settings",
    [
        RecoverySettings(in_place=False),
        RecoverySettings(max_retries=0),
        RecoverySettings(approval=ApprovalLimits(jobs=1000)),
        None,
    ],
)
async def test_no_retry_where_the_user_wants_none(
    open_site: "OpenSite", settings: RecoverySettings | None
) -> None:
    async with watched_with_worker(open_site, ["other", "a"], recovery=settings) as opened:
        site, workflow_id, worker = opened
        await worker.fail("a")
        await anyio.sleep(600)
        assert (await statuses(site, workflow_id))["a"] == ("failed", 1)
        told = [each.reason for each in site.seen(events.InPlaceOff)]
        has_limits = settings is not None and settings.approval.jobs
        assert told == (["plans wait for approval"] if has_limits else [])


async def test_job_that_a_user_resets_meanwhile_is_the_users(open_site: "OpenSite") -> None:
    async with watched_with_worker(open_site, ["other", "a", "b"]) as opened:
        site, workflow_id, worker = opened
        a = worker.jobs["a"].job.id

        async def reset(request: httpx.Request, forward: "Forward") -> httpx.Response:
            if request.method == "POST":  # the first change: the new row
                site.line.fault = None
                await site.client.set_job_status(a, JobStatus.READY, 1)
            return await forward(request)

        site.line.fault = reset
        await worker.fail("a")
        await worker.fail("b")
        await anyio.sleep(5)
        found = await statuses(site, workflow_id)
        assert found == {"other": ("running", 1), "a": ("ready", 1), "b": ("ready", 2)}
        assert [each for each in changes(site) if each[1].startswith(f"{a}/")] == []


async def test_job_that_a_worker_took_again_meanwhile_is_not_taken_from_it(
    open_site: "OpenSite",
) -> None:
    """A user resets it after it was read for the last time: then its attempt is another."""
    async with watched_with_worker(open_site, ["other", "a"]) as (site, workflow_id, worker):
        a = worker.jobs["a"].job.id

        async def retry(request: httpx.Request, forward: "Forward") -> httpx.Response:
            if "/retry/" in request.url.path:
                site.line.fault = None
                await site.client.retry_job(a, run_id=1, attempt=1)
                assert await worker.claim() == ["a"]
            return await forward(request)

        site.line.fault = retry
        await worker.fail("a")
        await anyio.sleep(5)
        assert (await statuses(site, workflow_id))["a"] == ("running", 2)
        assert [each.outcome for each in rounds(site, workflow_id)] == [RoundOutcome.CONTINUED]


async def test_run_of_another_program_ends_the_round(open_site: "OpenSite") -> None:
    async with watched_with_worker(open_site, ["other", "a"]) as (site, workflow_id, worker):

        async def bump(request: httpx.Request, forward: "Forward") -> httpx.Response:
            if request.method == "POST":
                site.line.fault = None
                path = f"/workflows/{workflow_id}/reset_status"
                await site.client.transport.post(path, force="true")
            return await forward(request)

        site.line.fault = bump
        await worker.fail("a")
        await anyio.sleep(5)
        assert [each.outcome for each in rounds(site, workflow_id)] == [RoundOutcome.ABANDONED]
        assert (await statuses(site, workflow_id))["a"] == ("failed", 1)
        (abandoned,) = site.seen(events.RecoveryAbandoned)
        assert "is in run 2" in abandoned.reason


async def test_job_of_an_allocation_that_a_user_canceled_waits(open_site: "OpenSite") -> None:
    async with watched_with_worker(open_site, ["other", "a"]) as (site, workflow_id, worker):
        second = await start_worker(site, workflow_id, 98)
        second.jobs = {"a": worker.jobs["a"]}
        site.scheduler.ends[98] = AllocationStatus(
            state=AllocationState.GONE, cause=EndCause.CANCELED, canceled_by="ada"
        )
        site.scheduler.known_states[98] = AllocationState.GONE
        await second.end("a", JobStatus.TERMINATED, 143)
        await anyio.sleep(600)
        assert (await statuses(site, workflow_id))["a"] == ("terminated", 1)


async def test_job_whose_end_an_action_counts_waits(open_site: "OpenSite") -> None:
    """The server would count its failure and its next end, and run the action too early."""
    async with open_site(scheduler_type="slurm") as site, anyio.create_task_group() as tasks:
        workflow_id = await site.submit(["other", "a", "b"], allocations=0)
        ids = {job.name: job.id for job in await site.client.list_jobs(workflow_id)}
        action = {"workflow_id": workflow_id, "trigger_type": "on_jobs_complete"}
        action |= {"action_type": "run_commands", "action_config": {"commands": ["true"]}}
        action |= {"job_ids": [ids["other"], ids["a"]]}
        await site.client.transport.post(f"/workflows/{workflow_id}/actions", body=action)
        worker = await start_worker(site, workflow_id)
        await worker.claim()
        tasks.start_soon(site.watch, workflow_id)
        await anyio.sleep(5)
        await worker.fail("a")
        await worker.fail("b")
        await anyio.sleep(100)
        found = await statuses(site, workflow_id)
        assert (found["a"], found["b"]) == (("failed", 1), ("ready", 2))
        tasks.cancel_scope.cancel()


async def test_job_whose_dependent_ran_all_the_same_waits(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site, anyio.create_task_group() as tasks:
        workflow_id = await site.submit(
            ["other", "a", "c"], after={"c": "a"}, uncanceled=["c"], allocations=0
        )
        worker = await start_worker(site, workflow_id)
        await worker.claim()
        await worker.fail("a")
        await anyio.sleep(40)
        assert (await statuses(site, workflow_id))["c"] == ("ready", 1)
        tasks.start_soon(site.watch, workflow_id)
        await anyio.sleep(100)
        assert (await statuses(site, workflow_id))["a"] == ("failed", 1)
        tasks.cancel_scope.cancel()
