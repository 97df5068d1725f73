"""One poll of a workflow: a few requests, however many jobs it has."""

from dataclasses import replace

from torc_watch.core.allocation import AllocationState
from torc_watch.core.assessment import OPEN_ALLOCATION, Observation
from torc_watch.core.model import ComputeNode
from torc_watch.schedulers.base import Machine
from torc_watch.schedulers.cluster import Cluster
from torc_watch.torc.client import TorcClient


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
        if allocation.status in OPEN_ALLOCATION
    ]
    observation = Observation(
        workflow=workflow,
        counts=counts,
        allocations=await cluster.statuses(allocations, max_age=max_age),
    )
    if observation.may_have_workers:
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
