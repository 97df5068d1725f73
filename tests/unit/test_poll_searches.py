"""What the searches of a poll find, given one observation after the other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio
import pytest

from torc_watch.core import intervals
from torc_watch.core.allocation import AllocationState, AllocationStatus
from torc_watch.core.assessment import Observation
from torc_watch.core.model import Allocation, JobCounts, JobStatus
from torc_watch.core.recovery_round import RecoverySettings
from torc_watch.core.scheduler_choice import SchedulerChoice
from torc_watch.core.workflow_key import WorkflowIdentity
from torc_watch.engine.messages import PollResult, StrandedJobs, UnservedJobs, Watch
from torc_watch.engine.stranded_search import StrandedSearch
from torc_watch.engine.unneeded_search import unneeded_allocations
from torc_watch.engine.unserved_search import UnservedSearch

if TYPE_CHECKING:
    from tests.conftest import OpenSite, Site

pytestmark = pytest.mark.looptime

ROW = 1  # of an allocation's scheduler
UNKNOWN = AllocationStatus(state=AllocationState.UNKNOWN)
GONE = AllocationStatus(state=AllocationState.GONE)


def alive(*, began: bool) -> AllocationStatus:
    at = datetime.now(UTC) if began else None
    return AllocationStatus(state=AllocationState.ALIVE, began=at)


def allocation(number: int, kind: str = "slurm", status: str = "pending") -> Allocation:
    return Allocation(
        id=number,
        scheduler_id=number,
        scheduler_config_id=ROW,
        scheduler_type=kind,
        status=status,
    )


@dataclass
class Polls:
    """A watched workflow, and the searches that its polls make."""

    site: "Site"
    watch: Watch
    unserved: UnservedSearch
    stranded: StrandedSearch
    allocations: list[tuple[Allocation, AllocationStatus]] = field(default_factory=list)
    counts: JobCounts = field(default_factory=lambda: JobCounts({}))

    async def poll(self) -> PollResult:
        workflow = await self.site.client.get_workflow(self.watch.workflow_id)
        observation = Observation(
            workflow=workflow, counts=self.counts, allocations=tuple(self.allocations)
        )
        return PollResult(watch=self.watch, observation=observation)

    async def find_unserved(self) -> UnservedJobs | None:
        return await self.unserved.find(await self.poll())

    async def find_stranded(self) -> StrandedJobs | None:
        return await self.stranded.find(await self.poll())

    async def find_unneeded(self) -> tuple[Allocation, ...]:
        return unneeded_allocations(await self.poll())

    def searches(self) -> int:
        """How often jobs and their requirements were compared with the allocations."""
        return [path for _, _, path in self.site.line.sent].count("/resource_requirements")


@asynccontextmanager
async def polls(
    open_site: "OpenSite", *, row_memory: str = "1g", settings: RecoverySettings | None = None
) -> AsyncIterator[Polls]:
    """Of a workflow with a job of 64 MiB that is ready, and one row of Slurm with that memory."""
    async with open_site(scheduler_type="slurm") as site, site.context() as context:
        workflow_id = await site.submit(["a"], allocations=0)
        assert await site.create_row(workflow_id, mem=row_memory) == ROW
        identity = WorkflowIdentity(server="s", workflow_id=workflow_id, created="now")
        watch = Watch(
            request=site.request(workflow_id, recovery=settings or RecoverySettings()),
            name="w",
            identity=identity,
            record=context.journal.begin_watch(identity),
        )
        site.line.sent.clear()
        yield Polls(
            site=site,
            watch=watch,
            unserved=UnservedSearch(context.client, context.journal),
            stranded=StrandedSearch(context.client),
            counts=JobCounts({JobStatus.READY: 1}),
        )


@pytest.mark.parametrize(
    ("kind", "choice", "has_found"),
    [
        ("slurm", SchedulerChoice.AUTO, True),
        ("slurm", SchedulerChoice.SLURM, True),
        ("slurm", SchedulerChoice.LOCAL, False),
        ("local", SchedulerChoice.AUTO, False),
        ("local", SchedulerChoice.LOCAL, False),
    ],
)
async def test_only_beside_allocations_of_slurm_are_jobs_unserved(
    open_site: "OpenSite", kind: str, choice: SchedulerChoice, has_found: bool
) -> None:
    async with polls(
        open_site, row_memory="32m", settings=RecoverySettings(scheduler=choice)
    ) as workflow:
        workflow.allocations = [(allocation(7, kind), alive(began=True))]
        first = await workflow.find_unserved()
        await anyio.sleep(intervals.UNSERVED_GRACE)
        found = await workflow.find_unserved()

    assert first is None
    assert (found is not None) is has_found


async def test_jobs_are_compared_with_the_allocations_from_time_to_time(
    open_site: "OpenSite",
) -> None:
    """While nothing changes, an allocation still comes nearer to its end."""
    async with polls(open_site) as workflow:
        workflow.allocations = [(allocation(7), alive(began=True))]
        searches = []
        for _ in range(3):
            assert await workflow.find_unserved() is None
            assert await workflow.find_unserved() is None
            searches.append(workflow.searches())
            await anyio.sleep(intervals.UNSERVED_INTERVAL - 1)
            assert await workflow.find_unserved() is None
            searches.append(workflow.searches())
            await anyio.sleep(1)

    assert searches == [1, 1, 2, 2, 3, 3]


async def test_change_is_compared_with_the_allocations_at_once(open_site: "OpenSite") -> None:
    async with polls(open_site) as workflow:
        running, queued = alive(began=True), alive(began=False)
        changes = [
            ([(allocation(7), running)], 1),
            ([(allocation(7), running), (allocation(8), queued)], 1),
            ([(allocation(7), running), (allocation(8), running)], 1),
            ([(allocation(7), running), (allocation(8), GONE)], 1),
            ([(allocation(7), running), (allocation(8), GONE)], 2),
        ]
        searches = []
        for workflow.allocations, ready in changes:
            workflow.counts = JobCounts({JobStatus.READY: ready})
            await workflow.find_unserved()
            searches.append(workflow.searches())

    assert searches == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("kind", "began", "others", "ended"),
    [
        ("slurm", True, [], [7]),
        ("slurm", True, [(allocation(8), alive(began=False))], [7, 8]),
        ("slurm", True, [(allocation(8), GONE)], [7]),
        ("slurm", True, [(allocation(8), UNKNOWN)], []),  # its worker may be the one with the job
        ("slurm", True, [(allocation(8, "local"), alive(began=True))], [7]),
        ("slurm", False, [], []),  # no worker of it can have the job
        ("local", True, [], []),
    ],
)
async def test_allocations_that_are_ended_for_jobs_that_are_stranded(
    open_site: "OpenSite",
    kind: str,
    began: bool,
    others: list[tuple[Allocation, AllocationStatus]],
    ended: list[int],
) -> None:
    async with polls(open_site) as workflow:
        (job,) = await workflow.site.client.list_jobs(workflow.watch.workflow_id)
        await workflow.site.client.set_job_status(job.id, JobStatus.PENDING, 1)
        workflow.counts = JobCounts({JobStatus.PENDING: 1})
        workflow.allocations = [(allocation(7, kind), alive(began=began)), *others]
        first = await workflow.find_stranded()
        await anyio.sleep(intervals.STRANDED_GRACE)
        found = await workflow.find_stranded()

    assert first is None
    assert [each.scheduler_id for each in (found.allocations if found else ())] == ended


QUEUED = allocation(7)


@pytest.mark.parametrize(
    ("queued", "status", "is_unneeded"),
    [
        (QUEUED, alive(began=False), True),
        (QUEUED, alive(began=True), False),
        (QUEUED, UNKNOWN, False),
        (QUEUED, GONE, False),
        (replace(QUEUED, status="active"), alive(began=False), False),
        (allocation(7, "local"), alive(began=False), False),  # waits in no queue of others
    ],
)
async def test_allocation_that_is_unneeded(
    open_site: "OpenSite", queued: Allocation, status: AllocationStatus, is_unneeded: bool
) -> None:
    async with polls(open_site) as workflow:
        workflow.counts = JobCounts({JobStatus.RUNNING: 1, JobStatus.COMPLETED: 3})
        workflow.allocations = [(queued, status)]
        first = await workflow.find_unneeded()
        await anyio.sleep(intervals.UNSERVED_GRACE - 1)
        during_the_grace = await workflow.find_unneeded()
        await anyio.sleep(1)
        after_it = await workflow.find_unneeded()

    assert first == during_the_grace == ()
    assert after_it == ((queued,) if is_unneeded else ())


@pytest.mark.parametrize("status", list(JobStatus))
async def test_statuses_of_jobs_that_need_what_is_queued(
    open_site: "OpenSite", status: JobStatus
) -> None:
    async with polls(open_site) as workflow:
        workflow.counts = JobCounts({status: 1, JobStatus.COMPLETED: 1})
        workflow.allocations = [(QUEUED, alive(began=False))]
        await workflow.find_unneeded()
        await anyio.sleep(intervals.UNSERVED_GRACE)
        is_kept = not await workflow.find_unneeded()

    assert is_kept is (status in {"uninitialized", "blocked", "ready", "pending", "unrecognized"})


async def test_grace_of_what_is_unneeded_starts_again_when_a_job_needs_it(
    open_site: "OpenSite",
) -> None:
    async with polls(open_site) as workflow:
        workflow.allocations = [(QUEUED, alive(began=False))]
        found = []
        for status in (JobStatus.RUNNING, JobStatus.READY, JobStatus.RUNNING, JobStatus.RUNNING):
            workflow.counts = JobCounts({status: 1})
            found.append(await workflow.find_unneeded())
            await anyio.sleep(intervals.UNSERVED_GRACE)

    assert found == [(), (), (), (QUEUED,)]
