"""Plans rounds of recovery and carries them out, each step journaled before it is performed."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import anyio

from torc_watch.core import events
from torc_watch.core.allocation import AllocationState
from torc_watch.core.approval import Proposal
from torc_watch.core.assessment import Orphans
from torc_watch.core.errors import HookFailed, NotFound, SchedulerError, SchedulerUnreachable
from torc_watch.core.events import Verdict, WatchEnded
from torc_watch.core.intervals import AFTER_RETRY, UNSERVED_INTERVAL
from torc_watch.core.model import Allocation
from torc_watch.core.os_errors import describe_os_error
from torc_watch.core.recovery_round import (
    Plan,
    Postponement,
    Refusal,
    RefusalKind,
    RoundOutcome,
    Step,
    next_step,
)
from torc_watch.engine.attempt_remnants import AttemptRemnants, RemnantsLeft, safe_plan
from torc_watch.engine.error_output import error_folders, failed_jobs
from torc_watch.engine.journal import Round
from torc_watch.engine.messages import (
    Decision,
    EngineContext,
    KeepWatching,
    PostponedRound,
    ProposedRound,
    RecoveryRequest,
    StartOver,
    StrandedJobs,
    Watch,
    succeeded,
)
from torc_watch.engine.plan_approval import PlanApproval, RoundProposed
from torc_watch.engine.postponement import keep_waiting
from torc_watch.engine.round_planner import (
    RoundPlanner,
    RoundPostponed,
    RoundRefused,
    refuse_begun_round,
)
from torc_watch.engine.step_executor import RoundAbandoned, StepExecutor
from torc_watch.engine.unserved_search import after_submission
from torc_watch.engine.workers import OrphanRelease, observe
from torc_watch.host.output_folder import prepare_output_folder

_VERDICTS = {
    RefusalKind.NODE_HOURS: Verdict.HANDED_OVER,
    RefusalKind.EXHAUSTED: Verdict.EXHAUSTED,
    RefusalKind.NOTHING_TO_RETRY: Verdict.HANDED_OVER,
    RefusalKind.NO_SCHEDULER: Verdict.HANDED_OVER,
    RefusalKind.REJECTED: Verdict.HANDED_OVER,
    RefusalKind.PLAN_CHANGED: Verdict.PLAN_CHANGED,
    RefusalKind.STUCK: Verdict.STUCK,
}


_EARLY_ENDS = (
    *(RoundRefused, RoundPostponed, RoundProposed),
    *(HookFailed, SchedulerError, RoundAbandoned, NotFound, RemnantsLeft),
)


class Recoverer:
    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._journal = context.journal
        self._report = context.report
        self._executor = StepExecutor(context)
        self._orphans = OrphanRelease(context)
        self._planner = RoundPlanner(context)
        self._approval = PlanApproval(context)
        self._remnants = AttemptRemnants(context)

    async def recover(self, request: RecoveryRequest) -> Decision:
        """Begins or continues a round of recovery and finishes it.

        Raises ServerError, SchedulerUnreachable and JournalError, which leave the round open: the
        next poll of the workflow continues it.
        """
        watch = request.watch
        if not request.unneeded and not request.stranded:
            _check_output_folder(watch.request.output_dir)
        if begun := refuse_begun_round(watch):
            return begun
        round_ = watch.record.open_round or self._begin(request)
        watch.record.open_round = round_
        if request.unneeded:
            return await self._cancel_unneeded(request.unneeded, watch, round_)
        if request.stranded:
            return await self._end_stranded(request.stranded, watch, round_)
        if not (request.diagnosis or request.unserved or request.in_place):
            self._report(
                events.RecoveryContinued(
                    workflow_id=watch.workflow_id,
                    number=round_.number,
                    step=next_step(round_.finished),
                )
            )
        else:  # without a plan, it starts again from this poll result
            round_.finished.clear()
        outcome, decision = await self._carry_out(request, round_)
        self._close_proposal(watch, round_, outcome)
        self._journal.end_round(round_, outcome)
        watch.record.open_round = None
        if request.unserved and outcome is not RoundOutcome.PROPOSED:
            after_submission(watch.unserved, request.unserved, anyio.current_time())
        watch.record.past = watch.record.past.after(outcome, round_.plan)
        if round_.plan and round_.plan.in_place:
            watch.in_place.retried |= {each.job_id for each in round_.plan.retries}
        if outcome is not RoundOutcome.PROPOSED:  # it is at rest as it was
            watch.at_rest_since = None
        return decision

    def _close_proposal(self, watch: Watch, round_: Round, outcome: RoundOutcome) -> None:
        """Before the round ends, so that no later one goes ahead by the same answer.

        A rejected one stays until the watch has ended: a process that dies before that must find
        it again.
        """
        if round_.plan is not None:
            self._approval.close(watch)
        elif outcome not in (RoundOutcome.PROPOSED, RoundOutcome.REFUSED):
            self._approval.withdraw(watch)

    async def _cancel_unneeded(
        self, unneeded: Sequence[Allocation], watch: Watch, round_: Round
    ) -> Decision:
        """Closes the rows only of those that are gone: one of them may have begun meanwhile."""
        self._report(
            events.AllocationsUnneeded(
                workflow_id=watch.workflow_id,
                scheduler_ids=tuple(each.scheduler_id for each in unneeded),
            )
        )
        await self._end(unneeded, watch, round_)
        watch.canceled |= {allocation.id for allocation in unneeded}
        for allocation, status in await self._context.cluster.statuses(unneeded, max_age=0):
            if status.state is AllocationState.GONE:
                await self._context.client.set_allocation_status(allocation, "canceled")
        return KeepWatching()

    async def _end_stranded(self, stranded: StrandedJobs, watch: Watch, round_: Round) -> Decision:
        """What they claimed is released when they are gone, in another round."""
        numbers = tuple(each.scheduler_id for each in stranded.allocations)
        self._report(
            events.JobsStranded(
                workflow_id=watch.workflow_id, jobs=stranded.jobs, scheduler_ids=numbers
            )
        )
        await self._end(stranded.allocations, watch, round_)
        return KeepWatching()

    async def _end(self, allocations: Sequence[Allocation], watch: Watch, round_: Round) -> None:
        self._journal.begin_step(round_, Step.ORPHANS)
        self._record_ended(allocations, watch, round_)
        for allocation in allocations:
            await self._context.cluster.cancel(allocation)
        self._journal.end_round(round_, RoundOutcome.CONTINUED)
        watch.record.open_round = None
        watch.record.past = watch.record.past.after(RoundOutcome.CONTINUED, None)

    def _record_ended(self, allocations: Sequence[Allocation], watch: Watch, round_: Round) -> None:
        """Before they are canceled: then it is known that no user did it."""
        numbers = {each.scheduler_id for each in allocations}
        self._journal.record_ended(round_, numbers | self._journal.ended_in(watch.record.id))

    def _begin(self, request: RecoveryRequest) -> Round:
        return self._journal.begin_round(
            request.watch.record.id,
            number=request.watch.record.past.ended + 1,
            run_id=request.observation.workflow.run_id,
        )

    async def _carry_out(
        self, request: RecoveryRequest, round_: Round
    ) -> tuple[RoundOutcome, Decision]:
        workflow_id = request.watch.workflow_id
        try:
            while (step := next_step(round_.finished)) is not Step.DONE:
                is_first = step not in round_.begun
                self._journal.begin_step(round_, step)
                await self._perform(step, request, round_, is_first=is_first)
                self._journal.finish_step(round_, step)
        except SchedulerUnreachable:  # what it was asked may have taken effect
            raise
        except _EARLY_ENDS as error:
            round_.reason = str(error)
            if isinstance(error, RoundPostponed):
                round_.until = error.postponement.until
            if isinstance(error, RoundProposed):
                return RoundOutcome.PROPOSED, _propose(request, error.proposal)
            return self._end_early(request, round_, error)
        if round_.plan and not round_.plan.is_at_rest:
            return RoundOutcome.CONTINUED, _beside_workers(round_.plan)
        self._report(
            events.RecoveryInitiated(
                workflow_id=workflow_id,
                number=round_.number,
                resumes_watching=not request.watch.request.once,
            )
        )
        return _outcome(round_.plan), _after_round(request.watch)

    def _end_early(
        self, request: RecoveryRequest, round_: Round, error: Exception
    ) -> tuple[RoundOutcome, Decision]:
        plan = round_.plan
        if isinstance(error, RemnantsLeft):
            return RoundOutcome.DECLINED, KeepWatching()
        if plan and plan.in_place:
            return self._leave(request, error)
        if not _is_rejected(error) and (request.unserved or (plan and plan.joins_workers)):
            return self._decline(request, round_, error)
        return self._end_at_rest(request, error, has_begun=plan is not None)

    def _end_at_rest(
        self, request: RecoveryRequest, error: Exception, *, has_begun: bool
    ) -> tuple[RoundOutcome, Decision]:
        workflow_id = request.watch.workflow_id
        match error:
            case RoundRefused() if request.has_succeeded:
                return RoundOutcome.REFUSED, self._succeeded(request, str(error))
            case RoundRefused():
                return RoundOutcome.REFUSED, _refused(request, error.refusal)
            case RoundPostponed():
                return RoundOutcome.POSTPONED, self._postpone(request, error.postponement)
            case RoundAbandoned() | NotFound():  # NotFound: the user deleted (a part of) it
                self._report(events.RecoveryAbandoned(workflow_id=workflow_id, reason=str(error)))
                return RoundOutcome.ABANDONED, _after_abandoning(request.watch, str(error))
            case _ if request.has_succeeded and not has_begun:
                return RoundOutcome.FAILED, self._succeeded(request, str(error))
            case _:
                return RoundOutcome.FAILED, WatchEnded.handed_over(workflow_id, str(error))

    def _postpone(self, request: RecoveryRequest, postponement: Postponement) -> Decision:
        watch = request.watch
        assert request.diagnosis is not None  # noqa: S101 - only such rounds have retries
        watch.postponed = PostponedRound(
            postponement=postponement,
            run_id=request.observation.workflow.run_id,
            counts=request.diagnosis.counts,
        )
        self._report(
            events.RetryPostponed(
                workflow_id=watch.workflow_id,
                until=postponement.until,
                reason=postponement.phrase,
                rounds_used=watch.record.past.used,
            )
        )
        return keep_waiting(watch.request, postponement, self._context.clock())

    def _succeeded(self, request: RecoveryRequest, reason: str) -> WatchEnded:
        """What is suspect cannot run again, but nothing failed."""
        assert request.diagnosis is not None  # noqa: S101 - has_succeeded
        counts = request.diagnosis.counts
        self._report(events.WorkflowSucceeded(workflow_id=request.watch.workflow_id, counts=counts))
        ended = succeeded(request.watch.workflow_id, len(request.diagnosis.suspects))
        return replace(ended, reason=f"{ended.reason}. Not run again: {reason}")

    def _decline(
        self, request: RecoveryRequest, round_: Round, reason: Exception
    ) -> tuple[RoundOutcome, Decision]:
        """Others of the workflow's jobs run: that goes on without more allocations."""
        self._report(
            events.SubmissionCutShort(
                workflow_id=request.watch.workflow_id,
                submitted=0,
                planned=len(round_.plan.allocations) if round_.plan else 0,
                reason=str(reason),
            )
        )
        return RoundOutcome.DECLINED, KeepWatching()

    def _leave(self, request: RecoveryRequest, reason: Exception) -> tuple[RoundOutcome, Decision]:
        """To others who changed the workflow. Its jobs that still fail wait until it is at rest."""
        workflow_id = request.watch.workflow_id
        self._report(events.RecoveryAbandoned(workflow_id=workflow_id, reason=str(reason)))
        return RoundOutcome.ABANDONED, KeepWatching()

    async def _perform(
        self, step: Step, request: RecoveryRequest, round_: Round, *, is_first: bool
    ) -> None:
        if step is Step.ORPHANS and request.in_place:
            await self._remnants.end_before(request, request.in_place)
        elif step is Step.ORPHANS and request.diagnosis:
            await self._release(request, request.diagnosis.orphans, round_)
        elif step is Step.PLAN and request.diagnosis:
            self._journal.record_plan(round_, await self._planner.plan(request, request.diagnosis))
        elif step is Step.PLAN and request.in_place:
            plan = safe_plan(request.watch.in_place, request.in_place)
            self._journal.record_plan(round_, plan)
            self._report(events.RecoveryPlanned(workflow_id=request.watch.workflow_id, plan=plan))
        elif step is Step.PLAN and request.unserved:
            self._journal.record_plan(
                round_, await self._planner.plan_more(request, request.unserved)
            )
        elif round_.plan is not None:
            await self._executor.perform(step, request.watch, round_.plan, is_first=is_first)

    async def _release(self, request: RecoveryRequest, orphans: Orphans, round_: Round) -> None:
        """Refuses when a worker started since the poll: it may run some of these jobs."""
        if not orphans:
            return
        workflow_id = request.watch.workflow_id
        # After the orphans were found: a worker that held a job by then is visible now.
        now = await observe(
            self._context.client,
            self._context.cluster,
            workflow_id,
            with_counts=False,
            max_age=0,
            silent_nodes_are_off=request.watch.request.once,
        )
        if now.may_have_workers:
            raise RoundAbandoned(f"Another process started workers for workflow {workflow_id}.")
        self._record_ended(orphans.allocations, request.watch, round_)
        await self._orphans.release(orphans, request.observation.workflow)


def _check_output_folder(path: Path) -> None:
    """Without it, workers would fail every job: the round waits. Raises SchedulerUnreachable."""
    try:
        prepare_output_folder(path, creates=True)
    except OSError as error:
        raise SchedulerUnreachable(
            f"The output folder {path} cannot be used: {describe_os_error(error)}"
        ) from error


def _propose(request: RecoveryRequest, proposal: Proposal) -> KeepWatching:
    """Allocations beside others that run are looked for again from time to time, as they change."""
    watch = request.watch
    if request.unserved:
        watch.unserved.not_before = anyio.current_time() + UNSERVED_INTERVAL
    elif request.diagnosis:
        watch.proposed = ProposedRound(
            proposal=proposal,
            run_id=request.observation.workflow.run_id,
            counts=request.diagnosis.counts,
        )
    return KeepWatching(proposal=proposal)


def _is_rejected(error: Exception) -> bool:
    return isinstance(error, RoundRefused) and error.refusal.kind is RefusalKind.REJECTED


def _beside_workers(plan: Plan) -> KeepWatching:
    """Jobs that run again may need another allocation than there is."""
    return KeepWatching(at_most=AFTER_RETRY if plan.in_place else math.inf)


def _outcome(plan: Plan | None) -> RoundOutcome:
    uses_retry = plan is None or plan.uses_retry
    return RoundOutcome.RESUBMITTED if uses_retry else RoundOutcome.CONTINUED


def _refused(request: RecoveryRequest, refusal: Refusal) -> WatchEnded:
    findings = request.diagnosis.findings if request.diagnosis else ()
    workflow_id, output_dir = request.watch.workflow_id, request.watch.request.output_dir
    return WatchEnded(
        workflow_id=workflow_id,
        verdict=_VERDICTS[refusal.kind],
        reason=refusal.reason,
        evidence=failed_jobs(findings, workflow_id, error_folders(output_dir), refusal.left_alone),
        rounds_used=request.watch.record.past.used,
    )


def _after_abandoning(watch: Watch, reason: str) -> Decision:
    """Not at once: what interfered may still be active."""
    return (
        WatchEnded.handed_over(watch.workflow_id, reason) if watch.request.once else KeepWatching()
    )


def _after_round(watch: Watch) -> Decision:
    if watch.request.once:
        return WatchEnded(workflow_id=watch.workflow_id, verdict=Verdict.RESUBMITTED)
    return StartOver()
