"""One allocation, known to the scheduler and to the server, however often it is asked for."""

from torc_watch.core.allocation import AllocationRequest
from torc_watch.schedulers.base import Scheduler
from torc_watch.torc.client import TorcClient


async def start_allocation(
    client: TorcClient, scheduler: Scheduler, request: AllocationRequest
) -> int:
    """The scheduler's number of the one allocation with this token. Raises SchedulerError.

    Submitted first and told to the server second, since the number comes from the scheduler; a
    crash in between is made good by the next call with the same token.
    """
    number = await scheduler.find(request.token)
    if number is None:
        number = await scheduler.submit(request)
    known = await client.list_allocations(request.workflow_id)
    if not any((a.scheduler_type, a.scheduler_id) == (scheduler.type, number) for a in known):
        await client.create_allocation(
            request.workflow_id,
            scheduler_id=number,
            scheduler_config_id=request.scheduler_config_id,
            scheduler_type=scheduler.type,
        )
    return number
