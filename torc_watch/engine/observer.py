"""One look at a workflow: a few requests, however many jobs it has."""

from collections.abc import Iterable
from dataclasses import replace

from torc_watch.core.allocation import AllocationFailure, AllocationState
from torc_watch.core.assessment import OPEN_ALLOCATION, Observation, Orphans
from torc_watch.core.model import Allocation, ComputeNode, JobStatus
from torc_watch.schedulers.base import Scheduler
from torc_watch.schedulers.local.unmanaged_workers import find_strays
from torc_watch.torc.client import TorcClient


async def observe(
    client: TorcClient, scheduler: Scheduler, workflow_id: int, *, with_counts: bool
) -> Observation:
    """What server and scheduler say now. Raises ServerError, NotFound for a deleted workflow."""
    workflow = await client.get_workflow(workflow_id)
    counts = await client.count_jobs(workflow_id) if with_counts else None
    allocations = await _open_allocations(client, scheduler, workflow_id)
    observation = Observation(workflow=workflow, counts=counts, allocations=allocations)
    if observation.may_have_workers:
        return observation
    # Also of a complete workflow: one that has yet to notice would claim jobs of the next run.
    strays = await find_strays(client, workflow_id)
    observation = replace(
        observation, unmanaged_workers=strays.known, idle_elsewhere=strays.idle_elsewhere
    )
    if observation.may_have_workers:
        return observation
    return replace(
        observation,
        is_complete=await client.is_complete(workflow_id),
        failures=await _failures(scheduler, allocations),
    )


async def _failures(
    scheduler: Scheduler, allocations: Iterable[tuple[Allocation, AllocationState]]
) -> tuple[AllocationFailure, ...]:
    ours = [each.scheduler_id for each, _ in allocations if each.scheduler_type == scheduler.type]
    failures = [await scheduler.failure(number) for number in ours]
    return tuple(failure for failure in failures if failure)


async def find_orphans(client: TorcClient, observation: Observation) -> Orphans:
    """What dead workers left behind, given that ``observation`` saw nothing alive."""
    workflow_id = observation.workflow.id
    dead_strays = {node.id for node, _ in observation.unmanaged_workers}
    dead_strays |= {node.id for node in observation.idle_elsewhere}
    nodes = await client.list_compute_nodes(workflow_id)
    open_nodes = tuple(
        node
        for node in nodes
        if not node.has_ended and (node.allocation_id is not None or node.id in dead_strays)
    )
    running = await client.list_jobs(workflow_id, JobStatus.RUNNING) if nodes else []
    holders = await _holders(client, workflow_id, open_nodes) if running else {}
    return Orphans(
        # A result must name a node: any will do for a job whose own has said good-bye.
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


async def _open_allocations(
    client: TorcClient, scheduler: Scheduler, workflow_id: int
) -> tuple[tuple[Allocation, AllocationState], ...]:
    open_ones = [
        allocation
        for allocation in await client.list_allocations(workflow_id)
        if allocation.status in OPEN_ALLOCATION
    ]
    ours = [each.scheduler_id for each in open_ones if each.scheduler_type == scheduler.type]
    states = await scheduler.states(ours) if ours else {}
    return tuple(
        (
            allocation,
            states.get(allocation.scheduler_id, AllocationState.UNKNOWN)
            if allocation.scheduler_type == scheduler.type
            else AllocationState.UNKNOWN,
        )
        for allocation in open_ones
    )
