"""The next round of recovery, decided on what server and scheduler say."""

from uuid import uuid4

from torc_watch.core import policy
from torc_watch.core.model import Job, JobCounts, JobStatus, Workflow
from torc_watch.core.policy import Plan, RecoverySettings, Refusal, Situation
from torc_watch.engine.watch import Diagnosis
from torc_watch.schedulers.base import Scheduler
from torc_watch.torc.client import TorcClient

_WAITING = (JobStatus.UNINITIALIZED, JobStatus.BLOCKED, JobStatus.READY, JobStatus.CANCELED)


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
    dependants = await client.list_dependents(workflow.id)
    return policy.plan(
        Situation(
            workflow=workflow,
            counts=diagnosis.counts,
            findings=diagnosis.findings,
            dependants=None if dependants is None else tuple(dependants),
            waiting=await _waiting(client, workflow.id, diagnosis.counts) if dependants else (),
            rounds_used=rounds_used,
            shape=max(shapes, key=lambda shape: shape.id, default=None),
            capacity=await scheduler.capacity(),
            allocation_stem=f"torc-wf{workflow.id}-{uuid4().hex[:12]}",
        ),
        settings,
    )


async def _waiting(client: TorcClient, workflow_id: int, counts: JobCounts) -> tuple[Job, ...]:
    """The jobs that have yet to run."""
    return tuple(
        [
            job
            for status in _WAITING
            if counts.of(status)
            for job in await client.list_jobs(workflow_id, status)
        ]
    )
