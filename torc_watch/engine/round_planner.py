"""Plans a round of recovery for a watch, and reports the plan."""

from dataclasses import replace

from torc_watch.core import events
from torc_watch.core.cause import Remedy
from torc_watch.core.events import Verdict, WatchEnded
from torc_watch.core.kind_history import SizedAttempt
from torc_watch.core.plan_identity import begun_plan, changed_plan
from torc_watch.core.recovery_round import (
    Plan,
    Postponement,
    RecoverySettings,
    Refusal,
    RefusalKind,
)
from torc_watch.core.sizing_policy import SizingPolicy
from torc_watch.engine.attempt_history import AttemptHistory
from torc_watch.engine.messages import (
    Diagnosis,
    EngineContext,
    RecoveryRequest,
    UnservedJobs,
    Watch,
)
from torc_watch.engine.plan_approval import PlanApproval, id_of
from torc_watch.engine.planner import (
    History,
    RunningAllocations,
    Timing,
    make_plan,
    make_plan_for_more,
)


class RoundRefused(Exception):
    """Ends a round that has no plan."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


class RoundPostponed(Exception):
    """Ends a round whose jobs run again later."""

    def __init__(self, postponement: Postponement) -> None:
        super().__init__(postponement.phrase)
        self.postponement = postponement


class RoundPlanner:
    """Its methods raise ServerError and SchedulerError, too."""

    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._journal = context.journal
        self._sizes = AttemptHistory(context.client, context.journal.attempts)
        self._report = context.report
        self._approval = PlanApproval(context)

    async def plan(self, request: RecoveryRequest, diagnosis: Diagnosis) -> Plan:
        """The next round.

        Raises RoundRefused, RoundPostponed or RoundProposed where there is none now.
        """
        answer = await make_plan(
            self._context.client,
            self._context.cluster,
            workflow=request.observation.workflow,
            diagnosis=diagnosis,
            history=replace(
                self._history(request), attempts=await self._attempts(request, diagnosis)
            ),
            settings=_settings(request),
            timing=await self._timing(request, diagnosis),
        )
        if isinstance(answer, Postponement):
            raise RoundPostponed(answer)
        if isinstance(answer, Refusal):
            raise RoundRefused(answer)
        _refuse_another_plan(request.watch, answer)
        await self._clear(request, answer)
        self._report(events.RecoveryPlanned(workflow_id=request.watch.workflow_id, plan=answer))
        return answer

    async def _clear(self, request: RecoveryRequest, plan: Plan) -> None:
        """Raises RoundProposed for a plan that waits for approval, RoundRefused for a rejected one.

        Also SchedulerError.
        """
        limits = _settings(request).approval
        if refusal := await self._approval.ask(request.watch, plan, limits):
            raise RoundRefused(refusal)

    async def _attempts(
        self, request: RecoveryRequest, diagnosis: Diagnosis
    ) -> tuple[SizedAttempt, ...]:
        """Recorded before the plan is: after its retries the server may not have them any more."""
        return await self._sizes.record(
            request.watch.identity,
            request.observation.workflow,
            diagnosis.findings,
            with_peers=_settings(request).sizing is SizingPolicy.EVIDENCE,
        )

    def _history(self, request: RecoveryRequest) -> History:
        return History(past=request.watch.record.past, incidents=self._journal.incidents.all())

    async def _timing(self, request: RecoveryRequest, diagnosis: Diagnosis) -> Timing:
        """A user who asks for a round, or a hook that repairs, waits for nothing."""
        now, asked = self._context.clock(), request.watch.request
        if asked.once or _settings(request).after_repair:
            return Timing(now=now)
        has_room = True
        if any(each.remedy is Remedy.AWAIT_ROOM for each in diagnosis.findings):
            submitted_in = request.observation.workflow.submission_directory
            has_room = await self._context.has_room(asked.output_dir, submitted_in)
        return Timing(now=now, may_wait=True, has_room=has_room, asked=request.watch.asked)

    async def plan_more(self, request: RecoveryRequest, unserved: UnservedJobs) -> Plan:
        """Allocations for jobs that none takes. Raises RoundRefused or RoundProposed."""
        answer = await make_plan_for_more(
            self._context.client,
            self._context.cluster,
            workflow=request.observation.workflow,
            unserved=unserved,
            history=self._history(request),
            settings=_settings(request),
            running=RunningAllocations(
                now=self._context.clock(),
                allocations=request.observation.allocations,
                specs=self._journal.allocations_of(request.watch.record.id),
            ),
        )
        if isinstance(answer, Refusal):
            raise RoundRefused(answer)
        await self._clear(request, answer)
        self._report(
            events.JobsUnserved(
                workflow_id=request.watch.workflow_id,
                jobs=len(unserved.jobs),
                allocations=len(answer.allocations),
            )
        )
        return answer


def _refuse_another_plan(watch: Watch, plan: Plan) -> None:
    """Raises RoundRefused where the user asked for one that is not this."""
    wanted = watch.request.only_plan
    if wanted is None or wanted == (now := id_of(plan, watch)):
        return
    reason = changed_plan(watch.workflow_id, now)
    raise RoundRefused(Refusal(kind=RefusalKind.PLAN_CHANGED, reason=reason))


def refuse_begun_round(watch: Watch) -> WatchEnded | None:
    """Where an earlier round did not end, and the user asked for exactly another one.

    The journal keeps the round, and the watch, open.
    """
    begun, wanted, recovery = (
        watch.record.open_round,
        watch.request.only_plan,
        watch.request.recovery,
    )
    if begun is None or begun.plan is None:
        return None
    number = id_of(begun.plan, watch)
    is_chosen = recovery is not None and recovery.choice is not None
    if wanted == number or (wanted is None and not is_chosen):
        return None
    reason = begun_plan(watch.workflow_id, number)
    return WatchEnded(workflow_id=watch.workflow_id, verdict=Verdict.PLAN_CHANGED, reason=reason)


def _settings(request: RecoveryRequest) -> RecoverySettings:
    settings = request.watch.request.recovery
    assert settings is not None  # noqa: S101 - a watch without recovery requests none
    return settings
