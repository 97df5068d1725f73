"""A worker whose jobs a test starts and ends."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from tests.rigs.virtual_clock import virtual_now
from torc_watch.core.allocation import AllocationState
from torc_watch.core.model import JobStatus
from torc_watch.core.past_watch import PastRound
from torc_watch.core.units import GIB, MIB
from torc_watch.daemon.watch_history import watches_of
from torc_watch.torc.requests import NewResult
from torc_watch.torc.runner_api import ClaimedJob, RunnerApi, WorkerResources

if TYPE_CHECKING:
    from tests.conftest import OpenSite, Site


@dataclass(kw_only=True)
class Worker:
    """One whose jobs the test ends."""

    site: "Site"
    workflow_id: int
    node_id: int
    jobs: dict[str, ClaimedJob] = field(default_factory=dict)

    async def claim(self, limit: int = 1000) -> list[str]:
        api = RunnerApi(self.site.client.transport)
        room = WorkerResources(num_cpus=1000, memory=100 * GIB)
        claimed = await api.claim_jobs(self.workflow_id, room, limit=limit)
        for job in claimed:
            await api.start_job(job.job.id, run_id=1, node_id=self.node_id)
        self.jobs |= {job.job.name: job for job in claimed}
        return [job.job.name for job in claimed]

    async def fail(self, name: str, code: int = 137, seconds: float = 10.0) -> None:
        await self.end(name, JobStatus.FAILED, code, seconds)

    async def end(
        self,
        name: str,
        status: JobStatus,
        code: int = 0,
        seconds: float = 10.0,
        peak: int | None = None,
    ) -> None:
        job = self.jobs[name].job
        result = NewResult(
            workflow_id=self.workflow_id,
            run_id=1,
            attempt=job.attempt,
            compute_node_id=self.node_id,
            status=status,
            return_code=code,
            exec_seconds=seconds,
            completed_at=virtual_now(),
            peak_memory=80 * MIB if code == 137 else peak,
        )
        await self.site.client.complete_job(job.id, result)


async def start_worker(site: "Site", workflow_id: int, number: int = 99) -> Worker:
    """In an allocation that lives until the test ends it."""
    row = await site.create_row(workflow_id, mem="100g")
    allocation = await site.client.create_allocation(
        workflow_id,
        scheduler_id=number,
        scheduler_config_id=row,
        scheduler_type="slurm",
        status="active",
    )
    site.scheduler.known_states[number] = AllocationState.ALIVE
    found = await site.client.list_allocations(workflow_id)
    node_id = await RunnerApi(site.client.transport).register_node(
        workflow_id,
        hostname="n1",
        pid=number,
        started_at=virtual_now(),
        resources=WorkerResources(num_cpus=1000, memory=100 * GIB),
        allocation=next(each for each in found if each.id == allocation),
    )
    return Worker(site=site, workflow_id=workflow_id, node_id=node_id)


@asynccontextmanager
async def watched_with_worker(
    open_site: "OpenSite", jobs: Sequence[str], **changes: Any
) -> AsyncIterator[tuple["Site", int, Worker]]:
    """All jobs run; the watch has made its first poll."""
    after = changes.pop("after", None)
    async with open_site(scheduler_type="slurm") as site, anyio.create_task_group() as tasks:
        workflow_id = await site.submit(jobs, after=after, allocations=0)
        worker = await start_worker(site, workflow_id)
        await worker.claim()
        tasks.start_soon(partial(site.watch, workflow_id, **changes))
        await anyio.sleep(5)
        yield site, workflow_id, worker
        tasks.cancel_scope.cancel()


async def statuses(site: "Site", workflow_id: int) -> dict[str, tuple[str, int]]:
    """And the attempts, by the job's name."""
    jobs = await site.client.list_jobs(workflow_id)
    return {job.name: (job.status.value, job.attempt) for job in jobs}


def rounds(site: "Site", workflow_id: int) -> tuple[PastRound, ...]:
    (watch,) = watches_of(site.directory, workflow_id)
    return watch.rounds
