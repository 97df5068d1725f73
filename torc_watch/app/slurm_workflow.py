"""Plans allocations for the jobs that are left of a workflow on the server. Changes nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from torc_watch.app.cluster_source import find_target
from torc_watch.app.composition import open_cluster
from torc_watch.app.slurm_plan import CheckedPlan, check_plan, notes_on_requests
from torc_watch.app.slurm_remnants import find_held
from torc_watch.app.slurm_rows import carried_options
from torc_watch.config.settings import Settings
from torc_watch.core.allocation import AllocationState
from torc_watch.core.errors import SchedulerUnreachable
from torc_watch.core.model import SLURM, Allocation, Job, SchedulerConfig, Workflow
from torc_watch.core.scheduler_rows import option_value
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
    ``labeled`` are the IDs of jobs that nothing is planned for. ``held`` are the numbers of jobs
    that an interrupted submission left in Slurm, ``ended`` the open rows of allocations that are
    gone.
    """

    workflow: Workflow
    planned: tuple[PlannedJob, ...]
    jobs: tuple[Job, ...]
    labeled: frozenset[int]
    covered: int
    held: tuple[int, ...]
    ended: tuple[Allocation, ...]
    sorted_jobs: SortedJobs
    checked: CheckedPlan

    def begins_at_once(self, group: AllocationGroup) -> bool:
        """Whether an allocation of the group has something to do when it begins."""
        return group.begins_with_jobs and self.sorted_jobs.begin_at_once(group.kinds)


@dataclass(slots=True)
class _OpenRows:
    """``allocations`` may still take jobs, ``ended`` are gone; ``notes`` are on the others."""

    allocations: list[OpenAllocation] = field(default_factory=list)
    ended: list[Allocation] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


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
    rows = await client.list_allocations(workflow_id)
    found = await _open_allocations(rows, settings, configs)
    target = await find_target(profile)
    asks_slurm = submits or target.is_here
    held = (
        await _held(client, workflow_id, rows, settings, needs_answer=submits) if asks_slurm else ()
    )
    kept = uncovered_jobs(left.planned, left.running, found.allocations)
    planned = restricted(left.planned, kept)
    jobs = tuple(left.jobs[position] for position in kept)
    sorted_jobs = sort_jobs(planned)
    checked = await check_plan(
        target,
        Workload(
            kinds=sorted_jobs.kinds,
            mode=ExecutionMode.SLURM if workflow.spreads_jobs else ExecutionMode.DIRECT,
        ),
        _as_before(options, _usual_row(jobs, configs)),
        more_options=lambda group: _carried(group, sorted_jobs, jobs, configs),
        ask=estimate_start if asks_slurm else None,
        needs_answer=submits,
        suffix=f"-{datetime.now(UTC):%Y%m%dT%H%M%S}",
    )
    return WorkflowPlan(
        workflow=workflow,
        planned=planned,
        jobs=jobs,
        labeled=left.labeled,
        covered=len(left.planned) - len(kept),
        held=held,
        ended=tuple(found.ended),
        sorted_jobs=sorted_jobs,
        checked=replace(
            checked,
            notes=(*left.notes, *notes_on_requests(planned), *found.notes, *checked.notes),
        ),
    )


async def _held(
    client: TorcClient,
    workflow_id: int,
    rows: Sequence[Allocation],
    settings: Settings,
    *,
    needs_answer: bool,
) -> tuple[int, ...]:
    try:
        return await find_held(client, workflow_id, rows, settings.home)
    except SchedulerUnreachable:
        if needs_answer:
            raise
        return ()  # as where starts are not known


async def _open_allocations(
    rows: Sequence[Allocation], settings: Settings, configs: Configs
) -> _OpenRows:
    open_rows = [row for row in rows if row.is_open]
    found = _OpenRows()
    if not open_rows:
        return found
    for row, status in await open_cluster(settings).statuses(open_rows, max_age=0):
        if status.state is AllocationState.GONE:
            found.ended.append(row)
        elif status.never_starts:
            found.notes.append(
                f"Allocation {row.scheduler_id} will never start ({status.detail}) and is not "
                f"counted: cancel it with scancel {row.scheduler_id}."
            )
        else:
            config = configs.get(row.scheduler_config_id) if row.scheduler_type == SLURM else None
            found.allocations.append(open_allocation(config, status, datetime.now(UTC)))
    return found


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
