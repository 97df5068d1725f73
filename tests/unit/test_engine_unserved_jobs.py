"""Ready jobs that no allocation of their workflow takes, while another one lives."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import anyio
import pytest

from torc_watch.core import events, intervals
from torc_watch.core.allocation import (
    AllocationSpec,
    AllocationState,
    AllocationStatus,
    EndCause,
    NodeClass,
)
from torc_watch.core.approval import PlanAnswer
from torc_watch.core.cause import Cause
from torc_watch.core.errors import SchedulerError, SchedulerUnreachable
from torc_watch.core.events import Verdict
from torc_watch.core.model import Job, JobCounts, JobStatus
from torc_watch.core.node_incident import NodeIncident
from torc_watch.core.recovery_round import ApprovalLimits, RecoverySettings, RoundOutcome
from torc_watch.core.units import MIB, parse_memory
from torc_watch.daemon.open_proposals import open_proposals
from torc_watch.daemon.watch_history import watches_of
from torc_watch.engine.journal import Journal
from torc_watch.engine.messages import UnservedJobs, UnservedRecord
from torc_watch.engine.unserved_search import after_submission
from torc_watch.schedulers.base import WorkerAssignment
from torc_watch.torc.requests import NewJob, NewRequirements

if TYPE_CHECKING:
    from tests.conftest import OpenSite, Site

pytestmark = pytest.mark.looptime
IDLE = 99  # the number of an allocation that lives, and does nothing
HOUR = 3600
JOB = Job(id=1, name="a", command="true", status=JobStatus.READY, requirements_id=None, attempt=1)


async def submit(site: "Site", *, idle_memory: str) -> int:
    """A workflow with a job of 64 MiB, and an idle allocation with that much memory."""
    workflow_id = await site.submit(["a"], allocations=0)
    row = await site.create_row(workflow_id, mem=idle_memory)
    await site.client.create_allocation(
        workflow_id, scheduler_id=IDLE, scheduler_config_id=row, scheduler_type="slurm"
    )
    site.scheduler.known_states[IDLE] = AllocationState.ALIVE
    return workflow_id


@asynccontextmanager
async def watched(
    site: "Site", workflow_id: int, settings: RecoverySettings | None = None
) -> AsyncIterator[None]:
    """Until the idle allocation ends, with the block; then the workflow has succeeded."""
    ended = []

    async def watch() -> None:
        ended.append(
            await site.watch(
                workflow_id, recovery=settings or RecoverySettings(), poll_interval=240
            )
        )

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        yield
        site.scheduler.known_states[IDLE] = AllocationState.GONE
    assert [each.verdict for each in ended] == [Verdict.SUCCEEDED]


def outcomes(site: "Site", workflow_id: int) -> list[str | None]:
    (watch,) = watches_of(site.directory, workflow_id)
    return [round_.outcome for round_ in watch.rounds]


async def test_job_that_fits_no_allocation_gets_one(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, idle_memory="32m")
        async with watched(site, workflow_id):
            await anyio.sleep(intervals.UNSERVED_GRACE - 1)
            assert not site.scheduler.requests  # a worker may be about to take it
            await anyio.sleep(HOUR)
            (job,) = await site.client.list_jobs(workflow_id)
            assert job.status is JobStatus.COMPLETED

        (request,) = site.scheduler.requests
        assert request.spec.memory >= 64 * MIB
        (told,) = site.seen(events.JobsUnserved)
        assert (told.jobs, told.allocations) == (1, 1)
        assert not site.seen(events.RecoveryAttempted)
        submitted, ended_idle = RoundOutcome.CONTINUED, RoundOutcome.CONTINUED
        assert outcomes(site, workflow_id) == [submitted, ended_idle]


async def test_job_gets_an_allocation_that_node_hours_pay_for(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, idle_memory="32m")
        async with watched(site, workflow_id, RecoverySettings(max_node_hours=2)):
            await anyio.sleep(HOUR)
            assert len(site.scheduler.requests) == 1


async def test_more_allocations_keep_away_from_bad_nodes(open_site: "OpenSite") -> None:
    names = frozenset({"n1", "n2", "n3"})
    async with open_site(scheduler_type="slurm") as site:
        site.scheduler.nodes = (NodeClass(num_cpus=10, memory=2**33, count=3, names=names),)
        workflow_id = await submit(site, idle_memory="32m")
        record_failure_of("n2", site)
        async with watched(site, workflow_id):
            await anyio.sleep(HOUR)
        assert [each.spec.excluded_nodes for each in site.scheduler.requests] == [("n2",)]


def record_failure_of(node: str, site: "Site") -> None:
    incident = NodeIncident(
        cluster="ridge",
        node=node,
        cause=Cause.NODE,
        at=datetime.now(UTC),
        server="http://another",
        workflow_id=99,
        run_id=1,
        job_id=1,
        job_name="x",
    )
    with closing(Journal(site.directory / "journal.db")) as journal:
        journal.incidents.record("", [incident])


@pytest.mark.parametrize(
    ("idle_memory", "settings"),
    [
        ("1g", RecoverySettings()),  # it will take the job
        ("32m", RecoverySettings(auto_schedule=False)),
        ("32m", RecoverySettings(max_allocations=1)),
        ("32m", RecoverySettings(max_node_hours=1.9)),  # the idle one may use an hour
    ],
)
async def test_nothing_is_submitted_beside_the_idle_allocation(
    open_site: "OpenSite", idle_memory: str, settings: RecoverySettings
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, idle_memory=idle_memory)
        async with watched(site, workflow_id, settings):
            await anyio.sleep(5 * HOUR)
            assert not site.scheduler.requests


async def test_nothing_is_submitted_while_an_allocation_is_unknown(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, idle_memory="32m")
        async with watched(site, workflow_id):
            site.scheduler.known_states[IDLE] = AllocationState.UNKNOWN
            await anyio.sleep(HOUR)
            assert not site.scheduler.requests


async def stay_queued(numbers: Sequence[int]) -> None:
    """Takes the place of the release: workers do not start."""


async def test_larger_allocation_of_an_earlier_watch_counts_as_what_it_is(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row on the server is of the workflow's usual shape, which is too small for the job."""
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, idle_memory="32m")
        with monkeypatch.context() as patch:
            patch.setattr(site.scheduler, "release", stay_queued)
            with anyio.move_on_after(HOUR):
                await site.watch(workflow_id, poll_interval=240)
        assert len(site.scheduler.requests) == 1
        async with watched(site, workflow_id):  # another process
            await anyio.sleep(5 * HOUR)
            assert len(site.scheduler.requests) == 1
            await site.scheduler.release([1])


async def test_nothing_is_submitted_beside_an_allocation_that_will_never_start(
    open_site: "OpenSite",
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, idle_memory="32m")
        row = (await site.client.list_scheduler_configs(workflow_id, "slurm"))[0].id
        await site.client.create_allocation(
            workflow_id, scheduler_id=98, scheduler_config_id=row, scheduler_type="slurm"
        )
        site.scheduler.known_states[98] = AllocationState.ALIVE
        site.scheduler.queued_in_vain = {98: "AccountNotAllowed"}
        async with watched(site, workflow_id):
            await anyio.sleep(HOUR)
            assert not site.scheduler.requests
            site.scheduler.known_states[98] = AllocationState.GONE


async def test_refusal_leaves_the_watch_as_it_is(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        attempts = []

        async def refuse(spec: AllocationSpec, work: WorkerAssignment) -> int:  # noqa: ARG001
            attempts.append(anyio.current_time())
            raise SchedulerError("QOSMaxSubmitJobPerUserLimit")

        workflow_id = await submit(site, idle_memory="32m")
        with monkeypatch.context() as patch:
            patch.setattr(site.scheduler, "submit", refuse)
            async with watched(site, workflow_id):
                await anyio.sleep(HOUR)
                patch.undo()
                await anyio.sleep(5 * HOUR)

        pauses = [after - before for before, after in pairwise(attempts)]
        assert 2 <= len(attempts) <= 4
        assert pauses == sorted(pauses)
        assert pauses[0] >= intervals.UNSERVED_COOLDOWN
        assert "QOSMaxSubmit" in site.seen(events.SubmissionCutShort)[0].reason
        declined = [RoundOutcome.DECLINED] * len(attempts)
        submitted, ended_idle = RoundOutcome.CONTINUED, RoundOutcome.CONTINUED
        assert outcomes(site, workflow_id) == [*declined, submitted, ended_idle]


async def test_job_for_more_nodes_than_there_are_gets_none(open_site: "OpenSite") -> None:
    """What it got could not run it: it would be submitted for again after each cooldown."""
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, idle_memory="32m")
        site.scheduler.nodes = (replace(site.scheduler.nodes[0], count=2),)
        wide = NewRequirements(name="wide", memory=64 * MIB, runtime=60, num_nodes=4)
        row = await site.client.create_requirements(workflow_id, wide)
        (job,) = await site.client.list_jobs(workflow_id)
        await site.client.assign_requirements(workflow_id, job, row)
        with anyio.move_on_after(2 * HOUR):
            await site.watch(workflow_id, poll_interval=240)
        assert not site.scheduler.requests


async def test_job_that_no_node_can_run_gets_none(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, idle_memory="32m")
        large = site.scheduler.nodes
        site.scheduler.nodes = (replace(large[0], memory=48 * MIB),)
        async with watched(site, workflow_id):
            await anyio.sleep(HOUR)
            assert not site.scheduler.requests
            site.scheduler.nodes = large
            await anyio.sleep(5 * HOUR)
        assert "requests 64m of memory" in site.seen(events.SubmissionCutShort)[0].reason


async def test_round_that_an_error_cut_off_hides_no_cancellation_by_the_user(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has canceled nothing, and is left open until there is something to do."""
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, idle_memory="32m")

        async def end_patience() -> tuple[NodeClass, ...]:
            row = await site.create_row(workflow_id, mem="1g")  # the user submits one
            await site.client.create_allocation(
                workflow_id, scheduler_id=98, scheduler_config_id=row, scheduler_type="slurm"
            )
            site.scheduler.known_states[98] = AllocationState.ALIVE
            raise SchedulerUnreachable("Socket timed out")

        async def cancel_all() -> None:
            with monkeypatch.context() as patch:
                patch.setattr(site.scheduler, "node_classes", end_patience)
                await anyio.sleep(HOUR)
            assert not site.scheduler.requests
            for number in (IDLE, 98):
                gone = AllocationStatus(state=AllocationState.GONE, cause=EndCause.CANCELED)
                site.scheduler.ends[number] = gone
                site.scheduler.known_states[number] = AllocationState.GONE

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancel_all)
            ended = await site.watch(workflow_id)
        assert ended.verdict is Verdict.HANDED_OVER
        assert "canceled" in ended.reason


@pytest.mark.parametrize(("memory", "is_claimed"), [("1m", False), ("64m", True)])
async def test_action_is_taken_from_the_workers_if_the_plan_has_its_jobs(
    open_site: "OpenSite", memory: str, is_claimed: bool
) -> None:
    """The idle allocation takes a job of 1 MiB: more for such ones is left to the workers."""
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, idle_memory="32m")
        other = NewRequirements(name="other", memory=parse_memory(memory), runtime=60)
        row = await site.client.create_requirements(workflow_id, other)
        new = NewJob(name="b", command="true", requirements_id=row)
        ids = await site.client.create_jobs(workflow_id, [new])
        await site.client.transport.post(
            f"/workflows/{workflow_id}/actions",
            body={
                "workflow_id": workflow_id,
                "trigger_type": "on_jobs_ready",
                "action_type": "schedule_nodes",
                "action_config": {"scheduler_type": "slurm", "scheduler_id": 1},
                "job_ids": ids,
            },
        )
        await site.client.initialize_jobs(workflow_id)
        with anyio.move_on_after(500):
            await site.watch(workflow_id)
        assert site.seen(events.JobsUnserved)
        (action,) = await site.client.transport.get(f"/workflows/{workflow_id}/actions")
        assert action["executed"] is is_claimed


@pytest.mark.parametrize(
    ("completed", "cooldown"),
    [
        ([], 10),
        ([0], 20),
        ([0, 0], 40),
        ([0] * 9, 160),
        ([0, 0, 5], 10),
    ],
)
def test_cooldown_grows_while_no_job_completes(completed: list[int], cooldown: int) -> None:
    record = UnservedRecord()
    for number in [0, *completed]:
        counts = JobCounts({JobStatus.COMPLETED: number, JobStatus.READY: 1})
        after_submission(record, UnservedJobs(jobs=(), counts=counts, most=1), now=1000)
    assert record.not_before == 1000 + 60 * cooldown


@pytest.mark.parametrize(
    ("unserved", "cooldown"),
    [([{1}, {1}], 20), ([{1}, {1, 2}, {1, 2, 3}], 40), ([{1, 2}, {2}], 10), ([{1}, {2}], 10)],
)
def test_cooldown_grows_while_none_of_the_jobs_is_taken(
    unserved: list[set[int]], cooldown: int
) -> None:
    """Allocations that fail as they start, for example, while others complete their jobs."""
    record = UnservedRecord()
    for completed, ids in enumerate(unserved):
        jobs = tuple(replace(JOB, id=each) for each in ids)
        counts = JobCounts({JobStatus.COMPLETED: completed, JobStatus.READY: len(jobs)})
        after_submission(record, UnservedJobs(jobs=jobs, counts=counts, most=1), now=1000)
    assert record.not_before == 1000 + 60 * cooldown


async def test_more_allocations_wait_for_approval(open_site: "OpenSite") -> None:
    """Others of the workflow run on meanwhile; a new process finds the answer, too."""
    settings = RecoverySettings(approval=ApprovalLimits(always=True))
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, idle_memory="32m")
        with anyio.move_on_after(HOUR):
            await site.watch(workflow_id, recovery=settings, poll_interval=240)
        assert not site.scheduler.requests
        assert len(site.seen(events.PlanProposed)) == 1
        (waiting,) = open_proposals(site.directory)
        assert waiting.proposal.plan.joins_workers
        with closing(Journal(site.directory / "journal.db")) as journal:
            given = PlanAnswer(approves=True, by="ada@login1", at=datetime.now(UTC))
            journal.proposals.answer(waiting.proposal, given)
        async with watched(site, workflow_id, settings):
            await anyio.sleep(HOUR)
        assert len(site.scheduler.requests) == 1
        assert not open_proposals(site.directory)


async def test_approved_allocations_are_submitted_at_once(open_site: "OpenSite") -> None:
    """Not after the next search for such jobs, which is ten minutes later."""
    settings = RecoverySettings(approval=ApprovalLimits(always=True))
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await submit(site, idle_memory="32m")
        async with watched(site, workflow_id, settings):
            while not site.seen(events.PlanProposed):  # noqa: ASYNC110 - virtual time
                await anyio.sleep(1)
            (waiting,) = open_proposals(site.directory)
            with closing(Journal(site.directory / "journal.db")) as journal:
                given = PlanAnswer(approves=True, by="ada@login1", at=datetime.now(UTC))
                journal.proposals.answer(waiting.proposal, given)
            await anyio.sleep(10)
            assert len(site.scheduler.requests) == 1
