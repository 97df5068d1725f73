"""Makes the plan of the next round from what server and scheduler say; changes nothing."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from torc_watch.core import policy
from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.allocation_tokens import token_stem
from torc_watch.core.cancellation import EndedAllocation
from torc_watch.core.findings import Finding
from torc_watch.core.kind_history import SizedAttempt
from torc_watch.core.model import (
    SLURM,
    Job,
    JobCounts,
    SchedulerConfig,
    SchedulingAction,
    Workflow,
)
from torc_watch.core.node_blame import avoided_nodes
from torc_watch.core.node_hours import NodeHours
from torc_watch.core.node_incident import NodeIncident, node_scores
from torc_watch.core.recovery_round import (
    PastRounds,
    Plan,
    Postponement,
    RecoverySettings,
    Refusal,
    RefusalKind,
)
from torc_watch.core.scheduler_choice import SchedulerChoice, chosen_type, problem_with
from torc_watch.core.scheduler_rows import overridden
from torc_watch.core.situation import Situation
from torc_watch.core.unserved_jobs import plan_more
from torc_watch.core.waiting_raises import UNSTARTED
from torc_watch.engine.messages import Diagnosis, UnservedJobs
from torc_watch.engine.node_hour_count import count_node_hours
from torc_watch.schedulers.cluster import Cluster, StatusCache
from torc_watch.torc.client import TorcClient
from torc_watch.torc.scheduling_actions import list_scheduling_actions


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The rounds of the watch, and the incidents of nodes, those of all workflows.

    ``attempts`` are all that is known of the workflow's, in whichever watch.
    """

    past: PastRounds
    incidents: Collection[NodeIncident] = ()
    attempts: tuple[SizedAttempt, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """``may_wait`` says that retries may come later than ``now``.

    ``has_room`` says whether files can be written where the jobs write theirs. Of jobs that failed
    before a user ``asked`` none waits.
    """

    now: datetime
    may_wait: bool = False
    has_room: bool = True
    asked: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningAllocations:
    """Those beside which more are submitted; ``specs`` of ours are by the scheduler's numbers."""

    now: datetime
    allocations: tuple[EndedAllocation, ...]
    specs: Mapping[int, AllocationSpec]


async def make_plan(
    client: TorcClient,
    cluster: Cluster,
    *,
    workflow: Workflow,
    diagnosis: Diagnosis,
    history: History,
    settings: RecoverySettings,
    timing: Timing,
) -> Plan | Refusal | Postponement:
    """What the next round would do. Only reads. Raises ServerError and SchedulerError.

    ``workflow`` is as it was when it was diagnosed: a run that is started since then is no part of
    the plan, and ends it.
    """
    scheduler_type = await scheduler_type_for(client, workflow.id, settings.scheduler)
    configs = await client.list_scheduler_configs(workflow.id, scheduler_type)
    if problem := problem_with(
        scheduler_type, workflow.id, known=cluster.schedulers, has_rows=bool(configs)
    ):
        return Refusal(kind=RefusalKind.NO_SCHEDULER, reason=problem)
    scheduler = cluster.scheduler(scheduler_type)
    dependents = await client.list_dependents(workflow.id)
    is_limited = settings.max_node_hours is not None and scheduler_type == SLURM
    return policy.plan(
        Situation(
            workflow=workflow,
            counts=diagnosis.counts,
            findings=diagnosis.findings,
            dependents=None if dependents is None else tuple(dependents),
            waiting=await jobs_yet_to_run(client, workflow.id, diagnosis.counts),
            requirements={row.id: row for row in await client.list_requirements(workflow.id)},
            past=history.past,
            scheduler_type=scheduler.type,
            configs=wanted_rows(configs, settings),
            node_classes=await scheduler.node_classes(),
            actions=await _actions(client, workflow.id, scheduler_type),
            allocation_stem=token_stem(workflow.id, uuid4().hex),
            now=timing.now if timing.may_wait else None,
            asked=timing.asked,
            has_room=timing.has_room,
            node_hours=await count_node_hours(client, workflow.id, timing.now)
            if is_limited
            else NodeHours(),
            avoided_nodes=await _avoided(
                scheduler, settings, timing.now, history.incidents, diagnosis.findings
            ),
            suspects=diagnosis.suspects,
            attempts=history.attempts,
        ),
        settings,
    )


async def expected_start(plan: Plan, cluster: Cluster) -> datetime | None:
    """When the scheduler expects the first allocation of a plan to start, where it says so.

    Raises SchedulerError for a scheduler that is not there.
    """
    if not plan.allocations:
        return None
    return await cluster.scheduler(plan.scheduler_type).expected_start(plan.allocations[0])


async def make_plan_for_more(
    client: TorcClient,
    cluster: Cluster,
    *,
    workflow: Workflow,
    unserved: UnservedJobs,
    history: History,
    settings: RecoverySettings,
    running: RunningAllocations,
) -> Plan | Refusal:
    """Allocations for jobs that none takes; only reads. Raises ServerError and SchedulerError."""
    scheduler = cluster.scheduler(SLURM)
    configs = await client.list_scheduler_configs(workflow.id, SLURM)
    return plan_more(
        Situation(
            workflow=workflow,
            counts=unserved.counts,
            findings=(),
            dependents=(),
            waiting=unserved.jobs,
            requirements={row.id: row for row in await client.list_requirements(workflow.id)},
            past=history.past,
            scheduler_type=SLURM,
            configs=wanted_rows(configs, settings),
            node_classes=await scheduler.node_classes(),
            actions=(),
            allocation_stem=token_stem(workflow.id, uuid4().hex),
            node_hours=NodeHours()
            if settings.max_node_hours is None
            else await count_node_hours(
                client,
                workflow.id,
                running.now,
                running.allocations,
                specs=running.specs,
                configs=configs,
            ),
            avoided_nodes=await _avoided(scheduler, settings, running.now, history.incidents),
        ),
        most=unserved.most,
        max_node_hours=settings.max_node_hours,
        may_move=settings.partition is None,
    )


async def _avoided(
    scheduler: StatusCache,
    settings: RecoverySettings,
    now: datetime,
    incidents: Collection[NodeIncident],
    findings: Collection[Finding] = (),
) -> tuple[str, ...]:
    if not settings.exclude_nodes or not (incidents or findings):
        return ()
    scores = node_scores(incidents, now)
    return avoided_nodes(scores, findings, cluster=await scheduler.cluster_name())


def wanted_rows(
    configs: Iterable[SchedulerConfig], settings: RecoverySettings
) -> tuple[SchedulerConfig, ...]:
    """The workflow's rows, of Slurm as the user wants them."""
    return tuple(
        overridden(row, partition=settings.partition, walltime=settings.walltime)
        if row.scheduler_type == SLURM
        else row
        for row in configs
    )


async def scheduler_type_for(client: TorcClient, workflow_id: int, choice: SchedulerChoice) -> str:
    used = {each.scheduler_type for each in await client.list_allocations(workflow_id)}
    if await client.list_scheduler_configs(workflow_id, SLURM):
        used.add(SLURM)
    return chosen_type(choice, used=used)


async def _actions(
    client: TorcClient, workflow_id: int, scheduler_type: str
) -> tuple[SchedulingAction, ...]:
    if scheduler_type != SLURM:
        return ()
    return await list_scheduling_actions(client.transport, workflow_id)


async def jobs_yet_to_run(
    client: TorcClient, workflow_id: int, counts: JobCounts | None = None
) -> tuple[Job, ...]:
    """The jobs that have yet to run. The ``counts`` are of a workflow in which none moves.

    In one that runs, a job that moves meanwhile comes later in the order of the statuses.
    """
    found = {
        job.id: job
        for status in UNSTARTED
        if counts is None or counts.of(status)
        for job in await client.list_jobs(workflow_id, status)
    }
    return tuple(found.values())
