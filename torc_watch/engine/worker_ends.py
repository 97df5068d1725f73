"""How the workers of some compute nodes ended, as their schedulers have it."""

from collections.abc import Collection, Iterable

from torc_watch.core.cancellation import EndedAllocation
from torc_watch.core.model import ComputeNode
from torc_watch.core.worker_end import WorkerEnd
from torc_watch.schedulers.cluster import Cluster
from torc_watch.torc.client import TorcClient


async def find_worker_ends(
    client: TorcClient,
    cluster: Cluster,
    workflow_id: int,
    nodes: Collection[ComputeNode],
    known: Iterable[EndedAllocation] = (),
) -> dict[int, WorkerEnd]:
    """The end of each node's worker, by the node's ID. Only reads.

    Asks for allocations that are not among the ``known``: those that the server has closed. Raises
    SchedulerError and ServerError.
    """
    allocations = {allocation.id: (allocation, status) for allocation, status in known}
    closed = {node.allocation_id for node in nodes} - {None} - allocations.keys()
    if closed:
        rows = [row for row in await client.list_allocations(workflow_id) if row.id in closed]
        # Not what was seen before: they have just ended, or else the scheduler's word is final.
        for allocation, status in await cluster.statuses(rows, max_age=0):
            allocations[allocation.id] = allocation, status
    return {node.id: _worker_end(node, allocations) for node in nodes}


def _worker_end(node: ComputeNode, allocations: dict[int, EndedAllocation]) -> WorkerEnd:
    if node.allocation_id is None or node.allocation_id not in allocations:
        return WorkerEnd(node=node)
    allocation, status = allocations[node.allocation_id]
    return WorkerEnd(node=node, allocation=allocation, status=status)
