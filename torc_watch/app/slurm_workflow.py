"""Plans allocations for the jobs that are left of a workflow on the server. Changes nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from torc_watch.app.cluster_source import describe
from torc_watch.app.composition import open_cluster
from torc_watch.app.slurm_plan import CheckedPlan, check_plan, is_here
from torc_watch.app.slurm_rows import carried_options, option_value
from torc_watch.config.settings import Settings
from torc_watch.core.allocation import AllocationState
from torc_watch.core.model import SLURM, Job, SchedulerConfig, Workflow
from torc_watch.planner.cluster_plan import AllocationGroup, PlanOptions
from torc_watch.planner.coverage import OpenAllocation, open_allocation, restricted, uncovered_jobs
from torc_watch.planner.job_kinds import PlannedJob, SortedJobs, sort_jobs
from torc_watch.planner.jobs_left import jobs_left
from torc_watch.planner.workload import ExecutionMode, Workload
from torc_watch.schedulers.slurm.start_estimate import estimate_start
from torc_watch.torc.client import TorcClient

Configs = Mapping[int, SchedulerConfig]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowPlan:
    """``planned`` and ``jobs`` are the jobs for which nothing is queued or running.

    ``covered`` is the number of those that allocations that are queued or running will take,
    ``labeled`` are the IDs of jobs that nothing is planned for.
    """

    workflow: Workflow
    planned: tuple[PlannedJob, ...]
    jobs: tuple[Job, ...]
    labeled: frozenset[int]
    covered: int
    sorted_jobs: SortedJobs
    checked: CheckedPlan

    def begins_at_once(self, group: AllocationGroup) -> bool:
        """Whether an allocation of the group has something to do when it begins."""
        return group.begins_with_jobs and self.sorted_jobs.begin_at_once(group.kinds)


async def plan_workflow(
    client: TorcClient,
    workflow_id: int,
    settings: Settings,
    profile: str | None,
    options: PlanOptions,
    *,
    submits: bool = False,
) -> WorkflowPlan:
    """``submits`` says that the plan will be submitted here.

    Raises NotFound, ServerError, InvalidInput and SchedulerError.
    """
    workflow = await client.get_workflow(workflow_id)
    configs = {row.id: row for row in await client.list_scheduler_configs(workflow_id, SLURM)}
    left = jobs_left(
        await client.list_jobs(workflow_id),
        await client.list_requirements(workflow_id),
        await client.list_dependents(workflow_id),
        workflow_id,
    )
    allocations, notes = await _open_allocations(client, workflow_id, settings, configs)
    kept = uncovered_jobs(left.planned, left.running, allocations)
    planned = restricted(left.planned, kept)
    jobs = tuple(left.jobs[position] for position in kept)
    sorted_jobs = sort_jobs(planned)
    checked = await check_plan(
        await describe(profile),
        Workload(
            kinds=sorted_jobs.kinds,
            mode=ExecutionMode.SLURM if workflow.spreads_jobs else ExecutionMode.DIRECT,
        ),
        _as_before(options, _usual_row(jobs, configs)),
        more_options=lambda group: _carried(group, sorted_jobs, jobs, configs),
        ask=estimate_start if submits or is_here(profile) else None,
        needs_answer=submits,
        suffix=f"-{datetime.now(UTC):%Y%m%dT%H%M%S}",
    )
    return WorkflowPlan(
        workflow=workflow,
        planned=planned,
        jobs=jobs,
        labeled=left.labeled,
        covered=len(left.planned) - len(kept),
        sorted_jobs=sorted_jobs,
        checked=replace(checked, notes=(*left.notes, *notes, *checked.notes)),
    )


async def _open_allocations(
    client: TorcClient, workflow_id: int, settings: Settings, configs: Configs
) -> tuple[list[OpenAllocation], list[str]]:
    """Those that may still take jobs, and notes on the others."""
    rows = [each for each in await client.list_allocations(workflow_id) if each.is_open]
    if not rows:
        return [], []
    found, notes = [], []
    for row, status in await open_cluster(settings).statuses(rows, max_age=0):
        if status.state is AllocationState.GONE:
            continue
        if status.never_starts:
            notes.append(
                f"Allocation {row.scheduler_id} will never start ({status.detail}) and is not "
                f"counted: cancel it with scancel {row.scheduler_id}."
            )
            continue
        config = configs.get(row.scheduler_config_id) if row.scheduler_type == SLURM else None
        found.append(open_allocation(config, status, datetime.now(UTC)))
    return found, notes


def _usual_row(jobs: Sequence[Job], configs: Configs) -> SchedulerConfig | None:
    """The one that most of the jobs are tied to, or else the newest."""
    ties = Counter(job.scheduler_config_id for job in jobs)
    number = max(configs, key=lambda each: (ties[each], each), default=None)
    return None if number is None else configs[number]


def _as_before(options: PlanOptions, row: SchedulerConfig | None) -> PlanOptions:
    """The account and the QOS of the row, where the user says nothing else."""
    if row is None:
        return options
    return replace(
        options,
        account=options.account or option_value(row.options, "account"),
        qos=options.qos or option_value(row.options, "qos"),
    )


def _carried(
    group: AllocationGroup, sorted_jobs: SortedJobs, jobs: Sequence[Job], configs: Configs
) -> tuple[str, ...]:
    of_group = [jobs[position] for position in sorted_jobs.jobs_of(group.kinds)]
    row = _usual_row(of_group, configs)
    return () if row is None else carried_options(row.options)
