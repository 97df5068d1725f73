"""The next round of recovery, decided on what server and scheduler say."""

from uuid import uuid4

from torc_watch.core import policy
from torc_watch.core.model import Workflow
from torc_watch.core.policy import Plan, RecoverySettings, Refusal, Situation
from torc_watch.engine.scheduling import Scheduler
from torc_watch.engine.watch import Diagnosis
from torc_watch.torc.client import TorcClient


async def make_plan(
    client: TorcClient,
    scheduler: Scheduler,
    *,
    workflow: Workflow,
    diagnosis: Diagnosis,
    rounds_used: int,
    settings: RecoverySettings,
) -> Plan | Refusal:
    """What the next round would do. Reads only, so that a dry run is this and nothing more.

    ``workflow`` is as it was when it was diagnosed: a run that somebody starts now is no part of
    the plan, and ends it.
    """
    shapes = await client.list_local_schedulers(workflow.id)
    return policy.plan(
        Situation(
            workflow=workflow,
            counts=diagnosis.counts,
            findings=diagnosis.findings,
            rounds_used=rounds_used,
            shape=max(shapes, key=lambda shape: shape.id, default=None),
            capacity=await scheduler.capacity(),
            allocation_stem=f"torc-wf{workflow.id}-{uuid4().hex[:12]}",
        ),
        settings,
    )
