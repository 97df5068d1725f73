"""Workers that die, allocations in an unknown state, and jobs without workers."""

from typing import TYPE_CHECKING

import pytest

from torc_watch.core import events
from torc_watch.core.events import Verdict
from torc_watch.core.model import JobStatus
from torc_watch.core.return_code import ORPHANED

if TYPE_CHECKING:
    from tests.conftest import OpenSite, Site

pytestmark = pytest.mark.looptime


async def test_jobs_of_a_dead_worker_run_again(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.deaths = {1: "running"}
        workflow_id = await site.submit(["a", "b"])

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED
        assert await site.results(workflow_id) == [
            (name, *end) for name in ("a", "b") for end in ((1, ORPHANED), (2, 0))
        ]
        assert {row.name for row in (await site.requirements(workflow_id)).values()} == {"small"}
        (found,) = site.seen(events.OrphansFound)
        assert len(found.orphans.running) == 2
        assert site.scheduler.canceled == [1]
        await assert_nothing_is_open(site, workflow_id)


async def test_claims_of_a_dead_worker_are_released(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.deaths = {1: "claimed"}
        workflow_id = await site.submit(["a", "b"])

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED
        assert await site.results(workflow_id) == [("a", 1, 0), ("b", 1, 0)]
        await assert_nothing_is_open(site, workflow_id)


@pytest.mark.parametrize("jobs", [["a"], ["a", "b"]])
async def test_job_of_a_worker_that_deregistered(open_site: "OpenSite", jobs: list[str]) -> None:
    """The worker deregistered, but its report of the last job was refused or lost."""
    async with open_site() as site:
        site.scheduler.deaths = {1: "unreported"}
        site.scheduler.endings = {"a": [(1, None, 10.0)]}
        workflow_id = await site.submit(jobs)

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED
        assert (jobs[-1], 1, ORPHANED) in await site.results(workflow_id)
        assert len(site.seen(events.RecoveryAttempted)) == 1


async def test_ready_jobs_without_an_allocation(open_site: "OpenSite") -> None:
    async with open_site() as site:
        workflow_id = await site.submit(["a", "b"], allocations=0)

        ended = await site.watch(workflow_id, poll_interval=5)

        assert ended.verdict is Verdict.SUCCEEDED
        (stalled,) = site.seen(events.WorkflowStalled)
        assert stalled.counts.of(JobStatus.READY) == 2
        assert await site.results(workflow_id) == [("a", 1, 0), ("b", 1, 0)]
        assert (await site.client.get_workflow(workflow_id)).run_id == 1


async def test_jobs_left_uninitialized(open_site: "OpenSite") -> None:
    """The user reset a job and their round ended there. It runs in a new run: in the old one it has
    a result, and the server would refuse the second."""
    async with open_site() as site:
        site.scheduler.endings = {"a": [(1, None, 10.0)]}
        workflow_id = await site.submit(["a", "b", "child"], after={"child": "a"})
        await site.scheduler.rest()
        await site.client.set_job_status(1, JobStatus.UNINITIALIZED, run_id=1)

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED
        assert await site.results(workflow_id) == [
            ("a", 1, 1),
            ("a", 2, 0),
            ("b", 1, 0),
            ("child", 2, 0),
        ]


@pytest.mark.parametrize("recovers", [True, False])
async def test_workflow_that_was_not_started(open_site: "OpenSite", *, recovers: bool) -> None:
    """Only the user starts a workflow as a whole."""
    async with open_site() as site:
        workflow_id = await site.submit(["a", "b"], allocations=0)
        await site.client.transport.post(f"/workflows/{workflow_id}/reset_job_status")
        changes = {} if recovers else {"recovery": None}

        ended = await site.watch(workflow_id, **changes)

        assert ended.verdict is Verdict.STUCK
        assert f"torc run {workflow_id}" in ended.reason
        assert {method for _, method, _ in site.line.sent} == {"GET"}


async def test_jobs_that_the_server_is_about_to_unblock(open_site: "OpenSite") -> None:
    """The last worker leaves before the server has canceled the dependents of a failure."""
    async with open_site() as site:
        site.scheduler.idle_limit = 0
        site.scheduler.endings = {"parent": [(1, None, 10.0)]}
        workflow_id = await site.submit(["parent", "child"], after={"child": "parent"})

        await site.watch(workflow_id, recovery=None, poll_interval=5)

        assert not site.seen(events.WorkflowStalled)
        (failed,) = site.seen(events.WorkflowFailed)
        assert failed.counts.of(JobStatus.CANCELED) == 1


async def assert_nothing_is_open(site: "Site", workflow_id: int) -> None:
    nodes = await site.client.list_compute_nodes(workflow_id)
    allocations = await site.client.list_allocations(workflow_id)
    assert all(node.has_ended for node in nodes)
    assert {allocation.status for allocation in allocations} == {"complete"}


@pytest.mark.parametrize(
    "changes",
    [
        {"child": JobStatus.BLOCKED},
        {"a": JobStatus.RUNNING, "child": JobStatus.BLOCKED},
    ],
)
async def test_unfinished_recovery_in_place(
    open_site: "OpenSite", changes: dict[str, JobStatus]
) -> None:
    """One that was prepared by hand: a job may be running that has a result."""
    async with open_site() as site:
        site.scheduler.endings = {"a": [(1, None, 10.0)]}
        workflow_id = await site.submit(["a", "b", "child"], after={"child": "a"})
        await site.scheduler.rest()
        for job in await site.client.list_jobs(workflow_id):
            if job.name in changes:
                await site.client.set_job_status(job.id, changes[job.name], run_id=1)

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED
        assert not site.seen(events.PollFailed)
        assert await site.results(workflow_id) == [
            ("a", 1, 1),
            ("a", 2, 0),
            ("b", 1, 0),
            ("child", 2, 0),
        ]
