"""Creates a workflow for Slurm from its specification, and submits its first allocations."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from uuid import uuid4

import anyio

from torc_watch.app.bad_nodes import BadNodes, find_bad_nodes
from torc_watch.app.composition import open_client, slurm_scheduler
from torc_watch.app.slurm_plan import CheckedPlan, SpecificationPlan, refuse_missing_account
from torc_watch.config.settings import Settings
from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.allocation_tokens import allocation_token, token_stem
from torc_watch.core.errors import (
    InvalidInput,
    SchedulerError,
    SchedulerUnreachable,
    ServerError,
    ServerUnreachable,
)
from torc_watch.core.model import SLURM, Workflow
from torc_watch.core.workflow_key import WorkflowIdentity
from torc_watch.engine.allocation_submission import cancel_submitted, submit_allocations
from torc_watch.engine.runner_grace import set_fitting_lead
from torc_watch.engine.workflow_lock import lock_workflow
from torc_watch.planner.cluster_plan import AllocationGroup, ClusterPlan
from torc_watch.planner.job_kinds import first_jobs
from torc_watch.schedulers.base import Scheduler, WorkerAssignment
from torc_watch.spec.planned_jobs import planned_jobs
from torc_watch.spec.submission import SlurmJobs
from torc_watch.spec.submission import submit as create_workflow
from torc_watch.torc.client import TorcClient
from torc_watch.torc.transport import Connection

_LAST_COMMANDS = 20.0  # seconds, to cancel what was not submitted as a whole


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmSubmission:
    """``allocations`` are the numbers of Slurm's jobs; ``later`` is how many workers submit.

    ``warnings`` name what the server keeps without effect.
    """

    workflow_id: int
    jobs: int
    allocations: tuple[int, ...]
    later: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupToSubmit:
    """``config_id`` is the server's row of the group."""

    group: AllocationGroup
    config_id: int


async def submit_slurm(
    prepared: SpecificationPlan,
    settings: Settings,
    connection: Connection,
    *,
    on_created: Callable[[int, int], None],
) -> SlurmSubmission:
    """Creates the workflow as planned, and submits what begins with jobs; after `refuse_unusable`.

    ``on_created`` gets the workflow's ID and its number of jobs as soon as it is there. Raises
    ServerError, and SchedulerError: then the workflow is there, and the message says how to go on.
    """
    checked = prepared.checked
    scheduler = slurm_scheduler(settings)
    async with open_client(connection) as client:
        created = await create_workflow(
            client,
            prepared.spec,
            user=settings.user_name(),
            on_slurm=_slurm_jobs(prepared),
            directory=Path.cwd(),
        )
        on_created(created.workflow_id, created.job_count)
        groups = [
            GroupToSubmit(group=group, config_id=config_id)
            for group, config_id in zip(
                checked.plan.groups, created.scheduler_config_ids, strict=True
            )
            if group.begins_with_jobs
        ]
        # What is held is of a submission that was killed, unless one has the lock.
        with locked(await client.get_workflow(created.workflow_id), settings, connection):
            numbers = await submit_groups(
                client,
                scheduler,
                groups,
                workflow_id=created.workflow_id,
                output_dir=settings.output_dir.absolute(),
                directory=Path.cwd(),
                bad=await find_bad_nodes(settings, scheduler),
            )
    return SlurmSubmission(
        workflow_id=created.workflow_id,
        jobs=created.job_count,
        allocations=numbers,
        later=later_allocations(checked),
        warnings=created.warnings,
    )


def locked(
    workflow: Workflow, settings: Settings, connection: Connection
) -> AbstractContextManager[None]:
    """Keeps watches and other submissions away. Raises WatchHeld."""
    return lock_workflow(
        settings.home / "locks",
        WorkflowIdentity(server=connection.url, workflow_id=workflow.id, created=workflow.created),
    )


def refuse_unusable(plan: ClusterPlan, settings: Settings, connection: Connection) -> None:
    """Raises InvalidInput for what would otherwise fail in the middle of a submission."""
    settings.slurm_runner_program()
    refuse_missing_account(plan)
    _refuse_missing_password_file(settings, connection)


def _refuse_missing_password_file(settings: Settings, connection: Connection) -> None:
    """Before anything is created that no worker could reach."""
    if connection.password is not None and settings.password_file is None:
        raise InvalidInput(
            "The workers of an allocation need the password of the Torc server. Write it into a "
            "file that only you can read, and set password_file to its path."
        )


def later_allocations(checked: CheckedPlan) -> int:
    """How many allocations workers submit when the jobs before are done."""
    return sum(group.number for group in checked.plan.groups if not group.begins_with_jobs)


async def submit_groups(
    client: TorcClient,
    scheduler: Scheduler,
    groups: Sequence[GroupToSubmit],
    *,
    workflow_id: int,
    output_dir: Path,
    directory: Path | None,
    bad: BadNodes,
) -> tuple[int, ...]:
    """Submits all allocations of the groups; the numbers of Slurm's jobs.

    Raises SchedulerError or ServerError if that ends half-way, and says what there is by then.
    """
    stem = token_stem(workflow_id, uuid4().hex)
    wanted = sum(each.group.number for each in groups)
    submitted: list[int] = []
    try:
        workflow = await client.get_workflow(workflow_id)
        await _set_lead(client, scheduler, workflow)
        configs = {row.id: row for row in await client.list_scheduler_configs(workflow_id, SLURM)}
        places = count(1)
        for each in groups:
            work = WorkerAssignment(
                connection=client.transport.connection,
                workflow_id=workflow_id,
                scheduler_config_id=each.config_id,
                output_dir=output_dir,
                submitted_from=directory,
                wait_for_new_jobs=workflow.wait_for_new_jobs,
            )
            specs = [
                _spec(each, allocation_token(stem, next(places)), configs[each.config_id].options)
                for _ in range(each.group.number)
            ]
            excluded = bad.excluded(each.group)
            specs = [replace(spec, excluded_nodes=excluded) for spec in specs]
            await _submit_group(client, scheduler, each.group, specs, work, submitted)
    except (SchedulerError, ServerError) as error:
        raise type(error)(
            f"{error}\n{_what_there_is(workflow_id, len(submitted), wanted)}"
        ) from error
    return tuple(submitted)


async def _submit_group(
    client: TorcClient,
    scheduler: Scheduler,
    group: AllocationGroup,
    specs: Sequence[AllocationSpec],
    work: WorkerAssignment,
    submitted: list[int],
) -> None:
    """Adds the numbers to ``submitted``. Raises SchedulerError if not all could be."""
    if not group.is_serialized:
        numbers, refusal = await _submit_whole(client, scheduler, specs, work)
        submitted += numbers.values()
        if refusal is not None:
            raise refusal
        return
    before: int | None = None
    for spec in specs:
        after = () if before is None else (f"--dependency=afterany:{before}",)
        chained = replace(spec, options=(*spec.options, *after))
        numbers, _ = await _submit_whole(client, scheduler, [chained], work)
        (before,) = numbers.values()
        submitted.append(before)


async def _submit_whole(
    client: TorcClient,
    scheduler: Scheduler,
    specs: Sequence[AllocationSpec],
    work: WorkerAssignment,
) -> tuple[dict[str, int], SchedulerError | None]:
    """As submit_allocations, but leaves no held allocations where that fails or is interrupted."""
    try:
        return await submit_allocations(client, scheduler, specs, work)
    except (SchedulerError, ServerError, anyio.get_cancelled_exc_class()):
        tokens = [spec.token for spec in specs]
        with (
            anyio.move_on_after(_LAST_COMMANDS, shield=True),
            suppress(SchedulerError, ServerError),
        ):
            await cancel_submitted(client, scheduler, work.workflow_id, tokens)
        raise


async def _set_lead(client: TorcClient, scheduler: Scheduler, workflow: Workflow) -> None:
    """Without it the jobs of an allocation that is ended become orphans: recovered, but later."""
    try:
        await set_fitting_lead(client, workflow, scheduler)
    except (SchedulerUnreachable, ServerUnreachable):
        raise
    except (SchedulerError, ServerError):
        return


def _slurm_jobs(prepared: SpecificationPlan) -> list[SlurmJobs]:
    planned = planned_jobs(prepared.spec)
    names = [job.name for job in prepared.spec.jobs]
    found = []
    for group, row in zip(prepared.checked.plan.groups, prepared.checked.rows, strict=True):
        positions = prepared.jobs.jobs_of(group.kinds)
        found.append(
            SlurmJobs(
                row=row,
                jobs=[names[position] for position in positions],
                first_jobs=[names[position] for position in first_jobs(planned, positions)],
                allocations_when_ready=0 if group.begins_with_jobs else group.number,
            )
        )
    return found


def _spec(each: GroupToSubmit, token: str, options: tuple[str, ...]) -> AllocationSpec:
    shape = each.group.shape
    return AllocationSpec(
        token=token,
        num_cpus=shape.num_cpus,
        memory=shape.memory,
        num_gpus=shape.num_gpus,
        num_nodes=shape.num_nodes,
        runtime=shape.runtime,
        options=options,
        scheduler_config_id=each.config_id,
    )


def _what_there_is(workflow_id: int, submitted: int, wanted: int) -> str:
    return (
        f"Workflow {workflow_id} is on the server, and {submitted} of {wanted} allocations were "
        "submitted to Slurm. When the cause is gone, cancel what is still held of them and submit "
        f"the rest: torc-watchd slurm regenerate {workflow_id} --submit. Or remove the workflow: "
        f"torc cancel {workflow_id}, then torc delete {workflow_id}."
    )
