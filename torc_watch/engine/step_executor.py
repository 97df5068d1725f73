"""The steps of a plan, carried out against server and scheduler.

Every step may find itself done, in part or whole, by a process that died: it reads before it
changes. It reads the failed jobs, and of the completed ones those that run again. Only the hook
runs again as a whole.
"""

import shlex
from collections.abc import Iterable
from functools import partial

from torc_watch.core import events
from torc_watch.core.assessment import FAILURES
from torc_watch.core.cause import Cause
from torc_watch.core.errors import Conflict
from torc_watch.core.model import Job, JobCounts, JobStatus
from torc_watch.core.recovery_round import Plan, Step
from torc_watch.core.waiting_raises import UNSTARTED
from torc_watch.engine.allocation_submission import cancel_planned, submit_planned
from torc_watch.engine.in_place_retry import InPlaceRetry
from torc_watch.engine.messages import EngineContext, Watch
from torc_watch.engine.recovery_hook import run_hook
from torc_watch.torc.concurrency import gather
from torc_watch.torc.requests import NewRequirements


class RoundAbandoned(Exception):
    """Ends a round whose workflow another program or user changed; the message says how."""


class StepExecutor:
    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._client = context.client
        self._report = context.report

    async def perform(self, step: Step, watch: Watch, plan: Plan, *, is_first: bool) -> None:
        """Takes one step of a plan; ``is_first`` unless it was begun before.

        Raises RoundAbandoned, HookFailed, SchedulerError and ServerError.
        """
        try:
            await self._ensure_undisturbed(step, plan, is_first=is_first)
        except RoundAbandoned:
            if step is Step.ALLOCATE and not is_first:
                await cancel_planned(self._context, plan)
            raise
        if plan.in_place:
            await self._perform_in_place(step, plan, is_first=is_first)
            return
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

    async def _perform_in_place(self, step: Step, plan: Plan, *, is_first: bool) -> None:
        retries = InPlaceRetry(self._client, plan)
        if step is Step.ADJUST and plan.adjustments:
            targets = await self._targets(plan)
            await self._move(plan, targets, await self._unstarted_jobs_of(plan))
            await self._move(plan, targets, await retries.failed_jobs())
        if step is Step.RESET:
            try:
                await retries.retry(is_first=is_first)
            except Conflict as error:
                raise RoundAbandoned(str(error)) from error

    async def _ensure_undisturbed(self, step: Step, plan: Plan, *, is_first: bool) -> None:
        """Before each change: what the user did since the last poll overrides the plan.

        Starting a run, for example, would undo a cancellation.
        """
        workflow = await self._client.get_workflow(plan.workflow_id)
        if workflow.is_canceled or workflow.is_archived:
            change = "archived" if workflow.is_archived else "canceled"
            raise RoundAbandoned(f"Workflow {workflow.id} was {change}.")
        if workflow.run_id not in _undisturbed_runs(step, plan, is_first=is_first):
            raise RoundAbandoned(
                f"Workflow {workflow.id} is in run {workflow.run_id}, started by another program "
                "or user."
            )

    async def _run_hook(self, watch: Watch, plan: Plan) -> None:
        command = watch.request.hook
        if command is None or not plan.hopes_for_repair:
            return
        workflow_id = watch.workflow_id
        await self._context.before_change()
        self._report(events.HookStarted(workflow_id=workflow_id, command=shlex.join(command)))
        await run_hook(
            command,
            workflow_id=workflow_id,
            api_url=watch.identity.server,
            show=lambda line: self._report(events.HookPrinted(workflow_id=workflow_id, line=line)),
        )

    async def _adjust(self, plan: Plan) -> None:
        if plan.adjustments:
            targets = await self._targets(plan)
            jobs = [*await self._jobs_of(plan), *await self._unstarted_jobs_of(plan)]
            await self._move(plan, targets, jobs)

    async def _targets(self, plan: Plan) -> dict[int, int]:
        """The row of requirements (value) that each job (key) is to have; creates the missing."""
        rows = {row.name: row.id for row in await self._client.list_requirements(plan.workflow_id)}
        targets: dict[int, int] = {}
        for adjustment in plan.adjustments:
            row_id = rows.get(adjustment.name)
            if row_id is None:
                row_id = await self._client.create_requirements(
                    plan.workflow_id,
                    NewRequirements(
                        name=adjustment.name,
                        num_cpus=adjustment.request.num_cpus,
                        num_gpus=adjustment.base.num_gpus,
                        num_nodes=adjustment.base.num_nodes,
                        memory=adjustment.memory,
                        runtime=adjustment.runtime,
                    ),
                )
            targets.update(dict.fromkeys(adjustment.job_ids, row_id))
        return targets

    async def _move(self, plan: Plan, targets: dict[int, int], jobs: Iterable[Job]) -> None:
        """Gives each of the jobs its row of requirements that has it not yet."""
        await gather(
            [
                partial(self._client.assign_requirements, plan.workflow_id, job, targets[job.id])
                for job in jobs
                if job.id in targets and job.requirements_id != targets[job.id]
            ]
        )

    async def _unstarted_jobs_of(self, plan: Plan) -> list[Job]:
        """Those that request more before they start: never one that has started meanwhile."""
        if not plan.raises:
            return []
        raised = {each.job_id for each in plan.raises}
        return [
            job
            for status in UNSTARTED
            for job in await self._client.list_jobs(plan.workflow_id, status)
            if job.id in raised
        ]

    async def _jobs_of(self, plan: Plan) -> list[Job]:
        """The failed jobs, and the completed ones that the plan runs again."""
        failed = [
            job
            for status in FAILURES
            for job in await self._client.list_jobs(plan.workflow_id, status)
        ]
        suspects = [each.job_id for each in plan.retries if each.cause is Cause.SUSPECT]
        jobs = await gather([partial(self._client.get_job, job_id) for job_id in suspects])
        return failed + [job for job in jobs if job.status is JobStatus.COMPLETED]

    async def _reset(self, plan: Plan) -> None:
        if not plan.retries:
            return
        await self._count_idle_jobs(plan.workflow_id)
        self._report(events.ResetStarted(workflow_id=plan.workflow_id, jobs=len(plan.retries)))
        # The others were reset before a crash, or a user took care of them in the meantime.
        ended = {job.id for job in await self._jobs_of(plan)}
        left = [retry.job_id for retry in plan.retries if retry.job_id in ended]
        reset = partial(
            self._client.set_job_status, status=JobStatus.UNINITIALIZED, run_id=plan.run_id
        )
        try:
            await gather([partial(reset, job_id) for job_id in left])
        except Conflict as error:
            raise RoundAbandoned(str(error)) from error

    async def _count_idle_jobs(self, workflow_id: int) -> JobCounts:
        """Abandons the round if a worker runs jobs: its reports would be refused in a new run."""
        counts = await self._client.count_jobs(workflow_id)
        if counts.of(JobStatus.PENDING, JobStatus.RUNNING):
            raise RoundAbandoned(f"Another program or user runs jobs of workflow {workflow_id}.")
        return counts

    async def _reinitialize(self, plan: Plan) -> None:
        if not plan.starts_run:
            return
        counts = await self._count_idle_jobs(plan.workflow_id)
        try:
            await self._client.advance_run(plan.workflow_id, to_run=plan.run_id + 1)
        except Conflict as error:
            raise RoundAbandoned(str(error)) from error
        # Initializing again would start every terminated job once more: only what is left to do.
        if counts.of(JobStatus.UNINITIALIZED):
            report = partial(self._report_initialization, plan.workflow_id)
            await self._client.initialize_jobs(plan.workflow_id, report=report)

    def _report_initialization(self, workflow_id: int, seconds: float) -> None:
        self._report(events.InitializationAwaited(workflow_id=workflow_id, seconds=round(seconds)))

    async def _allocate(self, watch: Watch, plan: Plan, *, is_first: bool) -> None:
        workflow_id = plan.workflow_id
        if await self._client.is_complete(workflow_id):  # others ran it, after a crash
            if not is_first:
                await cancel_planned(self._context, plan)
            return
        if is_first and not plan.joins_workers:
            await self._ensure_no_allocation(workflow_id)
        numbers = await submit_planned(
            self._context, plan, watch.request.output_dir, is_first=is_first
        )
        if watch.record.open_round is not None:
            self._context.journal.record_allocations(watch.record.open_round, numbers)

    async def _ensure_no_allocation(self, workflow_id: int) -> None:
        known = await self._client.list_allocations(workflow_id)
        if any(allocation.is_open for allocation in known):
            raise RoundAbandoned(
                f"Another program or user submitted allocations for workflow {workflow_id}."
            )


def _undisturbed_runs(step: Step, plan: Plan, *, is_first: bool) -> set[int]:
    """The runs that ``step`` may find as long as only this round starts one."""
    after = plan.run_id + plan.starts_run
    if step is Step.ALLOCATE:
        return {after}
    return {plan.run_id, after} if step is Step.REINITIALIZE and not is_first else {plan.run_id}
