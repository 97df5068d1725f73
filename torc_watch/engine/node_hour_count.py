"""How many node hours a workflow has used: asks the server. Only reads."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from torc_watch.core.allocation import AllocationSpec, AllocationState
from torc_watch.core.cancellation import EndedAllocation
from torc_watch.core.model import SLURM, SchedulerConfig
from torc_watch.core.node_hours import NodeHours, most_hours_of, node_hours
from torc_watch.torc.client import TorcClient


async def count_node_hours(
    client: TorcClient,
    workflow_id: int,
    now: datetime,
    allocations: Iterable[EndedAllocation] = (),
    *,
    specs: Mapping[int, AllocationSpec] | None = None,
    configs: Iterable[SchedulerConfig] = (),
) -> NodeHours:
    """``allocations`` are those that may still use some, with what the scheduler says of them.

    ``specs`` are those that were submitted from here, by the scheduler's numbers. Raises
    ServerError.
    """
    rows = {config.id: config for config in configs}
    most = {
        allocation.id: most_hours_of(allocation, specs or {}, rows)
        for allocation, status in allocations
        if allocation.scheduler_type == SLURM and status.state is not AllocationState.GONE
    }
    return node_hours(await client.list_compute_nodes(workflow_id), now, most)
