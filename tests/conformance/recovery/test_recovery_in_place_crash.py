"""A watch that dies while it retries jobs beside others: the next one finishes the round."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from tests.rigs.driven_worker import Worker, start_worker
from torc_watch.core.model import JobStatus
from torc_watch.daemon.watch_history import watches_of
from torc_watch.torc.requests import NewJob

if TYPE_CHECKING:
    from tests.conftest import Forward, OpenSite, Site

pytestmark = [pytest.mark.looptime, pytest.mark.timeout(300)]

CHANGES = 7  # a row, two jobs move to it, one is held, its child waits, both run again


@dataclass
class Death:
    """Of the watch, at its change number ``at``: the request never arrives, or is not answered."""

    at: int
    answer_is_lost: bool
    changes: list[str] = field(default_factory=list)
    happened: anyio.Event = field(default_factory=anyio.Event)

    async def answer(self, request: httpx.Request, forward: "Forward") -> httpx.Response:
        if request.method == "GET":
            return await forward(request)
        self.changes.append(f"{request.method} {request.url.path}")
        if len(self.changes) < self.at:
            return await forward(request)
        if len(self.changes) == self.at and self.answer_is_lost:
            await forward(request)
        self.happened.set()
        await anyio.sleep_forever()
        raise AssertionError


async def prepare(site: "Site") -> tuple[int, Worker]:
    """``a`` and ``b`` lacked memory, and the child of ``a`` is canceled; ``other`` runs."""
    workflow_id = await site.submit(["other", "a", "b"], allocations=0)
    row = (await site.client.list_requirements(workflow_id))[-1].id
    a = next(job.id for job in await site.client.list_jobs(workflow_id) if job.name == "a")
    child = NewJob(name="child", command="true", requirements_id=row, depends_on_job_ids=(a,))
    await site.client.create_jobs(workflow_id, [child])
    await site.client.initialize_jobs(workflow_id)
    worker = await start_worker(site, workflow_id)
    await worker.claim()
    for name in ("a", "b"):
        await worker.fail(name)
    await anyio.sleep(40)
    return workflow_id, worker


async def watch_until(site: "Site", workflow_id: int, death: Death) -> None:
    site.line.fault = death.answer
    async with anyio.create_task_group() as process:
        process.start_soon(site.watch, workflow_id)
        with anyio.move_on_after(30):
            await death.happened.wait()
        process.cancel_scope.cancel()
    site.line.fault = None


@pytest.mark.parametrize("at", range(1, CHANGES + 1))
@pytest.mark.parametrize("answer_is_lost", [False, True])
async def test_next_watch_finishes_the_round(
    open_site: "OpenSite", at: int, answer_is_lost: bool
) -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id, worker = await prepare(site)
        death = Death(at, answer_is_lost)
        await watch_until(site, workflow_id, death)
        assert death.happened.is_set(), death.changes
        await anyio.sleep(100)  # the server looks at dependents meanwhile
        async with anyio.create_task_group() as process:
            process.start_soon(site.watch, workflow_id)
            await anyio.sleep(30)
            process.cancel_scope.cancel()
        jobs = {job.name: job for job in await site.client.list_jobs(workflow_id)}
        found = {name: (job.status, job.attempt) for name, job in jobs.items()}
        assert found == {
            "other": (JobStatus.RUNNING, 1),
            "a": (JobStatus.READY, 2),
            "b": (JobStatus.READY, 2),
            "child": (JobStatus.BLOCKED, 1),
        }
        assert len({jobs[name].requirements_id for name in "ab"}) == 1
        assert jobs["a"].requirements_id != jobs["other"].requirements_id
        (watch,) = watches_of(site.directory, workflow_id)
        assert [each.outcome for each in watch.rounds] == ["continued"]
        assert sorted(await worker.claim()) == ["a", "b"]


async def test_number_of_changes(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site:
        workflow_id, _ = await prepare(site)
        death = Death(CHANGES + 1, answer_is_lost=False)
        await watch_until(site, workflow_id, death)
        assert len(death.changes) == CHANGES


async def test_job_that_a_worker_runs_is_not_taken_for_one_that_was_held(
    open_site: "OpenSite",
) -> None:
    """A user reset it after the watch died."""
    async with open_site(scheduler_type="slurm") as site:
        workflow_id, worker = await prepare(site)
        await watch_until(site, workflow_id, Death(4, answer_is_lost=False))
        a = worker.jobs["a"].job.id
        await site.client.set_job_status(a, JobStatus.READY, 1)
        assert await worker.claim() == ["a"]
        await watch_until(site, workflow_id, Death(99, answer_is_lost=False))
        job = await site.client.get_job(a)
        assert (job.status, job.attempt) == (JobStatus.RUNNING, 1)
