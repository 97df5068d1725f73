"""What is left of a failed attempt is ended before its job runs again beside others."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGKILL
from typing import TYPE_CHECKING

import anyio
import pytest

from tests.rigs.driven_worker import (
    Worker,
    rounds,
    start_worker,
    statuses,
    watched_with_worker,
)
from tests.rigs.virtual_clock import virtual_now
from torc_watch.core import events
from torc_watch.core.allocation import AllocationState
from torc_watch.core.errors import LeaseLost, SchedulerError
from torc_watch.core.model import JobStatus
from torc_watch.core.recovery_round import RoundOutcome
from torc_watch.core.units import GIB, MIB
from torc_watch.engine.supervisor import watch_workflow
from torc_watch.schedulers.base import EndedAttempts
from torc_watch.torc.runner_api import RunnerApi, WorkerResources

if TYPE_CHECKING:
    from tests.conftest import OpenSite, Site

pytestmark = pytest.mark.looptime

RETRIED = ("ready", 2)
WAITS = ("failed", 1)


def looks(site: "Site") -> list[tuple[int, dict[int, int]]]:
    """The allocation, and the attempt of each job, of each look."""
    return [(number, dict(each.attempts)) for number, each in site.scheduler.ended_attempts]


def paths(site: "Site", word: str) -> list[str]:
    return [path for _, _, path in site.line.sent if word in path]


async def test_remnants_of_a_batch_are_ended_at_once_before_its_retries(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watched_with_worker(open_site, ["other", "a", "b"]) as (site, workflow_id, worker):
        site.scheduler.remnants = 3
        retried_before = []
        end_remnants = site.scheduler.end_remnants

        async def end(number: int, attempts: EndedAttempts) -> int:
            retried_before.extend(paths(site, "/retry/"))
            return await end_remnants(number, attempts)

        monkeypatch.setattr(site.scheduler, "end_remnants", end)
        await worker.fail("a")
        await worker.fail("b")
        await anyio.sleep(5)
        ids = {name: worker.jobs[name].job.id for name in ("a", "b")}
        assert looks(site) == [(99, {ids["a"]: 1, ids["b"]: 1})]
        assert retried_before == []
        _, attempts = site.scheduler.ended_attempts[0]
        url = site.client.transport.connection.url
        assert (attempts.server, attempts.workflow_id, attempts.run_id) == (url, workflow_id, 1)
        found = await statuses(site, workflow_id)
        assert (found["a"], found["b"]) == (RETRIED, RETRIED)
        assert [each.processes for each in site.seen(events.RemnantsEnded)] == [3]


async def test_nothing_is_told_where_nothing_was_left(open_site: "OpenSite") -> None:
    async with watched_with_worker(open_site, ["other", "a"]) as (site, workflow_id, worker):
        await worker.fail("a")
        await anyio.sleep(5)
        assert (await statuses(site, workflow_id))["a"] == RETRIED
        assert not site.seen(events.RemnantsEnded)
        assert not site.seen(events.RemnantsUnclear)


async def test_job_of_which_something_may_be_left_waits_for_rest(open_site: "OpenSite") -> None:
    """Nothing of it is changed meanwhile, and nobody looks again."""
    async with watched_with_worker(open_site, ["other", "a"]) as (site, workflow_id, worker):
        before = (await site.requirements(workflow_id))["a"]
        site.scheduler.why_unsure = "srun did not answer"
        await worker.fail("a")
        await anyio.sleep(600)
        assert (await statuses(site, workflow_id))["a"] == WAITS
        assert (await site.requirements(workflow_id))["a"] == before
        assert len(looks(site)) == 1
        (unclear,) = site.seen(events.RemnantsUnclear)
        assert (unclear.jobs, unclear.reason) == (1, "srun did not answer")
        assert not site.seen(events.RecoveryPlanned)
        (round_,) = rounds(site, workflow_id)
        assert round_.outcome == RoundOutcome.DECLINED

        await worker.end("other", JobStatus.COMPLETED)
        site.scheduler.known_states[99] = AllocationState.GONE
        await anyio.sleep(200)
        (planned,) = site.seen(events.RecoveryPlanned)
        assert not planned.plan.in_place
        assert (await site.requirements(workflow_id))["a"].memory == 120 * MIB  # not twice as much
        assert ("a", 2, 0) in await site.results(workflow_id)


async def test_kind_waits_for_rest_with_its_scout(open_site: "OpenSite") -> None:
    names = [f"a{number}" for number in range(5)]
    async with watched_with_worker(open_site, ["other", *names]) as (site, workflow_id, worker):
        site.scheduler.why_unsure = "srun did not answer"
        for name in names:
            await worker.fail(name)
        await anyio.sleep(600)
        found = await statuses(site, workflow_id)
        assert {found[name] for name in names} == {WAITS}
        assert len(looks(site)) == 1


async def test_others_of_the_batch_do_not_wait_for_it(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site, anyio.create_task_group() as tasks:
        workflow_id = await site.submit(["other", "a", "b"], allocations=0)
        worker = await start_worker(site, workflow_id)
        await worker.claim()
        elsewhere = await worker_outside(site, workflow_id, "another-machine")
        elsewhere.jobs = worker.jobs
        await elsewhere.fail("a")
        await worker.fail("b")
        tasks.start_soon(site.watch, workflow_id)
        await anyio.sleep(5)
        found = await statuses(site, workflow_id)
        assert (found["a"], found["b"]) == (WAITS, RETRIED)
        (unclear,) = site.seen(events.RemnantsUnclear)
        assert unclear.reason == "it ran on another-machine, outside of Slurm"
        (planned,) = site.seen(events.RecoveryPlanned)
        assert [each.job_name for each in planned.plan.retries] == ["b"]
        b = worker.jobs["b"].job.id
        assert [each.job_ids for each in planned.plan.adjustments] == [(b,)]
        tasks.cancel_scope.cancel()


async def test_what_several_allocations_had_left_is_counted_together(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are asked at the same time, and their answers take a moment."""
    async with open_site(scheduler_type="slurm") as site, anyio.create_task_group() as tasks:
        workflow_id = await site.submit(["other", "a", "b"], allocations=0)
        first, second = [await start_worker(site, workflow_id, number) for number in (98, 99)]
        await first.claim()
        second.jobs = first.jobs
        end_remnants, site.scheduler.remnants = site.scheduler.end_remnants, 3

        async def end(number: int, attempts: EndedAttempts) -> int:
            await anyio.sleep(0.1)
            return await end_remnants(number, attempts)

        monkeypatch.setattr(site.scheduler, "end_remnants", end)
        await first.fail("a")
        await second.fail("b")
        tasks.start_soon(site.watch, workflow_id)
        await anyio.sleep(5)
        assert [each.processes for each in site.seen(events.RemnantsEnded)] == [6]
        tasks.cancel_scope.cancel()


@contextmanager
def sleeping(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["/bin/sleep", "600"], env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.usefixtures("no_threads")
async def test_worker_of_this_machine_outside_of_slurm(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site, anyio.create_task_group() as tasks:
        workflow_id = await site.submit(["other", "a"], allocations=0)
        worker = await start_worker(site, workflow_id)
        await worker.claim()
        here = await worker_outside(site, workflow_id, socket.gethostname())
        here.jobs = worker.jobs
        await here.fail("a")
        environment = {
            "TORC_API_URL": site.client.transport.connection.url,
            "TORC_WORKFLOW_ID": str(workflow_id),
            "TORC_JOB_ID": str(worker.jobs["a"].job.id),
            "TORC_ATTEMPT_ID": "1",
        }
        with sleeping(environment) as process:
            tasks.start_soon(site.watch, workflow_id)
            await anyio.sleep(5)
            assert process.poll() == -SIGKILL
        assert (await statuses(site, workflow_id))["a"] == RETRIED
        assert [each.processes for each in site.seen(events.RemnantsEnded)] == [1]
        tasks.cancel_scope.cancel()


async def worker_outside(site: "Site", workflow_id: int, hostname: str) -> Worker:
    """A worker that no allocation has."""
    node_id = await RunnerApi(site.client.transport).register_node(
        workflow_id,
        hostname=hostname,
        pid=2**22 + 1,  # no process has it
        started_at=virtual_now(),
        resources=WorkerResources(num_cpus=1, memory=GIB),
        allocation=None,
    )
    return Worker(site=site, workflow_id=workflow_id, node_id=node_id)


@pytest.mark.parametrize(
    ("state", "looked", "status"),
    [
        (AllocationState.ALIVE, 1, RETRIED),
        (AllocationState.GONE, 0, RETRIED),  # and with it all that ran there
        (AllocationState.UNKNOWN, 0, WAITS),  # its node failed, for example
    ],
)
async def test_only_an_allocation_that_lives_is_looked_at(
    open_site: "OpenSite", state: AllocationState, looked: int, status: tuple[str, int]
) -> None:
    async with open_site(scheduler_type="slurm") as site, anyio.create_task_group() as tasks:
        workflow_id = await site.submit(["other", "a"], allocations=0)
        worker, first = [await start_worker(site, workflow_id, number) for number in (99, 98)]
        await worker.claim()
        first.jobs = worker.jobs
        await first.fail("a")
        site.scheduler.known_states[98] = state
        tasks.start_soon(site.watch, workflow_id)
        await anyio.sleep(5)
        assert [number for number, _ in looks(site)] == [98] * looked
        assert (await statuses(site, workflow_id))["a"] == status
        tasks.cancel_scope.cancel()


async def test_allocation_that_ends_while_it_is_looked_at(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_site(scheduler_type="slurm") as site, anyio.create_task_group() as tasks:
        workflow_id = await site.submit(["other", "a"], allocations=0)
        worker, first = [await start_worker(site, workflow_id, number) for number in (99, 98)]
        await worker.claim()
        first.jobs = worker.jobs
        await first.fail("a")

        async def fail(number: int, _attempts: EndedAttempts) -> int:
            await anyio.sleep(1)
            site.scheduler.known_states[number] = AllocationState.GONE
            raise SchedulerError("Slurm job 98 has expired")

        monkeypatch.setattr(site.scheduler, "end_remnants", fail)
        tasks.start_soon(site.watch, workflow_id)
        await anyio.sleep(5)
        assert (await statuses(site, workflow_id))["a"] == RETRIED
        assert not site.seen(events.RemnantsUnclear)
        tasks.cancel_scope.cancel()


async def test_slurm_has_ended_all_of_a_job_that_was_a_step(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site, anyio.create_task_group() as tasks:
        workflow_id = await site.submit(["other", "a"], allocations=0)
        body = {"name": "w", "user": "ada", "execution_config": {"mode": "slurm"}}
        await site.client.transport.put(f"/workflows/{workflow_id}", body=body)
        worker = await start_worker(site, workflow_id)
        await worker.claim()
        await worker.fail("a")
        tasks.start_soon(site.watch, workflow_id)
        await anyio.sleep(5)
        assert looks(site) == []
        assert (await statuses(site, workflow_id))["a"] == RETRIED
        tasks.cancel_scope.cancel()


async def test_look_has_a_time_limit(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watched_with_worker(open_site, ["other", "a"]) as (site, workflow_id, worker):

        async def hang(_number: int, _attempts: EndedAttempts) -> int:
            await anyio.sleep_forever()
            raise AssertionError

        monkeypatch.setattr(site.scheduler, "end_remnants", hang)
        await worker.fail("a")
        await anyio.sleep(60)
        (unclear,) = site.seen(events.RemnantsUnclear)
        assert "in time" in unclear.reason
        assert (await statuses(site, workflow_id))["a"] == WAITS


async def test_watch_that_dies_while_it_looks_looks_again(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await site.submit(["other", "a"], allocations=0)
        worker = await start_worker(site, workflow_id)
        await worker.claim()
        await worker.fail("a")
        begun = anyio.Event()

        async def die(_number: int, _attempts: EndedAttempts) -> int:
            begun.set()
            await anyio.sleep_forever()
            raise AssertionError

        with monkeypatch.context() as patch:
            patch.setattr(site.scheduler, "end_remnants", die)
            async with anyio.create_task_group() as process:
                process.start_soon(site.watch, workflow_id)
                await begun.wait()
                process.cancel_scope.cancel()
        assert paths(site, "/retry/") == []
        async with anyio.create_task_group() as process:
            process.start_soon(site.watch, workflow_id)
            await anyio.sleep(5)
            process.cancel_scope.cancel()
        assert len(looks(site)) == 1
        assert (await statuses(site, workflow_id))["a"] == RETRIED


async def test_nothing_is_ended_without_the_lease(open_site: "OpenSite") -> None:
    async def refuse() -> None:
        raise LeaseLost

    async with open_site(scheduler_type="slurm") as site:
        workflow_id = await site.submit(["other", "a"], allocations=0)
        worker = await start_worker(site, workflow_id)
        await worker.claim()
        await worker.fail("a")
        async with site.context(before_change=refuse) as context:
            with pytest.raises(LeaseLost):
                await watch_workflow(site.request(workflow_id), context)
        assert looks(site) == []
