"""Allocations, known to the scheduler and to the server, however often they are asked for."""

from collections.abc import Callable
from pathlib import Path

from torc_watch.core import events
from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.events import Event
from torc_watch.core.policy import Plan
from torc_watch.schedulers.base import Scheduler, WorkerAssignment
from torc_watch.schedulers.cluster import Cluster
from torc_watch.schedulers.status_cache import StatusCache
from torc_watch.torc.client import TorcClient

_CONFIG_NAME = "torc-watch"


async def start_planned_allocations(
    client: TorcClient,
    cluster: Cluster,
    plan: Plan,
    output_dir: Path,
    report: Callable[[Event], None],
) -> None:
    """All allocations of a plan; repeatable. Raises SchedulerError and ServerError."""
    scheduler = cluster.scheduler(plan.scheduler_type)
    report(events.SubmissionStarted(workflow_id=plan.workflow_id, scheduler=scheduler.type))
    work = WorkerAssignment(
        connection=client.transport.connection,
        workflow_id=plan.workflow_id,
        scheduler_config_id=await _scheduler_config_id(client, plan, scheduler.type),
        output_dir=output_dir,
    )
    for spec in plan.allocations:
        number = await start_allocation(client, scheduler, spec, work)
        report(
            events.AllocationSubmitted(
                workflow_id=plan.workflow_id,
                scheduler=scheduler.type,
                scheduler_id=number,
                token=spec.token,
            )
        )


async def _scheduler_config_id(client: TorcClient, plan: Plan, scheduler_type: str) -> int:
    """The row that allocations must name; a new one for a workflow that never had any."""
    if plan.scheduler_config_id is not None:
        return plan.scheduler_config_id
    configs = await client.list_scheduler_configs(plan.workflow_id, scheduler_type)
    if configs:  # made by this round before a crash
        return configs[-1].id
    return await client.create_scheduler_config(
        plan.workflow_id, scheduler_type, name=_CONFIG_NAME, shape=plan.allocations[0]
    )


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
    if not any((a.scheduler_type, a.scheduler_id) == (scheduler.type, number) for a in known):
        await client.create_allocation(
            work.workflow_id,
            scheduler_id=number,
            scheduler_config_id=work.scheduler_config_id,
            scheduler_type=scheduler.type,
        )
    return number
