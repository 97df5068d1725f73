"""The workers of a workflow: observed, and their jobs released when they are dead."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime

from torc_watch.core import events
from torc_watch.core.allocation import AllocationState, AllocationStatus
from torc_watch.core.assessment import Observation, Orphans
from torc_watch.core.errors import Conflict, ServerFault
from torc_watch.core.model import ComputeNode, Job, JobStatus, Workflow
from torc_watch.core.orphaned_job import OrphanedJob
from torc_watch.engine.messages import EngineContext
from torc_watch.schedulers.base import Machine
from torc_watch.schedulers.cluster import Cluster
from torc_watch.torc.client import TorcClient
from torc_watch.torc.requests import NewResult


async def observe(
    client: TorcClient,
    cluster: Cluster,
    workflow_id: int,
    *,
    with_counts: bool,
    max_age: float,
    silent_nodes_are_off: bool = False,
    while_asking: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
) -> Observation:
    """What server and schedulers say now; the schedulers' word is at most ``max_age`` s old.

    ``while_asking`` is entered while a scheduler is asked, which may take long.
    ``silent_nodes_are_off`` where the user says so, by asking for a round of recovery. Raises
    SchedulerError, ServerError, and NotFound for a deleted workflow.
    """
    workflow = await client.get_workflow(workflow_id)
    counts = await client.count_jobs(workflow_id) if with_counts else None
    allocations = [
        allocation
        for allocation in await client.list_allocations(workflow_id)
        if allocation.is_open
    ]
    async with while_asking():
        statuses = await cluster.statuses(allocations, max_age=max_age)
    if silent_nodes_are_off:
        statuses = tuple((each, _without_silent_nodes(status)) for each, status in statuses)
    observation = Observation(workflow=workflow, counts=counts, allocations=statuses)
    waits = observation.waits_in_vain or observation.awaits_nodes
    if observation.may_have_workers and not waits:
        return observation
    # Also of a complete workflow: a worker that has yet to notice would claim jobs of the next run.
    unmanaged, idle_elsewhere = await _unmanaged_workers(client, cluster.machine, workflow_id)
    observation = replace(
        observation, unmanaged_workers=tuple(unmanaged), idle_elsewhere=tuple(idle_elsewhere)
    )
    if observation.may_have_workers:
        return observation
    return replace(observation, is_complete=await client.is_complete(workflow_id))


def _without_silent_nodes(status: AllocationStatus) -> AllocationStatus:
    if not status.silent_nodes:
        return status
    return replace(status, state=AllocationState.GONE, silent_nodes=())


async def _unmanaged_workers(
    client: TorcClient, machine: Machine, workflow_id: int
) -> tuple[list[tuple[ComputeNode, AllocationState]], list[ComputeNode]]:
    """Workers outside of allocations; apart from them those of other machines that hold no job.

    On another machine nothing more can be asked of a worker.
    """
    unmanaged, idle_elsewhere = [], []
    for node in await client.list_compute_nodes(workflow_id):
        if node.allocation_id is not None or node.has_ended:
            continue
        state = await machine.worker_state(node, workflow_id)
        if state is not None:
            unmanaged.append((node, state))
        elif await client.list_active_jobs_on(node.id, workflow_id):
            unmanaged.append((node, AllocationState.UNKNOWN))
        else:
            idle_elsewhere.append(node)
    return unmanaged, idle_elsewhere


class OrphanRelease:
    def __init__(self, context: EngineContext) -> None:
        self._client = context.client
        self._cluster = context.cluster
        self._report = context.report
        self._before_change = context.before_change

    async def release(self, orphans: Orphans, workflow: Workflow) -> None:
        """Fails the orphaned jobs and closes the rows of their workers; repeatable.

        Raises SchedulerError and ServerError.
        """
        if not orphans:
            return
        self._report(events.OrphansFound(workflow_id=workflow.id, orphans=orphans))
        # Before the jobs may run again: what a dead worker left would run beside them.
        for allocation in orphans.allocations:
            await self._cluster.cancel(allocation)
        await self._end_processes(orphans, workflow.id)
        for orphan in orphans.running:
            await self._fail(orphan.job, _result_of(orphan, workflow))
        for job in orphans.claimed:
            await _unless_done(
                self._client.set_job_status(job.id, JobStatus.READY, workflow.run_id)
            )
        for node in orphans.nodes:
            await self._client.end_compute_node(workflow.id, node.id)
        for allocation in orphans.allocations:
            await self._client.set_allocation_status(allocation, "complete")

    async def _end_processes(self, orphans: Orphans, workflow_id: int) -> None:
        jobs = [orphan.job.id for orphan in orphans.running] + [job.id for job in orphans.claimed]
        if not jobs:
            return
        server = self._client.transport.connection.url
        await self._before_change()
        ended = await self._cluster.machine.end_orphan_processes(server, workflow_id, jobs)
        if ended:
            self._report(events.OrphanProcessesEnded(workflow_id=workflow_id, processes=ended))

    async def _fail(self, job: Job, result: NewResult) -> None:
        try:
            await _unless_done(self._client.complete_job(job.id, result))
        except ServerFault:
            if not await self._client.has_result(job.id, result):
                raise
            # The server takes no second one: the job goes at once to where the round resets it to.
            await self._client.set_job_status(job.id, JobStatus.UNINITIALIZED, result.run_id)


def _result_of(orphan: OrphanedJob, workflow: Workflow) -> NewResult:
    result = orphan.result
    return NewResult(
        workflow_id=workflow.id,
        run_id=result.run_id,
        attempt=result.attempt,
        compute_node_id=orphan.node_id,
        status=result.status,
        return_code=result.return_code,
        exec_seconds=result.exec_seconds,
        completed_at=result.completed or datetime.now(UTC),
    )


async def _unless_done(change: Awaitable[None]) -> None:
    """It may have been done already, perhaps by us before a crash."""
    with suppress(Conflict):
        await change
