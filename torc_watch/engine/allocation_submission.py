"""Submits the allocations of a plan, each of them once however often that is repeated.

The order makes it safe to be killed anywhere. Actions by which the workers would submit the same
are claimed; an allocation is submitted, and a scheduler that can holds it back; then the server
gets its row; then it is released, so that its worker finds the row. Whoever repeats this asks the
scheduler for the tokens and the server for the rows, and does what is missing. What a killed
process had under way may reach the scheduler after that: held, and never released.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import anyio

from torc_watch.core import events
from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.errors import (
    LeaseLost,
    SchedulerError,
    SchedulerUnreachable,
    TorcWatchError,
)
from torc_watch.core.recovery_round import Plan
from torc_watch.engine.messages import EngineContext
from torc_watch.engine.runner_grace import fit_sigterm_lead
from torc_watch.schedulers.base import Scheduler, WorkerAssignment
from torc_watch.schedulers.cluster import StatusCache
from torc_watch.torc.client import TorcClient
from torc_watch.torc.concurrency import gather
from torc_watch.torc.scheduling_actions import claim_action, list_scheduling_actions

_LAST_QUERY = 10.0  # seconds
_CONFIG_NAME = "torc-watch"
_MAX_CONCURRENT = 4  # submissions: more do not shorten it, and the controller is not ours alone


async def submit_planned(
    context: EngineContext, plan: Plan, output_dir: Path, *, is_first: bool
) -> dict[str, int]:
    """All allocations of a plan, or as many as the scheduler takes; repeatable.

    Its number of each token that it took. ``is_first`` says that it was not begun before: there is
    nothing to find. Raises SchedulerError when it takes none, SchedulerUnreachable, ServerError.
    """
    client, report = context.client, context.report
    scheduler = context.cluster.scheduler(plan.scheduler_type)
    report(events.SubmissionStarted(workflow_id=plan.workflow_id, scheduler=scheduler.type))
    workflow = await client.get_workflow(plan.workflow_id)
    await fit_sigterm_lead(context, workflow, scheduler)
    main = await _scheduler_config_id(client, plan, scheduler.type)
    work = WorkerAssignment(
        connection=client.transport.connection,
        workflow_id=plan.workflow_id,
        scheduler_config_id=main,
        output_dir=output_dir,
        submitted_from=Path(folder) if (folder := workflow.submission_directory) else None,
        wait_for_new_jobs=workflow.wait_for_new_jobs,
    )
    assignments = [
        (spec, replace(work, scheduler_config_id=spec.scheduler_config_id or main))
        for spec in plan.allocations
    ]
    tokens = [spec.token for spec in plan.allocations]
    found = {} if is_first else await scheduler.find(tokens)
    if not found:  # else it was done before, and what is due by now is for the workers to execute
        await _claim_due_actions(context, plan)
    numbers, refusal = await _submit(client, scheduler, assignments, found)
    for token, number in numbers.items():
        report(
            events.AllocationSubmitted(
                workflow_id=plan.workflow_id,
                scheduler=scheduler.type,
                scheduler_id=number,
                token=token,
            )
        )
    if refusal is not None:
        report(
            events.SubmissionCutShort(
                workflow_id=plan.workflow_id,
                submitted=len(numbers),
                planned=len(plan.allocations),
                reason=str(refusal),
            )
        )
    return numbers


async def _claim_due_actions(context: EngineContext, plan: Plan) -> None:
    """Takes from the workers what they would submit as soon as they start: the plan has it.

    Actions that wait for jobs of later layers stay theirs.
    """
    transport, workflow_id = context.client.transport, plan.workflow_id
    actions = await list_scheduling_actions(transport, workflow_id)
    due = [action.id for action in actions if plan.takes_over(action)]
    for action_id in due:
        await claim_action(transport, workflow_id, action_id)
    if due:
        context.report(events.ActionsClaimed(workflow_id=workflow_id, actions=len(due)))


async def cancel_planned(context: EngineContext, plan: Plan) -> None:
    """Ends what was submitted of a plan that is given up, even if it has no row on the server."""
    scheduler = context.cluster.scheduler(plan.scheduler_type)
    tokens = [spec.token for spec in plan.allocations]
    await cancel_submitted(context.client, scheduler, plan.workflow_id, tokens)


async def cancel_submitted(
    client: TorcClient,
    scheduler: Scheduler | StatusCache,
    workflow_id: int,
    tokens: Collection[str],
) -> None:
    """Ends the allocations with these tokens. Raises SchedulerError and ServerError.

    The rows that there are become canceled: of an open row the cancellation would be a user's.
    """
    found = await scheduler.find(tokens)
    for number in found.values():
        await scheduler.cancel(number)
    for allocation in await client.list_allocations(workflow_id):
        is_ours = allocation.scheduler_type == scheduler.type
        if is_ours and allocation.scheduler_id in found.values() and allocation.is_open:
            await client.set_allocation_status(allocation, "canceled")


async def submit_allocations(
    client: TorcClient,
    scheduler: Scheduler | StatusCache,
    specs: Sequence[AllocationSpec],
    work: WorkerAssignment,
) -> tuple[dict[str, int], SchedulerError | None]:
    """The scheduler's number of each token that it took, and why it refused another one.

    The tokens must be new: the scheduler is not asked for them first. Raises SchedulerError when it
    takes none.
    """
    return await _submit(client, scheduler, [(spec, work) for spec in specs], {})


async def _submit(
    client: TorcClient,
    scheduler: Scheduler | StatusCache,
    assignments: Sequence[tuple[AllocationSpec, WorkerAssignment]],
    found: Mapping[str, int],
) -> tuple[dict[str, int], SchedulerError | None]:
    numbers, refusal = await _submit_missing(scheduler, assignments, found)
    if refusal is not None and not numbers:
        raise refusal
    await _record(
        client,
        scheduler.type,
        [(numbers[spec.token], work) for spec, work in assignments if spec.token in numbers],
    )
    await scheduler.release(tuple(numbers.values()))
    return numbers, refusal


async def _submit_missing(
    scheduler: Scheduler | StatusCache,
    assignments: Sequence[tuple[AllocationSpec, WorkerAssignment]],
    found: Mapping[str, int],
) -> tuple[dict[str, int], SchedulerError | None]:
    """In the order of the assignments. What is under way when one is refused counts, too."""
    tokens = [spec.token for spec, _ in assignments]
    missing = [(spec, work) for spec, work in assignments if spec.token not in found]
    try:
        submitted, errors = await _submit_all(scheduler, missing)
        for error in errors:
            if isinstance(error, SchedulerUnreachable) or not isinstance(error, SchedulerError):
                raise error
    except (LeaseLost, anyio.get_cancelled_exc_class()):
        await _find_again(scheduler, tokens)
        raise
    known = {**found, **submitted}
    numbers = {token: known[token] for token in tokens if token in known}
    refusals = [error for error in errors if isinstance(error, SchedulerError)]
    # Of what a limit allows, the rest is worth having.
    return {**numbers, **await _find_again(scheduler, tuple(numbers))}, next(iter(refusals), None)


async def _submit_all(
    scheduler: Scheduler | StatusCache,
    assignments: Sequence[tuple[AllocationSpec, WorkerAssignment]],
) -> tuple[dict[str, int], list[TorcWatchError]]:
    """Several at once, and no more after an error: the numbers by token, and the errors."""
    numbers: dict[str, int] = {}
    errors: list[TorcWatchError] = []
    waiting = iter(assignments)

    async def submit_each(some: Iterable[tuple[AllocationSpec, WorkerAssignment]]) -> None:
        for spec, work in some:
            if errors:
                return
            try:
                numbers[spec.token] = await scheduler.submit(spec, work)
            except TorcWatchError as error:
                errors.append(error)

    # The first alone: a plan that is refused is refused once, and is tested by Slurm once.
    await submit_each(islice(waiting, 1))
    async with anyio.create_task_group() as group:
        for _ in range(_MAX_CONCURRENT):
            group.start_soon(submit_each, waiting)
    return numbers, errors


async def _find_again(
    scheduler: Scheduler | StatusCache, tokens: Collection[str]
) -> Mapping[str, int]:
    """Another process may have submitted the same, if this one or that one was suspended.

    Also when this one has lost its lease: its own submission may be the one that is too many.
    """
    if tokens:
        with anyio.move_on_after(_LAST_QUERY, shield=True), suppress(SchedulerError):
            return await scheduler.find(tokens)
    return {}


async def _record(
    client: TorcClient, scheduler_type: str, submitted: Sequence[tuple[int, WorkerAssignment]]
) -> None:
    _, first = submitted[0]
    known = {
        allocation.scheduler_id
        for allocation in await client.list_allocations(first.workflow_id)
        if allocation.scheduler_type == scheduler_type
    }
    await gather(
        [
            partial(
                client.create_allocation,
                work.workflow_id,
                scheduler_id=number,
                scheduler_config_id=work.scheduler_config_id,
                scheduler_type=scheduler_type,
            )
            for number, work in submitted
            if number not in known
        ]
    )


async def _scheduler_config_id(client: TorcClient, plan: Plan, scheduler_type: str) -> int:
    """The row that allocations must name; a new one for a workflow that never had any."""
    if plan.scheduler_config_id is not None:
        return plan.scheduler_config_id
    configs = await client.list_scheduler_configs(plan.workflow_id, scheduler_type)
    if configs:  # made by this round before a crash
        return configs[-1].id
    return await client.create_scheduler_config(
        plan.workflow_id, scheduler_type, name=_CONFIG_NAME, shape=plan.allocations[0]
    )
