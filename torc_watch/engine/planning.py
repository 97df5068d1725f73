"""The next round of recovery, decided on what server and scheduler say."""

from uuid import uuid4

from torc_watch.core import policy
from torc_watch.core.policy import Plan, RecoverySettings, Refusal, Situation
from torc_watch.engine.scheduling import Scheduler
from torc_watch.engine.watch import Diagnosis
from torc_watch.torc.client import TorcClient


async def make_plan(
    client: TorcClient,
    scheduler: Scheduler,
    *,
    diagnosis: Diagnosis,
    workflow_id: int,
    rounds_used: int,
    settings: RecoverySettings,
) -> Plan | Refusal:
    """What the next round would do. Reads only, so that a dry run is this and nothing more."""
    workflow = await client.get_workflow(workflow_id)
    shapes = await client.list_local_schedulers(workflow_id)
    return policy.plan(
        Situation(
            workflow=workflow,
            counts=diagnosis.counts,
            findings=diagnosis.findings,
            rounds_used=rounds_used,
            shape=max(shapes, key=lambda shape: shape.id, default=None),
            capacity=await scheduler.capacity(),
            allocation_stem=f"torc-wf{workflow_id}-{uuid4().hex[:12]}",
        ),
        settings,
    )
