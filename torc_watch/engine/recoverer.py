"""Carries out rounds of recovery, each step journaled before it is taken.

Every step may find itself done, in part or whole, by a process that died: it looks before it
changes. What is looked at are the failed jobs, never the completed ones.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

from torc_watch.core import events, policy, saga
from torc_watch.core.allocation import AllocationRequest
from torc_watch.core.diagnosis import ORPHANED, Cause
from torc_watch.core.errors import Conflict, HookFailed, NotFound, SchedulerError
from torc_watch.core.events import Event, Verdict, WatchEnded
from torc_watch.core.model import Job, JobStatus
from torc_watch.core.policy import Plan, RecoverySettings, Refusal, RefusalKind, Situation
from torc_watch.core.progress import FAILURES, Orphans
from torc_watch.core.saga import RoundOutcome, Step
from torc_watch.engine.allocating import start_allocation
from torc_watch.engine.exhibits import exhibits
from torc_watch.engine.hook import run_hook
from torc_watch.engine.journal import Journal, Round
from torc_watch.engine.scheduling import Scheduler
from torc_watch.engine.watch import Case, Decision, Diagnosis, KeepWatching, StartOver, Watch
from torc_watch.torc.client import TorcClient
from torc_watch.torc.drafts import NewRequirements, NewResult
from torc_watch.torc.together import gather

_SCHEDULER_ROW = "torc-watch"

_VERDICTS = {
    RefusalKind.EXHAUSTED: Verdict.EXHAUSTED,
    RefusalKind.NOTHING_TO_RETRY: Verdict.HANDED_OVER,
    RefusalKind.STUCK: Verdict.STUCK,
}


class RoundRefused(Exception):
    """Ends a round that has no plan; never leaves this module."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


class RoundAbandoned(Exception):
    """Ends a round whose workflow somebody else changed; never leaves this module."""


async def make_plan(
    client: TorcClient,
    scheduler: Scheduler,
    *,
    diagnosis: Diagnosis,
    workflow_id: int,
    rounds_used: int,
    settings: RecoverySettings,
) -> Plan | Refusal:
    """What the next round would do. Reads only, so that a dry run is this and nothing more."""
    workflow = await client.get_workflow(workflow_id)
    shapes = await client.list_local_schedulers(workflow_id)
    return policy.plan(
        Situation(
            workflow=workflow,
            counts=diagnosis.counts,
            findings=diagnosis.findings,
            rounds_used=rounds_used,
            shape=max(shapes, key=lambda shape: shape.id, default=None),
            capacity=await scheduler.capacity(),
            allocation_stem=f"torc-wf{workflow_id}-{uuid4().hex[:12]}",
        ),
        settings,
    )


class Recoverer:
    def __init__(
        self,
        client: TorcClient,
        scheduler: Scheduler,
        journal: Journal,
        report: Callable[[Event], None],
    ) -> None:
        self._client = client
        self._scheduler = scheduler
        self._journal = journal
        self._report = report

    async def recover(self, case: Case) -> Decision:
        """Begins or continues a round and carries it to its end.

        Raises ServerError and JournalError, which leave the round open: it goes on when the
        workflow is looked at again.
        """
        watch = case.watch
        round_ = case.open_round or self._begin(case)
        watch.record.open_round = round_
        if case.diagnosis is None:
            self._report(
                events.RecoveryContinued(
                    workflow_id=watch.workflow_id,
                    number=round_.number,
                    step=saga.next_step(round_.finished),
                )
            )
        outcome, decision = await self._carry_out(case, round_)
        self._journal.end_round(round_, outcome)
        watch.record.open_round = None
        watch.record.rounds_used = round_.number
        watch.stalled_since = None
        return decision

    def _begin(self, case: Case) -> Round:
        return self._journal.begin_round(
            case.watch.record.id,
            number=case.watch.record.rounds_used + 1,
            run_id=case.observation.workflow.run_id,
        )

    async def _carry_out(self, case: Case, round_: Round) -> tuple[RoundOutcome, Decision]:
        workflow_id = case.watch.workflow_id
        try:
            while (step := saga.next_step(round_.finished)) is not Step.DONE:
                self._journal.begin_step(round_, step)
                await self._take(step, case, round_)
                self._journal.finish_step(round_, step)
        except RoundRefused as refused:
            return RoundOutcome.REFUSED, _refusal_ends(case, refused.refusal)
        except (HookFailed, SchedulerError) as error:
            return RoundOutcome.FAILED, _hand_over(workflow_id, str(error))
        except RoundAbandoned as reason:
            self._report(events.RecoveryAbandoned(workflow_id=workflow_id, reason=str(reason)))
            return RoundOutcome.ABANDONED, _after_abandoning(case.watch, str(reason))
        self._report(
            events.RecoveryInitiated(
                workflow_id=workflow_id,
                number=round_.number,
                resumes_watching=not case.watch.request.once,
            )
        )
        return RoundOutcome.RESUBMITTED, _after_round(case.watch)

    async def _take(self, step: Step, case: Case, round_: Round) -> None:
        if step is Step.ORPHANS and case.diagnosis:
            await self._release_orphans(case.diagnosis.orphans, case)
        elif step is Step.PLAN and case.diagnosis:
            self._journal.record_plan(round_, await self._plan(case, case.diagnosis))
        elif round_.plan is not None:
            await self._ensure_wanted(case.watch.workflow_id)
            await self._perform(step, case.watch, round_.plan)

    async def _ensure_wanted(self, workflow_id: int) -> None:
        """A person's word, given since the last look, counts before each change.

        Starting a run, for one, would undo a cancellation.
        """
        workflow = await self._client.get_workflow(workflow_id)
        if workflow.is_canceled or workflow.is_archived:
            deed = "archived" if workflow.is_archived else "canceled"
            raise RoundAbandoned(f"Workflow {workflow_id} was {deed}.")

    async def _plan(self, case: Case, diagnosis: Diagnosis) -> Plan:
        settings = case.watch.request.recovery
        assert settings is not None  # noqa: S101 - a watch without recovery has no cases
        answer = await make_plan(
            self._client,
            self._scheduler,
            diagnosis=diagnosis,
            workflow_id=case.watch.workflow_id,
            rounds_used=case.watch.record.rounds_used,
            settings=settings,
        )
        if isinstance(answer, Refusal):
            raise RoundRefused(answer)
        self._report(events.RecoveryPlanned(workflow_id=case.watch.workflow_id, plan=answer))
        return answer

    async def _perform(self, step: Step, watch: Watch, plan: Plan) -> None:
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
                await self._allocate(watch, plan)
            case Step.ORPHANS | Step.DIAGNOSE | Step.PLAN | Step.DONE:
                pass

    async def _release_orphans(self, orphans: Orphans, case: Case) -> None:
        if not orphans:
            return
        run_id = case.observation.workflow.run_id
        self._report(events.OrphansFound(workflow_id=case.observation.workflow.id, orphans=orphans))
        for job, node_id in orphans.running:
            result = _orphaned(job, case.observation.workflow.id, run_id, node_id)
            await _unless_done(self._client.complete_job(job.id, result))
        for job in orphans.claimed:
            await _unless_done(self._client.set_job_status(job.id, JobStatus.READY, run_id))
        for node in orphans.nodes:
            await self._client.end_compute_node(case.observation.workflow.id, node.id)
        for allocation in orphans.allocations:
            await self._client.set_allocation_status(allocation, "complete")

    async def _run_hook(self, watch: Watch, plan: Plan) -> None:
        command = watch.request.hook
        if command is None or not plan.count(Cause.UNKNOWN):
            return
        workflow_id = watch.workflow_id
        self._report(events.HookStarted(workflow_id=workflow_id, command=" ".join(command)))
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
        jobs = [
            job
            for status in FAILURES
            for job in await self._client.list_jobs(workflow_id, status)
            if job.id in targets and job.requirements_id != targets[job.id]
        ]
        await gather(
            [
                partial(self._client.assign_requirements, workflow_id, job, targets[job.id])
                for job in jobs
            ]
        )

    async def _reset(self, plan: Plan) -> None:
        if not plan.retries:
            return
        self._report(events.ResetStarted(workflow_id=plan.workflow_id, jobs=len(plan.retries)))
        reset = {
            job.id
            for job in await self._client.list_jobs(plan.workflow_id, JobStatus.UNINITIALIZED)
        }
        left = [retry.job_id for retry in plan.retries if retry.job_id not in reset]
        try:
            await gather([partial(self._uninitialize, job_id, plan.run_id) for job_id in left])
        except Conflict as error:
            raise RoundAbandoned(str(error)) from error

    async def _uninitialize(self, job_id: int, run_id: int) -> None:
        with suppress(NotFound):  # a job that somebody deleted holds up no other
            await self._client.set_job_status(job_id, JobStatus.UNINITIALIZED, run_id)

    async def _reinitialize(self, plan: Plan) -> None:
        if not plan.retries:
            return
        try:
            await self._client.advance_run(plan.workflow_id, to_run=plan.run_id + 1)
        except Conflict as error:
            raise RoundAbandoned(str(error)) from error
        counts = await self._client.count_jobs(plan.workflow_id)
        if counts.of(JobStatus.PENDING, JobStatus.RUNNING):
            raise RoundAbandoned("Somebody else is running the workflow's jobs.")
        # Initialising again would start every terminated job once more: only what is left to do.
        if counts.of(JobStatus.UNINITIALIZED):
            await self._client.initialize_jobs(plan.workflow_id)

    async def _allocate(self, watch: Watch, plan: Plan) -> None:
        workflow_id = plan.workflow_id
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


def _refusal_ends(case: Case, refusal: Refusal) -> WatchEnded:
    findings = case.diagnosis.findings if case.diagnosis else ()
    return WatchEnded(
        workflow_id=case.watch.workflow_id,
        verdict=_VERDICTS[refusal.kind],
        reason=refusal.reason,
        evidence=exhibits(findings, case.watch.request, refusal.left_alone),
    )


def _hand_over(workflow_id: int, reason: str) -> WatchEnded:
    return WatchEnded(workflow_id=workflow_id, verdict=Verdict.HANDED_OVER, reason=reason)


def _after_abandoning(watch: Watch, reason: str) -> Decision:
    """No hurry: what got in the way may still be there."""
    return _hand_over(watch.workflow_id, reason) if watch.request.once else KeepWatching()


def _after_round(watch: Watch) -> Decision:
    if watch.request.once:
        return WatchEnded(workflow_id=watch.workflow_id, verdict=Verdict.RESUBMITTED)
    return StartOver()
