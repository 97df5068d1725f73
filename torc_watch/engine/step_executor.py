"""The steps of a round, carried out against server and scheduler.

Every step may find itself done, in part or whole, by a process that died: it looks before it
changes. What is looked at are the failed jobs, never the completed ones.
"""

import shlex
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from anyio import to_thread

from torc_watch.core import events
from torc_watch.core.allocation import AllocationRequest
from torc_watch.core.assessment import FAILURES, OPEN_ALLOCATION, Observation, Orphans
from torc_watch.core.diagnosis import ORPHANED, Cause
from torc_watch.core.errors import Conflict, ServerFault
from torc_watch.core.events import Event
from torc_watch.core.model import Job, JobCounts, JobStatus
from torc_watch.core.policy import Plan
from torc_watch.core.steps import Step
from torc_watch.engine.allocations import start_allocation
from torc_watch.engine.recovery_hook import run_hook
from torc_watch.engine.watch import Watch
from torc_watch.schedulers.base import Scheduler
from torc_watch.schedulers.local.orphan_processes import end_leftovers
from torc_watch.torc.client import TorcClient
from torc_watch.torc.concurrency import gather
from torc_watch.torc.requests import NewRequirements, NewResult

_SCHEDULER_ROW = "torc-watch"


class RoundAbandoned(Exception):
    """Ends a round whose workflow somebody else changed; the message says how."""


class StepExecutor:
    """``before_change`` is awaited before what neither ``client`` nor ``scheduler`` does."""

    def __init__(
        self,
        client: TorcClient,
        scheduler: Scheduler,
        report: Callable[[Event], None],
        before_change: Callable[[], Awaitable[None]],
    ) -> None:
        self._client = client
        self._scheduler = scheduler
        self._report = report
        self._before_change = before_change

    async def perform(self, step: Step, watch: Watch, plan: Plan, *, is_first: bool) -> None:
        """Takes one step of a plan; ``is_first`` unless it was begun before.

        Raises RoundAbandoned, HookFailed, SchedulerError and ServerError.
        """
        await self._ensure_undisturbed(step, plan, is_first=is_first)
        match step:
            case Step.HOOK:
                await self._run_hook(watch, plan)
            case Step.ADJUST:
                await self._adjust(plan)
            case Step.RESET:
                await self._reset(plan)
            case Step.REINITIALIZE:
                await self._reinitialize(plan)
            case Step.ALLOCATE:
                await self._allocate(watch, plan, is_first=is_first)
            case Step.ORPHANS | Step.DIAGNOSE | Step.PLAN | Step.DONE:
                pass

    async def _ensure_undisturbed(self, step: Step, plan: Plan, *, is_first: bool) -> None:
        """A person's word, given since the last look, counts before each change.

        Starting a run, for one, would undo a cancellation.
        """
        workflow = await self._client.get_workflow(plan.workflow_id)
        if workflow.is_canceled or workflow.is_archived:
            deed = "archived" if workflow.is_archived else "canceled"
            raise RoundAbandoned(f"Workflow {workflow.id} was {deed}.")
        if workflow.run_id not in _undisturbed_runs(step, plan, is_first=is_first):
            raise RoundAbandoned(
                f"Workflow {workflow.id} is in run {workflow.run_id}, which somebody else started."
            )

    async def release_orphans(self, orphans: Orphans, observation: Observation) -> None:
        if not orphans:
            return
        workflow = observation.workflow
        self._report(events.OrphansFound(workflow_id=workflow.id, orphans=orphans))
        # Before the jobs may run again: what a dead worker left would run beside them.
        for allocation in orphans.allocations:
            if allocation.scheduler_type == self._scheduler.type:
                await self._scheduler.cancel(allocation.scheduler_id)
        await self._end_leftovers(orphans, workflow.id)
        for job, node_id in orphans.running:
            await self._fail(job, _orphaned(job, workflow.id, workflow.run_id, node_id))
        for job in orphans.claimed:
            await _unless_done(
                self._client.set_job_status(job.id, JobStatus.READY, workflow.run_id)
            )
        for node in orphans.nodes:
            await self._client.end_compute_node(workflow.id, node.id)
        for allocation in orphans.allocations:
            await self._client.set_allocation_status(allocation, "complete")

    async def _end_leftovers(self, orphans: Orphans, workflow_id: int) -> None:
        jobs = [job.id for job, _ in orphans.running] + [job.id for job in orphans.claimed]
        if not jobs:
            return
        server = self._client.transport.connection.url
        await self._before_change()
        ended = await to_thread.run_sync(end_leftovers, server, workflow_id, jobs)
        if ended:
            self._report(events.OrphanProcessesEnded(workflow_id=workflow_id, processes=ended))

    async def _fail(self, job: Job, result: NewResult) -> None:
        try:
            await _unless_done(self._client.complete_job(job.id, result))
        except ServerFault:
            if not await self._client.has_result(job.id, result):
                raise
            # The server takes no second one: the job goes at once to where the round resets it to.
            await self._client.set_job_status(job.id, JobStatus.UNINITIALIZED, result.run_id)

    async def _run_hook(self, watch: Watch, plan: Plan) -> None:
        command = watch.request.hook
        if command is None or not plan.count(Cause.UNKNOWN):
            return
        workflow_id = watch.workflow_id
        await self._before_change()
        self._report(events.HookStarted(workflow_id=workflow_id, command=shlex.join(command)))
        await run_hook(
            command,
            workflow_id=workflow_id,
            api_url=watch.identity.server,
            show=lambda line: self._report(events.HookPrinted(workflow_id=workflow_id, line=line)),
        )

    async def _adjust(self, plan: Plan) -> None:
        if not plan.adjustments:
            return
        rows = {row.name: row.id for row in await self._client.list_requirements(plan.workflow_id)}
        targets: dict[int, int] = {}
        for adjustment in plan.adjustments:
            row_id = rows.get(adjustment.name)
            if row_id is None:
                row_id = await self._client.create_requirements(
                    plan.workflow_id,
                    NewRequirements(
                        name=adjustment.name,
                        num_cpus=adjustment.base.num_cpus,
                        num_gpus=adjustment.base.num_gpus,
                        num_nodes=adjustment.base.num_nodes,
                        memory=adjustment.memory,
                        runtime=adjustment.runtime,
                    ),
                )
            targets.update(dict.fromkeys(adjustment.job_ids, row_id))
        await self._move(plan.workflow_id, targets)

    async def _move(self, workflow_id: int, targets: dict[int, int]) -> None:
        """Gives each job (key) its row of requirements (value) that has it not yet."""
        await gather(
            [
                partial(self._client.assign_requirements, workflow_id, job, targets[job.id])
                for job in await self._failed_jobs(workflow_id)
                if job.id in targets and job.requirements_id != targets[job.id]
            ]
        )

    async def _failed_jobs(self, workflow_id: int) -> list[Job]:
        return [
            job for status in FAILURES for job in await self._client.list_jobs(workflow_id, status)
        ]

    async def _reset(self, plan: Plan) -> None:
        if not plan.retries:
            return
        await self._count_idle_jobs(plan.workflow_id)
        self._report(events.ResetStarted(workflow_id=plan.workflow_id, jobs=len(plan.retries)))
        # The others were reset before a crash, or else somebody saw to them in the meantime.
        failed = {job.id for job in await self._failed_jobs(plan.workflow_id)}
        left = [retry.job_id for retry in plan.retries if retry.job_id in failed]
        reset = partial(
            self._client.set_job_status, status=JobStatus.UNINITIALIZED, run_id=plan.run_id
        )
        try:
            await gather([partial(reset, job_id) for job_id in left])
        except Conflict as error:
            raise RoundAbandoned(str(error)) from error

    async def _count_idle_jobs(self, workflow_id: int) -> JobCounts:
        """None of which anybody is running: his reports would be refused in a new run."""
        counts = await self._client.count_jobs(workflow_id)
        if counts.of(JobStatus.PENDING, JobStatus.RUNNING):
            raise RoundAbandoned(f"Somebody else is running jobs of workflow {workflow_id}.")
        return counts

    async def _reinitialize(self, plan: Plan) -> None:
        if not plan.starts_run:
            return
        counts = await self._count_idle_jobs(plan.workflow_id)
        try:
            await self._client.advance_run(plan.workflow_id, to_run=plan.run_id + 1)
        except Conflict as error:
            raise RoundAbandoned(str(error)) from error
        # Initialising again would start every terminated job once more: only what is left to do.
        if counts.of(JobStatus.UNINITIALIZED):
            await self._client.initialize_jobs(plan.workflow_id)

    async def _allocate(self, watch: Watch, plan: Plan, *, is_first: bool) -> None:
        workflow_id = plan.workflow_id
        if await self._client.is_complete(workflow_id):  # somebody else ran it, after a crash
            return
        if is_first:
            await self._ensure_no_allocation(workflow_id)
        self._report(
            events.SubmissionStarted(workflow_id=workflow_id, scheduler=self._scheduler.type)
        )
        config_id = plan.scheduler_config_id or await self._scheduler_row(plan)
        for order in plan.allocations:
            request = AllocationRequest(
                token=order.token,
                workflow_id=workflow_id,
                scheduler_config_id=config_id,
                num_cpus=order.num_cpus,
                memory=order.memory,
                output_dir=str(watch.request.output_dir),
            )
            number = await start_allocation(self._client, self._scheduler, request)
            self._report(
                events.AllocationSubmitted(
                    workflow_id=workflow_id,
                    scheduler=self._scheduler.type,
                    scheduler_id=number,
                    token=order.token,
                )
            )

    async def _ensure_no_allocation(self, workflow_id: int) -> None:
        known = await self._client.list_allocations(workflow_id)
        if any(allocation.status in OPEN_ALLOCATION for allocation in known):
            raise RoundAbandoned(f"Somebody else submitted allocations for workflow {workflow_id}.")

    async def _scheduler_row(self, plan: Plan) -> int:
        """The row that allocations must name, for a workflow that never had any."""
        shapes = await self._client.list_local_schedulers(plan.workflow_id)
        if shapes:
            return shapes[-1].id
        return await self._client.create_local_scheduler(
            plan.workflow_id,
            name=_SCHEDULER_ROW,
            num_cpus=plan.allocations[0].num_cpus,
            memory=plan.allocations[0].memory,
        )


def _undisturbed_runs(step: Step, plan: Plan, *, is_first: bool) -> set[int]:
    """The runs that ``step`` may meet as long as nobody but this round starts one."""
    after = plan.run_id + plan.starts_run
    if step is Step.ALLOCATE:
        return {after}
    return {plan.run_id, after} if step is Step.REINITIALIZE and not is_first else {plan.run_id}


def _orphaned(job: Job, workflow_id: int, run_id: int, node_id: int) -> NewResult:
    return NewResult(
        workflow_id=workflow_id,
        run_id=run_id,
        attempt=job.attempt,
        compute_node_id=node_id,
        status=JobStatus.FAILED,
        return_code=ORPHANED,
        exec_seconds=0,
        completed_at=datetime.now(UTC),
    )


async def _unless_done(change: Awaitable[None]) -> None:
    """Somebody, perhaps we before a crash, did it already."""
    with suppress(Conflict):
        await change
