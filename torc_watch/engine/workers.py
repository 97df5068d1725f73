"""The workers of a workflow: observed, and their jobs released when they are dead."""

from collections.abc import Awaitable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from torc_watch.core import events
from torc_watch.core.allocation import AllocationState
from torc_watch.core.assessment import Observation, Orphans
from torc_watch.core.diagnosis import ORPHANED
from torc_watch.core.errors import Conflict, ServerFault
from torc_watch.core.model import ComputeNode, Job, JobStatus, Workflow
from torc_watch.engine.messages import EngineContext
from torc_watch.schedulers.base import Machine
from torc_watch.schedulers.cluster import Cluster
from torc_watch.torc.client import TorcClient
from torc_watch.torc.requests import NewResult


async def observe(
    client: TorcClient, cluster: Cluster, workflow_id: int, *, with_counts: bool, max_age: float
) -> Observation:
    """What server and schedulers say now; the schedulers' word is at most ``max_age`` s old.

    Raises SchedulerError, ServerError, and NotFound for a deleted workflow.
    """
    workflow = await client.get_workflow(workflow_id)
    counts = await client.count_jobs(workflow_id) if with_counts else None
    allocations = [
        allocation
        for allocation in await client.list_allocations(workflow_id)
        if allocation.is_open
    ]
    observation = Observation(
        workflow=workflow,
        counts=counts,
        allocations=await cluster.statuses(allocations, max_age=max_age),
    )
    if observation.may_have_workers and not observation.waits_in_vain:
        return observation
    # Also of a complete workflow: a worker that has yet to notice would claim jobs of the next run.
    unmanaged, idle_elsewhere = await _unmanaged_workers(client, cluster.machine, workflow_id)
    observation = replace(
        observation, unmanaged_workers=tuple(unmanaged), idle_elsewhere=tuple(idle_elsewhere)
    )
    if observation.may_have_workers:
        return observation
    return replace(observation, is_complete=await client.is_complete(workflow_id))


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


async def find_orphans(client: TorcClient, observation: Observation) -> Orphans:
    """What dead workers left behind, given that ``observation`` saw nothing alive. Only reads."""
    workflow_id = observation.workflow.id
    dead = {node.id for node, _ in observation.unmanaged_workers}
    dead |= {node.id for node in observation.idle_elsewhere}
    nodes = await client.list_compute_nodes(workflow_id)
    open_nodes = tuple(
        node
        for node in nodes
        if not node.has_ended and (node.allocation_id is not None or node.id in dead)
    )
    running = await client.list_jobs(workflow_id, JobStatus.RUNNING) if nodes else []
    holders = await _holders(client, workflow_id, open_nodes) if running else {}
    return Orphans(
        # A result must name a node: any will do for a job whose own has deregistered.
        running=tuple((job, holders.get(job.id, nodes[-1].id)) for job in running),
        claimed=tuple(await client.list_jobs(workflow_id, JobStatus.PENDING)),
        nodes=open_nodes,
        allocations=tuple(allocation for allocation, _ in observation.allocations),
    )


async def _holders(
    client: TorcClient, workflow_id: int, nodes: Iterable[ComputeNode]
) -> dict[int, int]:
    """The node (value) that has each job (key)."""
    return {
        job.id: node.id
        for node in nodes
        for job in await client.list_active_jobs_on(node.id, workflow_id)
    }


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
        for job, node_id in orphans.running:
            await self._fail(job, _orphaned(job, workflow.id, workflow.run_id, node_id))
        for job in orphans.claimed:
            await _unless_done(
                self._client.set_job_status(job.id, JobStatus.READY, workflow.run_id)
            )
        for node in orphans.nodes:
            await self._client.end_compute_node(workflow.id, node.id)
        for allocation in orphans.allocations:
            await self._client.set_allocation_status(allocation, "complete")

    async def _end_processes(self, orphans: Orphans, workflow_id: int) -> None:
        jobs = [job.id for job, _ in orphans.running] + [job.id for job in orphans.claimed]
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


def _orphaned(job: Job, workflow_id: int, run_id: int, node_id: int) -> NewResult:
    return NewResult(
        workflow_id=workflow_id,
        run_id=run_id,
        attempt=job.attempt,
        compute_node_id=node_id,
        status=JobStatus.FAILED,
        return_code=ORPHANED,
        exec_seconds=0,
        completed_at=datetime.now(UTC),
    )


async def _unless_done(change: Awaitable[None]) -> None:
    """It may have been done already, perhaps by us before a crash."""
    with suppress(Conflict):
        await change
