"""Carries rounds of recovery to their end, each step journaled before it is taken."""

from collections.abc import Awaitable, Callable

from torc_watch.core import events, steps
from torc_watch.core.assessment import Observation, Orphans
from torc_watch.core.errors import HookFailed, NotFound, SchedulerError
from torc_watch.core.events import Event, Verdict, WatchEnded
from torc_watch.core.policy import Plan, Refusal, RefusalKind
from torc_watch.core.steps import RoundOutcome, Step
from torc_watch.engine.failure_report import exhibits
from torc_watch.engine.journal import Journal, Round
from torc_watch.engine.observer import observe
from torc_watch.engine.orphans import OrphanRelease
from torc_watch.engine.planner import make_plan
from torc_watch.engine.step_executor import RoundAbandoned, StepExecutor
from torc_watch.engine.watch import Case, Decision, Diagnosis, KeepWatching, StartOver, Watch
from torc_watch.schedulers.cluster import Cluster
from torc_watch.torc.client import TorcClient

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


class Recoverer:
    def __init__(
        self,
        client: TorcClient,
        cluster: Cluster,
        journal: Journal,
        report: Callable[[Event], None],
        before_change: Callable[[], Awaitable[None]],
    ) -> None:
        self._client = client
        self._cluster = cluster
        self._journal = journal
        self._report = report
        self._executor = StepExecutor(client, cluster, report, before_change)
        self._orphans = OrphanRelease(client, cluster, report, before_change)

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
                    step=steps.next_step(round_.finished),
                )
            )
        else:  # it has no plan yet: what is seen now is what counts, also of dead workers
            round_.finished.clear()
        outcome, decision = await self._carry_out(case, round_)
        self._journal.end_round(round_, outcome)
        watch.record.open_round = None
        watch.record.rounds_used = round_.number
        watch.at_rest_since = None
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
            while (step := steps.next_step(round_.finished)) is not Step.DONE:
                is_first = step not in round_.begun
                self._journal.begin_step(round_, step)
                await self._take(step, case, round_, is_first=is_first)
                self._journal.finish_step(round_, step)
        except RoundRefused as refused:
            return RoundOutcome.REFUSED, _refusal_ends(case, refused.refusal)
        except (HookFailed, SchedulerError) as error:
            return RoundOutcome.FAILED, _hand_over(workflow_id, str(error))
        except (RoundAbandoned, NotFound) as reason:  # or deleted it, or a part of it
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

    async def _take(self, step: Step, case: Case, round_: Round, *, is_first: bool) -> None:
        if step is Step.ORPHANS and case.diagnosis:
            await self._release(case.diagnosis.orphans, case.observation)
        elif step is Step.PLAN and case.diagnosis:
            self._journal.record_plan(round_, await self._plan(case, case.diagnosis))
        elif round_.plan is not None:
            await self._executor.perform(step, case.watch, round_.plan, is_first=is_first)

    async def _release(self, orphans: Orphans, observation: Observation) -> None:
        """A worker that began since the look has some of these jobs: they would be ended."""
        if not orphans:
            return
        workflow_id = observation.workflow.id
        # After they were found: whoever had a job by then is seen now.
        now = await observe(self._client, self._cluster, workflow_id, with_counts=False, max_age=0)
        if now.may_have_workers:
            raise RoundAbandoned(f"Somebody else started workers for workflow {workflow_id}.")
        await self._orphans.release(orphans, observation.workflow)

    async def _plan(self, case: Case, diagnosis: Diagnosis) -> Plan:
        settings = case.watch.request.recovery
        assert settings is not None  # noqa: S101 - a watch without recovery has no cases
        answer = await make_plan(
            self._client,
            self._cluster,
            workflow=case.observation.workflow,
            diagnosis=diagnosis,
            rounds_used=case.watch.record.rounds_used,
            settings=settings,
        )
        if isinstance(answer, Refusal):
            raise RoundRefused(answer)
        self._report(events.RecoveryPlanned(workflow_id=case.watch.workflow_id, plan=answer))
        return answer


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
