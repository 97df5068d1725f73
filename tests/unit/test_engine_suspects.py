"""Watches of workflows with suspect successes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from torc_watch.core import events
from torc_watch.core.allocation import AllocationState, AllocationStatus, EndCause
from torc_watch.core.cause import Cause
from torc_watch.core.errors import SchedulerError, SchedulerUnreachable
from torc_watch.core.events import Verdict, WatchEnded
from torc_watch.core.recovery_round import Plan, RecoverySettings
from torc_watch.core.units import MIB
from torc_watch.engine import declared_outputs
from torc_watch.engine.declared_outputs import DeclaredOutputs
from torc_watch.engine.job_outputs import JobOutputs
from torc_watch.torc.requests import NewFile, NewJob, NewRequirements, NewWorkflow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from tests.conftest import Forward, OpenSite, Site

pytestmark = pytest.mark.looptime

RERUN = RecoverySettings(rerun_suspects=True)
FLAGGED = "1 suspect success: torc-watchd why 1"


@pytest.fixture(autouse=True)
def _on_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch sees what simulated workers have in folders of their node."""
    monkeypatch.setattr("socket.gethostname", lambda: "n1")


async def submit_chain(site: "Site") -> Path:
    """``make`` declares a file, which no simulated job writes; ``plot`` waits for it."""
    client, table = site.client, site.directory / "table.csv"
    workflow_id = await client.create_workflow(NewWorkflow(name="w", user="ada"))
    small = NewRequirements(name="small", memory=64 * MIB, runtime=60)
    row = await client.create_requirements(workflow_id, small)
    (file,) = await client.create_files(workflow_id, [NewFile(name="table", path=str(table))])
    make = NewJob(name="make", command="true", requirements_id=row, output_file_ids=(file,))
    (made,) = await client.create_jobs(workflow_id, [make])
    plot = NewJob(name="plot", command="true", requirements_id=row, depends_on_job_ids=(made,))
    await client.create_jobs(workflow_id, [plot])
    await client.advance_run(workflow_id, to_run=1)
    await client.initialize_jobs(workflow_id)
    await site.allocate(workflow_id)
    return table


def plans(site: "Site") -> list[Plan]:
    return [event.plan for event in site.seen(events.RecoveryPlanned)]


async def test_missing_output_is_flagged_by_any_watch(open_site: "OpenSite") -> None:
    async with open_site() as site:
        await submit_chain(site)
        ended = await site.watch(1)
    assert (ended.verdict, ended.reason, plans(site)) == (Verdict.SUCCEEDED, FLAGGED, [])
    (found,) = site.seen(events.SuspectsFound)
    assert [(each.job_name, each.kind) for each in found.suspects] == [("make", "output_missing")]
    assert [type(event) for event in site.events[-4:]] == [
        events.WorkflowComplete,
        events.SuspectsFound,
        events.WorkflowSucceeded,
        WatchEnded,
    ]


async def test_output_that_is_there_costs_no_list_of_jobs(open_site: "OpenSite") -> None:
    async with open_site() as site:
        (await submit_chain(site)).write_text("1,2,3")
        await site.scheduler.rest()
        site.line.sent.clear()
        ended = await site.watch(1)
    assert (ended.verdict, ended.reason) == (Verdict.SUCCEEDED, "")
    assert not {path for _, _, path in site.line.sent} & {"/jobs", "/results"}


async def test_suspect_runs_again_once_with_what_is_behind_it(open_site: "OpenSite") -> None:
    async with open_site() as site:
        await submit_chain(site)
        ended = await site.watch(1, recovery=RERUN)
        results = await site.results(1)
    assert (ended.verdict, ended.reason) == (Verdict.SUCCEEDED, FLAGGED)
    assert results == [("make", 1, 0), ("make", 2, 0), ("plot", 1, 0), ("plot", 2, 0)]
    (plan,) = plans(site)
    assert [(each.job_id, each.cause) for each in plan.retries] == [(1, Cause.SUSPECT)]
    assert [each.job_name for each in plan.repeated or ()] == ["plot"]


@pytest.mark.parametrize(
    "recovery",
    [
        pytest.param(None, id="no recovery"),
        pytest.param(RecoverySettings(), id="no rerun"),
        pytest.param(RecoverySettings(rerun_suspects=True, max_retries=0), id="no round"),
    ],
)
async def test_verdict_stays_where_nothing_may_run_again(
    open_site: "OpenSite", recovery: RecoverySettings | None
) -> None:
    async with open_site() as site:
        await submit_chain(site)
        ended = await site.watch(1, recovery=recovery)
        assert (await site.client.get_workflow(1)).run_id == 1
    assert (ended.verdict, ended.reason) == (Verdict.SUCCEEDED, FLAGGED)


async def test_user_may_ask_for_one_round(open_site: "OpenSite") -> None:
    async with open_site() as site:
        await submit_chain(site)
        await site.watch(1, recovery=None)
        ended = await site.watch(1, recovery=RERUN, once=True)
        await site.scheduler.rest()
        assert (await site.client.get_workflow(1)).run_id == 2
    assert ended.verdict is Verdict.RESUBMITTED


async def test_too_many_successes_are_not_checked(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torc_watch.engine.suspect_search._MAX_SUCCESSES", 1)
    async with open_site() as site:
        await submit_chain(site)
        ended = await site.watch(1, recovery=RERUN)
    (unchecked,) = site.seen(events.SuccessesUnchecked)
    assert unchecked.reason == "more than 1 jobs completed"
    assert (ended.verdict, ended.reason) == (Verdict.SUCCEEDED, "")


async def test_server_that_cannot_list_files_does_not_hold_up_success(
    open_site: "OpenSite",
) -> None:
    async def refuse_files(request: httpx.Request, forward: "Forward") -> httpx.Response:
        is_list = request.url.path.endswith("/files")
        return httpx.Response(501, text="no files") if is_list else await forward(request)

    async with open_site() as site:
        await submit_chain(site)
        await site.scheduler.rest()
        site.line.fault = refuse_files
        ended = await site.watch(1)
    assert ended.verdict is Verdict.SUCCEEDED
    assert len(site.seen(events.SuccessesUnchecked)) == 1


@pytest.mark.parametrize("answer_is_lost", [False, True])
async def test_killed_round_of_a_suspect_is_finished(
    open_site: "OpenSite", *, answer_is_lost: bool
) -> None:
    """Whatever change was the last, nothing is reset or started twice."""
    for number in range(1, 12):
        async with open_site(f"killed-{number}") as site:
            await submit_chain(site)
            await site.watch(1, recovery=None)
            if not await _kill_at(site, number, answer_is_lost=answer_is_lost):
                assert number > 4  # reset, run, initialization, allocation
                return
            ended = await site.watch(1, recovery=RERUN)
            results = await site.results(1)
        assert (ended.verdict, ended.reason) == (Verdict.SUCCEEDED, FLAGGED)
        assert [each for each in results if each[1] > 1] == [("make", 2, 0), ("plot", 2, 0)]
    raise AssertionError("every round was killed")


async def _kill_at(site: "Site", number: int, *, answer_is_lost: bool) -> bool:
    """Watches until the change of that number; whether there was one."""
    changes, killed = 0, anyio.Event()

    async def answer(request: httpx.Request, forward: "Forward") -> httpx.Response:
        nonlocal changes
        changes += request.method != "GET"
        if changes < number:
            return await forward(request)
        if changes == number and answer_is_lost and not killed.is_set():
            await forward(request)
        killed.set()
        await anyio.sleep_forever()
        raise AssertionError

    site.line.fault = answer
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            await site.watch(1, recovery=RERUN)
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        await killed.wait()
        tasks.cancel_scope.cancel()
    site.line.fault = None
    return killed.is_set()


# In Slurm


@asynccontextmanager
async def slurm_site(open_site: "OpenSite", end: AllocationStatus | None) -> "AsyncIterator[Site]":
    """A site with an allocation that ends so, in which one job completes."""
    async with open_site(scheduler_type="slurm") as site:
        if end is not None:
            site.scheduler.ends[1] = end
        await site.submit(["train"])
        yield site


def ended_for(cause: EndCause, *, canceled_by: str | None = None) -> AllocationStatus:
    return AllocationStatus(
        state=AllocationState.GONE, cause=cause, ended=datetime.now(UTC), canceled_by=canceled_by
    )


async def test_job_gets_more_memory_if_its_allocation_ran_out_of_it(
    open_site: "OpenSite",
) -> None:
    async with slurm_site(open_site, ended_for(EndCause.OUT_OF_MEMORY)) as site:
        ended = await site.watch(1, recovery=RERUN)
        rows = await site.requirements(1)
    (plan,) = plans(site)
    assert [(each.cause, each.memory) for each in plan.retries] == [
        (Cause.SUSPECT, (64 * MIB, 96 * MIB))
    ]
    assert rows["train"].memory == 96 * MIB
    assert (ended.verdict, ended.reason) == (Verdict.SUCCEEDED, "")


async def test_job_that_failed_accounts_for_the_lack_of_memory(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site:
        site.scheduler.ends[1] = ended_for(EndCause.OUT_OF_MEMORY)
        site.scheduler.endings = {"hungry": [(137, None, 10.0)]}
        await site.submit(["train", "hungry"])
        ended = await site.watch(1, recovery=RERUN)
    assert site.seen(events.SuspectsFound) == []
    assert ended.verdict is Verdict.SUCCEEDED


async def test_what_a_user_canceled_is_flagged_and_left_alone(open_site: "OpenSite") -> None:
    end = ended_for(EndCause.CANCELED, canceled_by="ada")
    async with slurm_site(open_site, end) as site:
        await site.scheduler.rest()
        site.scheduler.ends[1] = ended_for(EndCause.CANCELED, canceled_by="ada")
        ended = await site.watch(1, recovery=RERUN)
    (found,) = site.seen(events.SuspectsFound)
    assert found.suspects[0].reason.startswith("it ended when allocation 1 was canceled by ada; ")
    assert ended.verdict is Verdict.SUCCEEDED


async def test_success_waits_a_moment_for_the_end_of_allocations(open_site: "OpenSite") -> None:
    unclear = AllocationStatus(state=AllocationState.UNKNOWN)
    async with slurm_site(open_site, unclear) as site:
        await site.scheduler.rest()
        began = anyio.current_time()
        ended = await site.watch(1)
        assert 20 <= anyio.current_time() - began <= 60
    assert ended.verdict is Verdict.SUCCEEDED


async def test_success_does_not_wait_for_slurm(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_numbers: "Collection[int]") -> dict[int, AllocationStatus]:
        raise SchedulerUnreachable("squeue does not answer")

    async with slurm_site(open_site, None) as site:
        await site.scheduler.rest()
        monkeypatch.setattr(site.scheduler, "statuses", fail)
        ended = await site.watch(1)
    (unchecked,) = site.seen(events.SuccessesUnchecked)
    assert unchecked.reason == "squeue does not answer"
    assert ended.verdict is Verdict.SUCCEEDED


async def test_refused_rerun_leaves_the_success(open_site: "OpenSite") -> None:
    settings = RecoverySettings(rerun_suspects=True, max_node_hours=0.001)
    async with slurm_site(open_site, ended_for(EndCause.OUT_OF_MEMORY)) as site:
        ended = await site.watch(1, recovery=settings)
    assert (ended.verdict, plans(site)) == (Verdict.SUCCEEDED, [])
    assert ended.reason.startswith(f"{FLAGGED}. Not run again: Workflow 1 has used ")
    assert len(site.seen(events.WorkflowSucceeded)) == 1


async def test_success_stays_where_no_rerun_can_be_planned(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail() -> tuple[()]:
        raise SchedulerError("sinfo has no partitions")

    async with slurm_site(open_site, ended_for(EndCause.OUT_OF_MEMORY)) as site:
        monkeypatch.setattr(site.scheduler, "node_classes", fail)
        ended = await site.watch(1, recovery=RecoverySettings(rerun_suspects=True))
    assert ended.verdict is Verdict.SUCCEEDED
    assert ended.reason.endswith("Not run again: sinfo has no partitions")


async def test_files_are_looked_at_no_longer_than_they_are_waited_for(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that goes on keeps others from reading."""
    given_up: list[Callable[[], None]] = []
    looked: list[int] = []

    async def give_up(work: Callable[[], None]) -> None:
        given_up.append(work)

    def sizes(paths: Mapping[int, str]) -> Iterator[tuple[int, int]]:
        for number in (*paths, 98, 99):
            looked.append(number)
            yield number, 1

    monkeypatch.setattr(declared_outputs, "file_sizes", sizes)
    outputs = JobOutputs(lambda: (), give_up)
    async with open_site() as site:
        await submit_chain(site)
        workflow = await site.client.get_workflow(1)
        nodes = await site.client.list_compute_nodes(1)
        seen = await DeclaredOutputs(site.client, outputs).look(workflow, nodes)
    given_up[0]()
    assert (seen.sizes, seen.unseen) == ({}, "not all output files could be looked at in time")
    assert len(looked) == 1
