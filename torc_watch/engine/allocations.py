"""One allocation, known to the scheduler and to the server, however often it is asked for."""

from torc_watch.core.allocation import AllocationSpec
from torc_watch.schedulers.base import Scheduler, WorkerAssignment
from torc_watch.schedulers.status_cache import StatusCache
from torc_watch.torc.client import TorcClient


async def start_allocation(
    client: TorcClient,
    scheduler: Scheduler | StatusCache,
    spec: AllocationSpec,
    work: WorkerAssignment,
) -> int:
    """The scheduler's number of the one allocation with this token. Raises SchedulerError.

    Submitted first and recorded on the server second, since the number comes from the scheduler; a
    crash in between is repaired by the next call with the same token.
    """
    number = await scheduler.submit(spec, work)
    known = await client.list_allocations(work.workflow_id)
    if not any(
        (each.scheduler_type, each.scheduler_id) == (scheduler.type, number) for each in known
    ):
        await client.create_allocation(
            work.workflow_id,
            scheduler_id=number,
            scheduler_config_id=work.scheduler_config_id,
            scheduler_type=scheduler.type,
        )
    return number
