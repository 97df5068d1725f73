"""Schedulers that refuse, do not answer, or never start an allocation."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest

from tests.rigs.watches import watch_all
from torc_watch.core import events
from torc_watch.core.allocation import (
    Admission,
    AllocationSpec,
    AllocationState,
    AllocationStatus,
    NodeClass,
    StepEnd,
)
from torc_watch.core.errors import LeaseLost, SchedulerError, SchedulerUnreachable
from torc_watch.core.events import Verdict
from torc_watch.core.recovery_round import RecoverySettings
from torc_watch.core.units import GIB, MIB
from torc_watch.schedulers.base import EndedAttempts, WorkerAssignment
from torc_watch.torc.runner_api import RunnerApi, WorkerResources

if TYPE_CHECKING:
    from tests.conftest import OpenSite, SimulatedScheduler, Site

pytestmark = pytest.mark.looptime

SILENT = SchedulerUnreachable("slurmctld does not answer.")


@dataclass
class FailingScheduler:
    """Raises ``error`` at the next calls of ``method``, as many as ``times``.

    With ``takes_effect`` the call has been carried out, and only its answer is lost.
    """

    scheduler: "SimulatedScheduler"
    method: str
    error: SchedulerError
    takes_effect: bool = False
    times: int = 2
    type: str = "slurm"

    async def node_classes(self) -> tuple[NodeClass, ...]:
        return tuple(await self._call("node_classes"))

    async def cluster_name(self) -> str:
        return "ridge"

    async def kill_wait(self) -> int | None:
        return cast("int | None", await self._call("kill_wait"))

    async def expected_start(self, _spec: AllocationSpec) -> None:
        pass

    async def find(self, tokens: Collection[str]) -> dict[str, int]:
        return dict(await self._call("find", tokens))

    async def submit(self, spec: AllocationSpec, work: WorkerAssignment) -> int:
        return int(await self._call("submit", spec, work))

    async def release(self, numbers: Sequence[int]) -> None:
        await self._call("release", numbers)

    async def statuses(self, numbers: Collection[int]) -> dict[int, AllocationStatus]:
        return dict(await self._call("statuses", numbers))

    async def steps(self, numbers: Collection[int]) -> dict[int, dict[str, StepEnd]]:
        return dict(await self._call("steps", numbers))

    async def cancel(self, number: int) -> None:
        await self._call("cancel", number)

    async def end_remnants(self, number: int, attempts: EndedAttempts) -> int:
        return int(await self._call("end_remnants", number, attempts))

    async def _call(self, method: str, *arguments: Any) -> Any:
        call = getattr(self.scheduler, method)
        if method != self.method or not self.times:
            return await call(*arguments)
        if self.takes_effect:
            await call(*arguments)
        self.times -= 1
        raise self.error


@dataclass
class DelayingScheduler(FailingScheduler):
    """Says these statuses of each allocation, one at each query, and then what is true."""

    answers: Sequence[AllocationStatus] = ()

    async def statuses(self, numbers: Collection[int]) -> dict[int, AllocationStatus]:
        if not self.answers:
            return await super().statuses(numbers)
        answer, *self.answers = self.answers
        return dict.fromkeys(numbers, answer)


@dataclass
class SharedScheduler(FailingScheduler):
    """Another process submits the same a moment before, and its submission is the one that counts.

    ``lost`` is raised when ours has taken effect. ``found`` has what was found.
    """

    lost: Exception | None = None
    found: dict[str, int] = field(default_factory=dict)

    async def submit(self, spec: AllocationSpec, work: WorkerAssignment) -> int:
        theirs = replace(spec, token=f"theirs-{spec.token}")
        self.found[spec.token] = await self.scheduler.submit(theirs, work)
        number = await self.scheduler.submit(spec, work)
        if self.lost:
            raise self.lost
        return number

    async def find(self, tokens: Collection[str]) -> dict[str, int]:
        await self.scheduler.cancel(self.scheduler.numbers[next(iter(tokens))])
        return self.found


@dataclass
class SlowScheduler(FailingScheduler):
    """Takes 40 seconds to say anything; ``queries`` counts how often it was asked."""

    queries: int = 0

    async def statuses(self, numbers: Collection[int]) -> dict[int, AllocationStatus]:
        self.queries += 1
        await anyio.sleep(40)
        return await super().statuses(numbers)


async def end_of_first_worker(site: "Site", *jobs: str) -> int:
    """A workflow whose only worker has died with these jobs."""
    site.scheduler.deaths = {1: "running"}
    workflow_id = await site.submit(jobs)
    await site.scheduler.rest()
    return workflow_id


@pytest.mark.parametrize(
    ("method", "takes_effect", "times"),
    [
        ("node_classes", False, 2),
        ("submit", False, 2),
        ("submit", True, 1),  # is found the next time
        ("release", False, 2),
        ("release", True, 2),
        ("cancel", False, 2),
        ("statuses", False, 2),
    ],
)
async def test_round_continues_when_the_scheduler_answers_again(
    open_site: "OpenSite", method: str, *, takes_effect: bool, times: int
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await end_of_first_worker(site, "a", "b")
        failing = FailingScheduler(site.scheduler, method, SILENT, takes_effect, times)
        ended = await site.watch(workflow_id, failing)
        assert (ended.verdict, failing.times) == (Verdict.SUCCEEDED, 0)
        assert len(site.scheduler.requests) == 2
        failed = site.seen(events.PollFailed)
        assert [failure.reason for failure in failed] == [str(SILENT)] * times
        assert (await site.client.get_workflow(workflow_id)).run_id == 2
        assert len(await site.client.list_allocations(workflow_id)) == 2


@pytest.mark.parametrize("method", ["node_classes", "submit", "release"])
async def test_refusal_of_the_scheduler_is_handed_over_with_its_message(
    open_site: "OpenSite", method: str
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await end_of_first_worker(site, "a", "b")
        refusal = SchedulerError("sbatch: error: Invalid account")
        ended = await site.watch(workflow_id, FailingScheduler(site.scheduler, method, refusal))
        assert (ended.verdict, ended.reason) == (Verdict.HANDED_OVER, str(refusal))
        assert site.seen(events.PollFailed) == []


async def test_one_round_alone_stays_open_while_the_scheduler_is_silent(
    open_site: "OpenSite",
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await end_of_first_worker(site, "a")
        silent = FailingScheduler(site.scheduler, "submit", SILENT, takes_effect=True, times=1)
        ended = await site.watch(workflow_id, silent, once=True, patience=0)
        assert (ended.verdict, ended.reason) == (Verdict.UNREACHABLE, str(SILENT))
        ended = await site.watch(workflow_id, silent, once=True, patience=0)
        assert (ended.verdict, len(site.scheduler.requests)) == (Verdict.RESUBMITTED, 2)


@pytest.mark.parametrize("error", [SILENT, SchedulerError("squeue failed")])
async def test_submission_is_not_repeated_before_it_was_looked_up(
    open_site: "OpenSite", error: SchedulerError
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await end_of_first_worker(site, "a")
        silent = FailingScheduler(site.scheduler, "submit", SILENT, takes_effect=True, times=1)
        await site.watch(workflow_id, silent, once=True, patience=0)
        failing = FailingScheduler(site.scheduler, "find", error)
        ended = await site.watch(workflow_id, failing)
        expected = Verdict.SUCCEEDED if error is SILENT else Verdict.HANDED_OVER
        assert (ended.verdict, len(site.scheduler.requests)) == (expected, 2)


async def test_nothing_is_looked_up_before_the_first_submission(open_site: "OpenSite") -> None:
    """Where accounting is down, it could not be."""
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await end_of_first_worker(site, "a")
        failing = FailingScheduler(site.scheduler, "find", SchedulerError("squeue failed"))
        assert (await site.watch(workflow_id, failing)).verdict is Verdict.SUCCEEDED


async def test_what_another_process_submitted_meanwhile_is_used(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await end_of_first_worker(site, "a")
        site.scheduler.canceled.clear()
        shared = SharedScheduler(site.scheduler, "submit", SILENT, times=0)
        assert (await site.watch(workflow_id, shared)).verdict is Verdict.SUCCEEDED
        rows = await site.client.list_allocations(workflow_id)
        assert [row.scheduler_id for row in rows] == [1, 2]
        assert site.scheduler.canceled == [1, 3]


async def test_process_that_lost_its_lease_while_it_submitted_looks_once_more(
    open_site: "OpenSite",
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await end_of_first_worker(site, "a")
        shared = SharedScheduler(site.scheduler, "submit", SILENT, times=0, lost=LeaseLost())
        with pytest.raises(LeaseLost):
            await site.watch(workflow_id, shared)
        assert site.scheduler.canceled == [1, 3]
        assert len(await site.client.list_allocations(workflow_id)) == 1


@pytest.mark.parametrize("once", [True, False])
async def test_submission_of_a_workflow_that_was_canceled_meanwhile_is_canceled(
    open_site: "OpenSite", *, once: bool
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await end_of_first_worker(site, "a")
        silent = FailingScheduler(site.scheduler, "submit", SILENT, takes_effect=True, times=1)
        await site.watch(workflow_id, silent, once=True, patience=0)
        site.scheduler.canceled.clear()
        await site.client.transport.put(f"/workflows/{workflow_id}/cancel")
        ended = await site.watch(workflow_id, once=once)
        assert ended.verdict is Verdict.HANDED_OVER
        assert "was canceled" in ended.reason
        assert site.scheduler.canceled == [2]


@pytest.mark.parametrize("settings", [None, RecoverySettings()])
@pytest.mark.parametrize("once", [True, False])
async def test_workflow_whose_allocations_never_start_is_stuck(
    open_site: "OpenSite", settings: RecoverySettings | None, *, once: bool
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        site.scheduler.queued_in_vain = {1: "PartitionTimeLimit", 2: "PartitionTimeLimit"}
        workflow_id = await site.submit(["a"], allocations=2)
        ended = await site.watch(workflow_id, recovery=settings, once=once)
        assert ended.verdict is Verdict.STUCK
        assert "Allocations 1, 2: PartitionTimeLimit. After `scancel 1 2`" in ended.reason
        assert len(site.seen(events.AllocationUnstartable)) == 2


async def test_allocation_that_cannot_start_for_a_moment_is_waited_for(
    open_site: "OpenSite",
) -> None:
    """It ends later without having run anything, and another one takes its place."""
    async with open_site(scheduler_type="slurm") as site:
        site.scheduler.queued_in_vain = {1: "PartitionConfig"}
        workflow_id = await site.submit(["a"])
        async with anyio.create_task_group() as tasks:

            async def let_nodes_return() -> None:
                await anyio.sleep(30)
                site.scheduler.queued_in_vain.clear()
                await anyio.sleep(30)
                site.scheduler.known_states[1] = AllocationState.GONE

            tasks.start_soon(let_nodes_return)
            ended = await site.watch(workflow_id, poll_interval=5)
        assert ended.verdict is Verdict.SUCCEEDED


async def test_allocation_that_never_starts_is_reported_once_beside_others(
    open_site: "OpenSite",
) -> None:
    """When the others are done, it does not matter any more."""
    async with open_site(scheduler_type="slurm") as site:
        site.scheduler.endings = {"a": [(0, None, 1000.0)]}
        site.scheduler.queued_in_vain = {1: "PartitionTimeLimit"}
        workflow_id = await site.submit(["a"], allocations=2)
        ended = await site.watch(workflow_id)
        assert ended.verdict is Verdict.SUCCEEDED
        assert len(site.seen(events.Polled)) > 10
        (reported,) = site.seen(events.AllocationUnstartable)
        assert reported.status.detail == "PartitionTimeLimit"


async def test_slow_query_is_one_for_all_workflows_and_delays_no_poll(
    open_site: "OpenSite",
) -> None:
    """However few may poll the server at once."""
    async with open_site(scheduler_type="slurm") as site:
        site.scheduler.endings = {"a": [(0, None, 1e5)]}
        workflow_ids = [await site.submit(["a"]) for _ in range(20)]
        alone = await site.submit(["b"], allocations=0)
        slow = SlowScheduler(site.scheduler, "statuses", SILENT, times=0)
        requests = [site.request(number) for number in (*workflow_ids, alone)]
        async with site.context(slow) as context:
            with anyio.move_on_after(99):  # of two queries: most watches begin during the first
                await watch_all(requests, context)
        first, *rest = [event.workflow_id for event in site.seen(events.Polled)]
        assert first == alone
        assert {*rest} >= {*workflow_ids}
        assert slow.queries <= 3


async def test_what_allocations_wait_for_is_reported_once(open_site: "OpenSite") -> None:
    reasons = ["its partition is closed", "its partition is closed", "nodes are down", ""]
    answers = [AllocationStatus(state=AllocationState.ALIVE, detail=each) for each in reasons]
    async with open_site(scheduler_type="slurm") as site:
        site.scheduler.endings = {"a": [(0, None, 1000.0)]}
        workflow_id = await site.submit(["a"], allocations=2)
        delaying = DelayingScheduler(site.scheduler, "statuses", SILENT, times=0, answers=answers)
        assert (await site.watch(workflow_id, delaying)).verdict is Verdict.SUCCEEDED
        told = [
            (event.scheduler_ids, event.detail) for event in site.seen(events.AllocationsWaiting)
        ]
        assert told == [((1, 2), "its partition is closed"), ((1,), "nodes are down")]


@pytest.mark.parametrize(("polls", "times"), [(1, 0), (4, 1)])
async def test_silence_about_an_end_is_reported_when_it_lasts(
    open_site: "OpenSite", polls: int, times: int
) -> None:
    answers = [AllocationStatus(state=AllocationState.UNKNOWN, detail="no accounting")] * polls
    async with open_site(scheduler_type="slurm") as site:
        site.scheduler.endings = {"a": [(0, None, 1000.0)]}
        workflow_id = await site.submit(["a"])
        delaying = DelayingScheduler(site.scheduler, "statuses", SILENT, times=0, answers=answers)
        assert (await site.watch(workflow_id, delaying)).verdict is Verdict.SUCCEEDED
        assert [told.detail for told in site.seen(events.AllocationsUnclear)] == [
            "no accounting"
        ] * times


@pytest.mark.parametrize(
    ("polls", "verdict"), [(3, Verdict.RESUBMITTED), (100, Verdict.HANDED_OVER)]
)
async def test_one_round_alone_waits_for_late_accounting(
    open_site: "OpenSite", polls: int, verdict: Verdict
) -> None:
    """As right after the user has canceled what is left."""
    late = AllocationStatus(state=AllocationState.UNKNOWN, detail="accounting is late")
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await end_of_first_worker(site, "a")
        delaying = DelayingScheduler(
            site.scheduler, "statuses", SILENT, times=0, answers=[late] * polls
        )
        ended = await site.watch(workflow_id, delaying, once=True, poll_interval=1)
        assert ended.verdict is verdict
        assert len(site.seen(events.Polled)) < 60
        assert len(site.seen(events.AllocationsUnclear)) == 1


async def test_canceled_allocation_that_would_never_have_started_is_submitted_again(
    open_site: "OpenSite",
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        site.scheduler.queued_in_vain = {1: "PartitionTimeLimit"}
        workflow_id = await site.submit(["a"])
        assert (await site.watch(workflow_id)).verdict is Verdict.STUCK
        site.scheduler.known_states[1] = AllocationState.GONE
        assert (await site.watch(workflow_id)).verdict is Verdict.SUCCEEDED
        assert len(site.scheduler.requests) == 2


async def test_worker_elsewhere_that_holds_a_job_is_awaited(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site:
        site.scheduler.queued_in_vain = {1: "PartitionTimeLimit"}
        workflow_id = await site.submit(["a"])
        worker, node = RunnerApi(site.client.transport), WorkerResources(num_cpus=1, memory=GIB)
        node_id = await worker.register_node(
            workflow_id,
            hostname="elsewhere",
            pid=1,
            started_at=datetime.now(UTC),
            resources=node,
            allocation=None,
        )
        (claimed,) = await worker.claim_jobs(workflow_id, node, limit=1)
        await worker.start_job(claimed.job.id, run_id=1, node_id=node_id)
        with anyio.move_on_after(3600):
            pytest.fail(str(await site.watch(workflow_id)))
        assert len(site.seen(events.Polled)) > 50


async def test_action_that_becomes_due_during_a_round_is_left_to_the_workers(
    open_site: "OpenSite",
) -> None:
    """The allocations run already when the round is continued."""
    async with open_site(scheduler_type="slurm") as site:
        site.scheduler.deaths = {1: "running"}
        site.scheduler.endings = {"later": [(0, None, 1000.0)] * 2}
        workflow_id = await site.submit(["a", "later"], after={"later": "a"})
        await site.scheduler.rest()
        later = (await site.client.list_jobs(workflow_id))[-1]
        await site.client.transport.post(
            f"/workflows/{workflow_id}/actions",
            body={
                "workflow_id": workflow_id,
                "trigger_type": "on_jobs_ready",
                "action_type": "schedule_nodes",
                "action_config": {"scheduler_type": "slurm", "scheduler_id": 1},
                "job_ids": [later.id],
            },
        )
        failing = FailingScheduler(site.scheduler, "release", SILENT, takes_effect=True, times=10)
        ended = await site.watch(workflow_id, failing)
        assert (ended.verdict, failing.times) == (Verdict.SUCCEEDED, 0)
        (action,) = await site.client.transport.get(f"/workflows/{workflow_id}/actions")
        assert action["trigger_count"] == action["required_triggers"]
        assert not action["executed"]


async def test_other_partition_that_refuses_a_job_leaves_the_rest_to_run(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its admission does not tell, for example, which features it has."""
    async with open_site(scheduler_type="slurm") as site:
        usual = NodeClass(num_cpus=10, memory=64 * MIB, partition="usual")
        big = replace(usual, partition="big", memory=8 * GIB, is_default=False)
        site.scheduler.nodes = (usual, replace(big, admission=Admission()))
        site.scheduler.endings = {"a": [(137, 65 * MIB, 10.0)], "b": [(1, None, 10.0)]}
        workflow_id = await site.submit(["a", "b"])
        await site.scheduler.rest()
        submit = site.scheduler.submit

        async def refuse_other(spec: AllocationSpec, work: WorkerAssignment) -> int:
            if "--partition=big" in spec.options:
                raise SchedulerError("Invalid feature specification")
            return await submit(spec, work)

        monkeypatch.setattr(site.scheduler, "submit", refuse_other)
        await site.watch(workflow_id)

        assert ("b", 2, 0) in await site.results(workflow_id)
        assert "Invalid feature" in site.seen(events.SubmissionCutShort)[0].reason


async def test_round_waits_for_its_output_folder(open_site: "OpenSite", tmp_path: Path) -> None:
    """No retry is spent on jobs that could not write their output."""
    folder = tmp_path / "output"
    folder.write_text("a file is in the way")
    async with open_site() as site:
        site.scheduler.endings = {"a": [(1, None, 10.0)]}
        workflow_id = await site.submit(["a"])
        async with anyio.create_task_group() as tasks:

            async def make_room() -> None:
                await anyio.sleep(3600)
                folder.unlink()

            tasks.start_soon(make_room)
            ended = await site.watch(workflow_id, output_dir=folder)

        assert ended.verdict is Verdict.SUCCEEDED
        assert f"{folder} cannot be used: Not a directory" in site.seen(events.PollFailed)[0].reason
        assert folder.is_dir()
        assert await site.results(workflow_id) == [("a", 1, 1), ("a", 2, 0)]
