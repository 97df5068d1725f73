"""Submits the allocations of a plan, each of them once however often that is repeated.

The order makes it safe to be killed anywhere. An allocation is submitted, and a scheduler that can
holds it back; then the server gets its row; then it is released, so that its worker finds the row.
Whoever repeats this asks the scheduler for the tokens and the server for the rows, and does what is
missing.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from torc_watch.core import events
from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.errors import SchedulerError, SchedulerUnreachable
from torc_watch.core.recovery_round import Plan
from torc_watch.engine.messages import EngineContext
from torc_watch.schedulers.base import Scheduler, WorkerAssignment
from torc_watch.schedulers.cluster import StatusCache
from torc_watch.torc.client import TorcClient
from torc_watch.torc.concurrency import gather

_CONFIG_NAME = "torc-watch"


async def submit_planned(context: EngineContext, plan: Plan, output_dir: Path) -> None:
    """All allocations of a plan, or as many as the scheduler takes; repeatable.

    Raises SchedulerError when it takes none, SchedulerUnreachable, and ServerError.
    """
    client, report = context.client, context.report
    scheduler = context.cluster.scheduler(plan.scheduler_type)
    report(events.SubmissionStarted(workflow_id=plan.workflow_id, scheduler=scheduler.type))
    submitted_from = (await client.get_workflow(plan.workflow_id)).submission_directory
    work = WorkerAssignment(
        connection=client.transport.connection,
        workflow_id=plan.workflow_id,
        scheduler_config_id=await _scheduler_config_id(client, plan, scheduler.type),
        output_dir=output_dir,
        submitted_from=Path(submitted_from) if submitted_from else None,
    )
    numbers, refusal = await submit_allocations(client, scheduler, plan.allocations, work)
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


async def cancel_planned(context: EngineContext, plan: Plan) -> None:
    """Ends what was submitted of a plan that is given up, even if it has no row on the server."""
    scheduler = context.cluster.scheduler(plan.scheduler_type)
    for number in (await scheduler.find([spec.token for spec in plan.allocations])).values():
        await scheduler.cancel(number)


async def submit_allocations(
    client: TorcClient,
    scheduler: Scheduler | StatusCache,
    specs: Sequence[AllocationSpec],
    work: WorkerAssignment,
) -> tuple[dict[str, int], SchedulerError | None]:
    """The scheduler's number of each token that it took, and why it refused the next one.

    Raises SchedulerError when it takes none.
    """
    numbers, refusal = await _submit_missing(scheduler, specs, work)
    if refusal is not None and not numbers:
        raise refusal
    await _record(client, scheduler.type, numbers.values(), work)
    await scheduler.release(tuple(numbers.values()))
    return numbers, refusal


async def _submit_missing(
    scheduler: Scheduler | StatusCache, specs: Sequence[AllocationSpec], work: WorkerAssignment
) -> tuple[dict[str, int], SchedulerError | None]:
    numbers = dict(await scheduler.find([spec.token for spec in specs]))
    try:
        for spec in specs:
            if spec.token not in numbers:
                numbers[spec.token] = await scheduler.submit(spec, work)
    except SchedulerUnreachable:
        raise
    except SchedulerError as error:  # of what a limit allows, the rest is worth having
        return numbers, error
    return numbers, None


async def _record(
    client: TorcClient, scheduler_type: str, numbers: Iterable[int], work: WorkerAssignment
) -> None:
    known = {
        allocation.scheduler_id
        for allocation in await client.list_allocations(work.workflow_id)
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
            for number in numbers
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
