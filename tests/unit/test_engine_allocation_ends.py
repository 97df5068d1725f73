"""What the end of an allocation means for the jobs that it took along, from poll to recovery."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import anyio
import pytest

from tests.rigs.offline_journals import keep_results
from torc_watch.core import events, intervals
from torc_watch.core.allocation import AllocationState, AllocationStatus, EndCause, StepEnd
from torc_watch.core.cause import Cause
from torc_watch.core.events import Verdict
from torc_watch.core.model import JobStatus
from torc_watch.core.recovery_round import Plan, Step
from torc_watch.core.return_code import ORPHANED
from torc_watch.core.units import MIB
from torc_watch.core.workflow_key import WorkflowIdentity
from torc_watch.engine.allocation_submission import cancel_planned
from torc_watch.engine.failure_search import FailureSearch
from torc_watch.engine.workers import OrphanRelease, observe
from torc_watch.torc.requests import NewResult

if TYPE_CHECKING:
    from tests.conftest import OpenSite, Site

pytestmark = pytest.mark.looptime
CANCELED, TIME_LIMIT = EndCause.CANCELED, EndCause.TIME_LIMIT


def gone(cause: EndCause, *, after: float = 30, by: str | None = None) -> AllocationStatus:
    """The end of an allocation that began now. Its jobs, which ask for 60 s, started at once."""
    now = datetime.now(UTC)
    return AllocationStatus(
        state=AllocationState.GONE,
        cause=cause,
        canceled_by=by,
        began=now,
        ended=now + timedelta(seconds=after),
    )


async def submit(site: "Site", end: AllocationStatus, *jobs: str) -> int:
    """A workflow whose one allocation ended so while it ran these jobs."""
    site.scheduler.deaths, site.scheduler.ends = {1: "running"}, {1: end}
    workflow_id = await site.submit(jobs)
    await site.scheduler.rest()
    return workflow_id


def plan_of(site: "Site") -> Plan:
    (planned,) = site.seen(events.RecoveryPlanned)
    return planned.plan


async def requests_of(site: "Site", workflow_id: int) -> dict[str, tuple[int | None, int | None]]:
    rows = await site.requirements(workflow_id)
    return {job: (row.memory, row.runtime) for job, row in rows.items()}


@pytest.mark.parametrize(
    ("end", "code", "cause", "request_of_a"),
    [
        (gone(TIME_LIMIT), ORPHANED, Cause.INTERRUPTED, (64 * MIB, 60)),
        (gone(TIME_LIMIT, after=59), 152, Cause.TIMEOUT, (64 * MIB, 120)),
        (gone(TIME_LIMIT, after=200), 152, Cause.TIMEOUT, (64 * MIB, 400)),
        (gone(EndCause.OUT_OF_MEMORY, after=59), 137, Cause.OOM, (96 * MIB, 60)),
        (gone(EndCause.NODE_FAILURE, after=59), ORPHANED, Cause.NODE, (64 * MIB, 60)),
        (gone(EndCause.PREEMPTED, after=59), ORPHANED, Cause.PREEMPTED, (64 * MIB, 60)),
    ],
)
async def test_job_that_its_allocation_took_along(
    open_site: "OpenSite",
    end: AllocationStatus,
    code: int,
    cause: Cause,
    request_of_a: tuple[int, int],
) -> None:
    async with open_site() as site:
        workflow_id = await submit(site, gone_again(end), "a")

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED
        assert await site.results(workflow_id) == [("a", 1, code), ("a", 2, 0)]
        (retry,) = plan_of(site).retries
        assert retry.cause is cause
        assert retry.reason.startswith("allocation 1 ")
        memory, runtime = (await requests_of(site, workflow_id))["a"]
        assert memory == request_of_a[0]
        assert runtime == pytest.approx(request_of_a[1], rel=0.02)


def gone_again(end: AllocationStatus) -> AllocationStatus:
    """The same from now on: parameters are older than the test."""
    assert end.began is not None
    assert end.ended is not None
    assert end.cause is not None
    return gone(end.cause, after=(end.ended - end.began).total_seconds())


async def test_step_says_which_job_ran_out_of_memory(open_site: "OpenSite") -> None:
    async with open_site() as site:
        workflow_id = await submit(site, gone(EndCause.OUT_OF_MEMORY), "a", "b", "c")
        site.scheduler.ends_of_steps = {
            1: {
                "wf1_j1_r1_a1": StepEnd(cause=CANCELED, return_code=143),
                "wf1_j2_r1_a1": StepEnd(cause=EndCause.OUT_OF_MEMORY, return_code=137),
                "wf1_j2_r9_a1": StepEnd(cause=None, return_code=0),
            }
        }

        assert (await site.watch(workflow_id)).verdict is Verdict.SUCCEEDED

        assert {retry.job_name: retry.cause for retry in plan_of(site).retries} == {
            "a": Cause.INTERRUPTED,
            "b": Cause.OOM,
            "c": Cause.INTERRUPTED,
        }
        assert (await requests_of(site, workflow_id))["a"] == (64 * MIB, 60)


async def test_job_that_was_killed_for_memory_used_it_up(open_site: "OpenSite") -> None:
    async with open_site() as site:
        workflow_id = await submit(site, gone(EndCause.OUT_OF_MEMORY), "a", "b")
        killed = NewResult(
            workflow_id=workflow_id,
            run_id=1,
            attempt=1,
            compute_node_id=1,
            status=JobStatus.FAILED,
            return_code=137,
            exec_seconds=5,
            completed_at=datetime.now(UTC),
        )
        await site.client.complete_job(1, killed)

        assert (await site.watch(workflow_id)).verdict is Verdict.SUCCEEDED

        assert [(retry.job_name, retry.cause) for retry in plan_of(site).retries] == [
            ("a", Cause.OOM),
            ("b", Cause.INTERRUPTED),
        ]


async def test_nobody_is_raised_where_any_job_may_have_used_up_the_memory(
    open_site: "OpenSite",
) -> None:
    async with open_site() as site:
        workflow_id = await submit(site, gone(EndCause.OUT_OF_MEMORY), "a", "b")

        assert (await site.watch(workflow_id)).verdict is Verdict.SUCCEEDED

        assert set((await requests_of(site, workflow_id)).values()) == {(64 * MIB, 60)}
        assert {retry.reason for retry in plan_of(site).retries} == {
            "allocation 1 ran out of memory, and any of its 2 jobs may be the cause"
        }


async def test_cause_survives_a_crash_after_the_release(open_site: "OpenSite") -> None:
    """The server's rows are all that the next process finds: the allocation is closed there."""
    async with open_site() as site:
        workflow_id = await submit(site, gone(TIME_LIMIT, after=59), "a")
        async with site.context() as context:
            observation = await observe(
                context.client, context.cluster, workflow_id, with_counts=True, max_age=0
            )
            assert observation.counts is not None
            search = FailureSearch(context.client, context.cluster, context.outputs)
            diagnosis = await search.diagnose(observation, observation.counts, site.directory)
            await OrphanRelease(context).release(diagnosis.orphans, observation.workflow)

        assert (await site.watch(workflow_id)).verdict is Verdict.SUCCEEDED
        (retry,) = plan_of(site).retries
        assert (retry.cause, retry.reason) == (Cause.TIMEOUT, "killed for its run time (152)")


@pytest.mark.parametrize("by", ["ada", "root", None])
async def test_canceled_allocation_hands_the_workflow_over(
    open_site: "OpenSite", by: str | None
) -> None:
    async with open_site() as site:
        workflow_id = await submit(site, gone(CANCELED, by=by), "a")

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.HANDED_OVER
        phrase = f"llocation 1 was canceled{f' by {by}' if by else ''}"
        assert ended.reason.startswith(f"A{phrase}, so workflow {workflow_id} ")
        assert f"torc-watchd recover {workflow_id}" in ended.reason
        assert [job.reason for job in ended.evidence] == [f"a{phrase}"]
        assert {method for _, method, _ in site.line.sent} == {"GET"}
        assert (await site.client.get_job(1)).status is JobStatus.RUNNING
        assert not site.scheduler.canceled


async def test_user_who_asks_for_recovery_after_canceling_gets_it(open_site: "OpenSite") -> None:
    async with open_site() as site:
        workflow_id = await submit(site, gone(CANCELED, after=-2, by="ada"), "a")

        assert (await site.watch(workflow_id)).verdict is Verdict.SUCCEEDED


async def test_one_round_that_a_user_asks_for_is_not_refused(open_site: "OpenSite") -> None:
    async with open_site() as site:
        workflow_id = await submit(site, gone(CANCELED, by="ada"), "a")

        ended = await site.watch(workflow_id, once=True)

        assert ended.verdict is Verdict.RESUBMITTED


async def test_allocation_that_we_may_have_canceled_is_no_users_act(open_site: "OpenSite") -> None:
    """We died in the middle of the release, which cancels them."""
    async with open_site() as site:
        workflow_id = await submit(site, gone(CANCELED, by="ada"), "a")
        workflow = await site.client.get_workflow(workflow_id)
        async with site.context() as context:
            identity = WorkflowIdentity(
                server=site.client.transport.connection.url,
                workflow_id=workflow_id,
                created=workflow.created,
            )
            record = context.journal.begin_watch(identity)
            round_ = context.journal.begin_round(record.id, number=1, run_id=1)
            context.journal.begin_step(round_, Step.ORPHANS)
            context.journal.record_ended(round_, [1])

        assert (await site.watch(workflow_id)).verdict is Verdict.SUCCEEDED


async def test_what_we_cancel_of_a_plan_is_no_users_act(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [(1, None, 10.0)]}
        site.scheduler.deaths = {2: "claimed"}
        workflow_id = await site.submit(["a"])
        await site.scheduler.rest()
        await site.watch(workflow_id, once=True)
        await site.scheduler.rest()

        async with site.context() as context:
            await cancel_planned(context, plan_of(site))

        statuses = {
            allocation.scheduler_id: allocation.status
            for allocation in await site.client.list_allocations(workflow_id)
        }
        assert (site.scheduler.canceled, statuses) == ([2], {1: "complete", 2: "canceled"})


async def test_pending_allocation_that_torc_canceled_is_submitted_again(
    open_site: "OpenSite",
) -> None:
    async with open_site() as site:
        workflow_id = await site.submit(["a"], allocations=0)
        await site.client.create_allocation(
            workflow_id,
            scheduler_id=1,
            scheduler_config_id=1,
            scheduler_type="local",
            status="canceled",
        )
        site.scheduler.ends = {1: gone(CANCELED, by="ada")}

        assert (await site.watch(workflow_id)).verdict is Verdict.SUCCEEDED


@pytest.mark.parametrize(
    ("cause", "verdict", "raised"),
    [
        (CANCELED, Verdict.HANDED_OVER, 60),
        (EndCause.PREEMPTED, Verdict.SUCCEEDED, 60),
        (TIME_LIMIT, Verdict.SUCCEEDED, 120),
    ],
)
async def test_job_that_a_worker_reported_at_the_end_of_its_allocation(
    open_site: "OpenSite", cause: EndCause, verdict: Verdict, raised: int
) -> None:
    """The worker stopped the job at nine tenths of its time, reported it, and closed its row."""
    async with open_site() as site:
        site.scheduler.endings = {"a": [(-15, None, 55.0)]}
        site.scheduler.ends = {1: gone(cause, by="ada")}
        workflow_id = await site.submit(["a"])
        await site.scheduler.rest()

        ended = await site.watch(workflow_id)

        assert ended.verdict is verdict
        assert (await requests_of(site, workflow_id))["a"] == (64 * MIB, raised)
        if cause is CANCELED:
            assert "Allocation 1 was canceled by ada" in ended.reason
            assert ended.rounds_used == 0  # it was announced, and not begun
        assert not any(
            "its worker had to leave" in retry.reason
            for event in site.seen(events.RecoveryPlanned)
            for retry in event.plan.retries
        )


@pytest.mark.parametrize("once", [False, True])
async def test_results_that_a_runner_kept_are_sent_first(
    open_site: "OpenSite", *, once: bool
) -> None:
    async with open_site() as site:
        workflow_id = await submit(site, gone(TIME_LIMIT), "a", "b")
        keep_results(site.directory, 2, 7)

        ended = await site.watch(workflow_id, once=once)

        assert ended.verdict is Verdict.HANDED_OVER
        assert "the results of 1 job " in ended.reason
        command = f"torc workflows reconcile {workflow_id} 1 --base-dir {site.directory}"
        assert f"`{command}`" in ended.reason
        assert await site.results(workflow_id) == []


@pytest.mark.parametrize(("jobs", "run_id"), [((), 1), ((7,), 1), ((1,), 2)])
async def test_results_that_the_server_has_are_no_obstacle(
    open_site: "OpenSite", jobs: tuple[int, ...], run_id: int
) -> None:
    """A file keeps the results that were sent; one that was sent at once is empty."""
    async with open_site() as site:
        workflow_id = await submit(site, gone(TIME_LIMIT), "a")
        keep_results(site.directory, *jobs, run_id=run_id)

        assert (await site.watch(workflow_id)).verdict is Verdict.SUCCEEDED


@pytest.mark.parametrize("state", [AllocationState.ALIVE, AllocationState.UNKNOWN])
async def test_end_of_an_allocation_is_awaited_whose_worker_has_left(
    open_site: "OpenSite", state: AllocationState
) -> None:
    """The worker closes its row before it ends, and accounting learns of the end later still."""
    async with open_site() as site:
        site.scheduler.endings = {"a": [(-15, None, 55.0)]}
        workflow_id = await site.submit(["a"])
        await site.scheduler.rest()
        site.scheduler.known_states[1] = state
        async with anyio.create_task_group() as tasks:

            async def end_later() -> None:
                await anyio.sleep(20)
                site.scheduler.known_states[1] = AllocationState.GONE
                site.scheduler.ends = {1: gone(CANCELED, by="ada")}

            tasks.start_soon(end_later)
            ended = await site.watch(workflow_id, poll_interval=5)

        assert ended.verdict is Verdict.HANDED_OVER
        assert "Allocation 1 was canceled by ada" in ended.reason


async def test_end_that_is_never_known_is_not_awaited_for_ever(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [(-15, None, 30.0)]}
        workflow_id = await site.submit(["a"])
        await site.scheduler.rest()
        site.scheduler.known_states[1] = AllocationState.UNKNOWN
        began = anyio.current_time()

        assert (await site.watch(workflow_id, poll_interval=5)).verdict is Verdict.SUCCEEDED

        assert anyio.current_time() >= began + intervals.END_GRACE
        assert plan_of(site).retries[0].cause is Cause.INTERRUPTED


@pytest.mark.parametrize(("scheduler_type", "waits"), [("local", False), ("slurm", True)])
async def test_end_of_an_allocation_is_awaited_where_it_says_why_a_job_was_killed(
    open_site: "OpenSite", scheduler_type: str, *, waits: bool
) -> None:
    async with open_site(scheduler_type=scheduler_type) as site:
        site.scheduler.endings = {"a": [(137, 65 * MIB, 10.0)]}
        workflow_id = await site.submit(["a"])
        await site.scheduler.rest()
        site.scheduler.known_states[1] = AllocationState.UNKNOWN
        began = anyio.current_time()
        with anyio.move_on_after(intervals.END_GRACE - 30):
            await site.watch(workflow_id, poll_interval=20)

        assert anyio.current_time() - began < intervals.END_GRACE
        assert bool(site.seen(events.RecoveryPlanned)) is not waits
