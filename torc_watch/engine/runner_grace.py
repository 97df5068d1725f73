"""Lets Torc's runner report the jobs of an allocation that Slurm ends."""

from torc_watch.core import events
from torc_watch.core.errors import (
    SchedulerError,
    SchedulerUnreachable,
    ServerError,
    ServerUnreachable,
)
from torc_watch.core.model import Workflow
from torc_watch.core.sigterm_lead import fitting_lead, may_set_lead
from torc_watch.engine.messages import EngineContext
from torc_watch.schedulers.base import Scheduler
from torc_watch.schedulers.cluster import StatusCache
from torc_watch.torc.api_version import ApiVersion
from torc_watch.torc.client import TorcClient


async def fit_sigterm_lead(
    context: EngineContext, workflow: Workflow, scheduler: StatusCache
) -> None:
    """Sets the workflow's lead to less than the scheduler waits; repeatable.

    Raises SchedulerUnreachable and ServerUnreachable. A refusal is only reported: without the lead
    the jobs of an allocation that is ended become orphans, which a round recovers as well.
    """
    try:
        lead = await set_fitting_lead(context.client, workflow, scheduler)
    except (SchedulerUnreachable, ServerUnreachable):
        raise
    except (SchedulerError, ServerError) as error:
        context.report(events.SigtermLeadRefused(workflow_id=workflow.id, reason=str(error)))
    else:
        if lead is not None:
            context.report(events.SigtermLeadSet(workflow_id=workflow.id, seconds=lead))


async def set_fitting_lead(
    client: TorcClient, workflow: Workflow, scheduler: Scheduler | StatusCache
) -> int | None:
    """The lead in seconds; None where it was right. Raises SchedulerError and ServerError."""
    if client.api_version is ApiVersion.V0_12 or not may_set_lead(workflow):
        return None
    kill_wait = await scheduler.kill_wait()
    lead = None if kill_wait is None else fitting_lead(kill_wait)
    if lead is None or not await client.set_sigterm_lead(workflow.id, lead):
        return None
    return lead
