"""The next round of recovery, decided on what server and scheduler say."""

from uuid import uuid4

from torc_watch.core import policy
from torc_watch.core.model import Job, JobCounts, JobStatus, SchedulerConfig, Workflow
from torc_watch.core.policy import Plan, RecoverySettings, Refusal, Situation
from torc_watch.engine.watch import Diagnosis
from torc_watch.schedulers.cluster import Cluster
from torc_watch.schedulers.status_cache import StatusCache
from torc_watch.torc.client import TorcClient

_WAITING = (JobStatus.UNINITIALIZED, JobStatus.BLOCKED, JobStatus.READY, JobStatus.CANCELED)


async def make_plan(
    client: TorcClient,
    cluster: Cluster,
    *,
    workflow: Workflow,
    diagnosis: Diagnosis,
    rounds_used: int,
    settings: RecoverySettings,
) -> Plan | Refusal:
    """What the next round would do. Reads only, so that a dry run is this and nothing more.

    ``workflow`` is as it was when it was diagnosed: a run that is started since then is no part of
    the plan, and ends it.
    """
    scheduler, usual = await _scheduler_for(client, cluster, workflow.id)
    dependants = await client.list_dependents(workflow.id)
    return policy.plan(
        Situation(
            workflow=workflow,
            counts=diagnosis.counts,
            findings=diagnosis.findings,
            dependants=None if dependants is None else tuple(dependants),
            waiting=await _waiting(client, workflow.id, diagnosis.counts) if dependants else (),
            rounds_used=rounds_used,
            scheduler_type=scheduler.type,
            usual=usual,
            node_classes=await scheduler.node_classes(),
            allocation_stem=f"torc-wf{workflow.id}-{uuid4().hex[:12]}",
        ),
        settings,
    )


async def _scheduler_for(
    client: TorcClient, cluster: Cluster, workflow_id: int
) -> tuple[StatusCache, SchedulerConfig | None]:
    """The scheduler for which the workflow has a row, with its newest one; else the default."""
    for scheduler in cluster.schedulers.values():
        configs = await client.list_scheduler_configs(workflow_id, scheduler.type)
        if configs:
            return scheduler, max(configs, key=lambda config: config.id)
    return cluster.default, None


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
