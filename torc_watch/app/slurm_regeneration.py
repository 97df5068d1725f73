"""Asks for the allocations of a workflow anew: rows for what is left, and their submission."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from torc_watch.app.bad_nodes import find_bad_nodes
from torc_watch.app.composition import open_client, slurm_scheduler, unknown_id_refused
from torc_watch.app.slurm_plan import refuse_missing_account, refuse_missing_slurm
from torc_watch.app.slurm_remnants import cancel_held, close_rows
from torc_watch.app.slurm_submission import (
    GroupToSubmit,
    locked,
    refuse_unusable,
    submit_groups,
)
from torc_watch.app.slurm_workflow import WorkflowPlan, plan_workflow
from torc_watch.config.settings import Settings
from torc_watch.core.errors import InvalidInput, WatchHeld
from torc_watch.core.model import JobStatus, Workflow
from torc_watch.planner.cluster_plan import AllocationGroup, PlanOptions
from torc_watch.planner.job_kinds import first_jobs
from torc_watch.schedulers.base import Scheduler
from torc_watch.torc.client import TorcClient
from torc_watch.torc.concurrency import gather
from torc_watch.torc.requests import NewSchedulingAction
from torc_watch.torc.scheduling_actions import (
    claim_action,
    create_scheduling_action,
    list_scheduling_actions,
)
from torc_watch.torc.transport import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Regeneration:
    """What was planned and, unless ``is_done`` is False, done: rows, and allocations of Slurm.

    ``later`` is how many allocations workers submit when their jobs are ready. ``canceled`` are
    the jobs of Slurm that an interrupted submission had left, ``closed`` the allocations that have
    ended and whose rows were open.
    """

    plan: WorkflowPlan
    is_done: bool = False
    allocations: tuple[int, ...] = ()
    later: int = 0
    canceled: tuple[int, ...] = ()
    closed: tuple[int, ...] = ()


async def plan_of_workflow(
    workflow_id: int,
    settings: Settings,
    connection: Connection,
    profile: str | None,
    options: PlanOptions,
) -> WorkflowPlan:
    """Changes nothing. Raises InvalidInput, ServerError and SchedulerError."""
    async with open_client(connection) as client:
        with unknown_id_refused(workflow_id, connection):
            plan = await plan_workflow(client, workflow_id, settings, profile, options)
            return _with_note(plan)


async def regenerate(
    workflow_id: int,
    settings: Settings,
    connection: Connection,
    profile: str | None,
    options: PlanOptions,
    *,
    submits: bool,
) -> Regeneration:
    """Writes rows for the jobs that nothing will take and, if it ``submits``, their allocations.

    Changes nothing where a job fits nowhere. Raises WatchHeld while the workflow is watched.
    """
    if submits:
        refuse_missing_slurm()
    async with open_client(connection) as client:
        with unknown_id_refused(workflow_id, connection):
            workflow = await client.get_workflow(workflow_id)
        _refuse_ended(workflow)
        with _locked(workflow, settings, connection):
            plan = await plan_workflow(
                client, workflow_id, settings, profile, options, submits=submits
            )
            if plan.checked.plan.no_fit:
                return Regeneration(plan=plan)
            _refuse_unusable(plan, settings, connection, submits=submits)
            scheduler = slurm_scheduler(settings)
            await cancel_held(scheduler, plan.held)
            closed = await close_rows(client, workflow_id, plan.ended)
            done = Regeneration(
                plan=plan,
                canceled=plan.held,
                closed=tuple(row.scheduler_id for row in closed),
            )
            if not plan.checked.plan.groups:
                return done
            return await _carry_out(client, scheduler, done, settings, submits=submits)


@contextmanager
def _locked(workflow: Workflow, settings: Settings, connection: Connection) -> Iterator[None]:
    """Raises WatchHeld, and says how to stop the watch."""
    try:
        with locked(workflow, settings, connection):
            yield
    except WatchHeld as error:
        raise WatchHeld(
            f"{error} `torc-watchd pause {workflow.id}` stops a watch of the daemon, and "
            f"`torc-watchd resume {workflow.id}` continues it afterwards; Ctrl-C ends one in a "
            "terminal."
        ) from error


async def dry_run(
    workflow_id: int,
    settings: Settings,
    connection: Connection,
    profile: str | None,
    options: PlanOptions,
    *,
    submits: bool,
) -> Regeneration:
    """What `regenerate` would do. Changes nothing, and refuses what that refuses of its input."""
    plan = await plan_of_workflow(workflow_id, settings, connection, profile, options)
    _refuse_ended(plan.workflow)
    if not plan.checked.plan.no_fit:
        _refuse_unusable(plan, settings, connection, submits=submits)
    return Regeneration(plan=plan)


def _refuse_unusable(
    plan: WorkflowPlan, settings: Settings, connection: Connection, *, submits: bool
) -> None:
    if not plan.checked.plan.groups:
        return
    if submits:
        refuse_unusable(plan.checked.plan, settings, connection)
    else:
        refuse_missing_account(plan.checked.plan)


def _with_note(plan: WorkflowPlan) -> WorkflowPlan:
    if not plan.held:
        return plan
    note = (
        "Slurm has held jobs of a submission that is in progress, or was interrupted: "
        f"{', '.join(map(str, plan.held))}. If it was interrupted, `torc-watchd slurm regenerate "
        f"{plan.workflow.id} --submit` cancels them."
    )
    return replace(plan, checked=replace(plan.checked, notes=(*plan.checked.notes, note)))


async def _carry_out(
    client: TorcClient,
    scheduler: Scheduler,
    done: Regeneration,
    settings: Settings,
    *,
    submits: bool,
) -> Regeneration:
    """``done`` is what was done before."""
    plan = done.plan
    workflow_id = plan.workflow.id
    groups = plan.checked.plan.groups
    at_once = [submits and plan.begins_at_once(group) for group in groups]
    await _claim_actions(client, plan)
    submitted: list[GroupToSubmit] = []
    for group, row, is_submitted in zip(groups, plan.checked.rows, at_once, strict=True):
        config_id = await client.create_slurm_scheduler(workflow_id, row)
        await _tie_jobs(client, plan, group, config_id)
        if is_submitted:
            submitted.append(GroupToSubmit(group=group, config_id=config_id))
        else:
            await _create_action(client, plan, group, config_id)
    directory = plan.workflow.submission_directory
    numbers = await submit_groups(
        client,
        scheduler,
        submitted,
        workflow_id=workflow_id,
        output_dir=settings.output_dir.absolute(),
        directory=None if directory is None else Path(directory),
        bad=await find_bad_nodes(settings, scheduler),
    )
    return replace(
        done,
        is_done=True,
        allocations=numbers,
        later=sum(
            group.number
            for group, is_submitted in zip(groups, at_once, strict=True)
            if not is_submitted
        ),
    )


async def _claim_actions(client: TorcClient, plan: WorkflowPlan) -> None:
    """Takes from workers what they would submit at once, or for jobs that the plan is for."""
    workflow_id = plan.workflow.id
    planned = {job.id for job in plan.jobs}
    for action in await list_scheduling_actions(client.transport, workflow_id):
        is_for_others = bool(action.job_ids) and action.job_ids <= plan.labeled
        is_ours = action.is_due or not planned.isdisjoint(action.job_ids)
        if is_ours and not is_for_others and not action.is_executed:
            await claim_action(client.transport, workflow_id, action.id)


async def _tie_jobs(
    client: TorcClient, plan: WorkflowPlan, group: AllocationGroup, config_id: int
) -> None:
    positions = plan.sorted_jobs.jobs_of(group.kinds)
    await gather(
        [
            partial(client.assign_scheduler, plan.workflow.id, plan.jobs[position], config_id)
            for position in positions
        ]
    )


async def _create_action(
    client: TorcClient, plan: WorkflowPlan, group: AllocationGroup, config_id: int
) -> None:
    firsts = first_jobs(plan.planned, plan.sorted_jobs.jobs_of(group.kinds))
    job_ids = tuple(plan.jobs[position].id for position in firsts)
    # As late as can be: workers may have made some ready while Slurm was asked.
    waiting = {
        job.id
        for status in (JobStatus.UNINITIALIZED, JobStatus.BLOCKED)
        for job in await client.list_jobs(plan.workflow.id, status)
    }
    action = NewSchedulingAction(
        scheduler_config_id=config_id,
        allocations=group.number,
        job_ids=job_ids,
        ready=len(job_ids) - len(waiting.intersection(job_ids)),
    )
    await create_scheduling_action(client.transport, plan.workflow.id, action)


def _refuse_ended(workflow: Workflow) -> None:
    if workflow.is_canceled or workflow.is_archived:
        state = "archived" if workflow.is_archived else "canceled"
        raise InvalidInput(
            f"Workflow {workflow.id} is {state}: reset it to run it again, with "
            f"torc workflows reset-status {workflow.id}"
        )
