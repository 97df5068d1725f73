"""Plans that wait for the user's approval: proposed before anything of them is done."""

import anyio

from torc_watch.core import events
from torc_watch.core.approval import Clearance, Proposal, clearance, reason_to_ask, rejection
from torc_watch.core.model import JobCounts
from torc_watch.core.plan_identity import plan_id
from torc_watch.core.plan_price import price_of
from torc_watch.core.recovery_round import ApprovalLimits, Plan, Refusal, RefusalKind
from torc_watch.engine.messages import EngineContext, KeepWatching, PollResult, Watch
from torc_watch.engine.planner import expected_start
from torc_watch.engine.proposal_table import ProposalEnd


class RoundProposed(Exception):
    """Ends a round whose plan waits for approval."""

    def __init__(self, proposal: Proposal) -> None:
        super().__init__(f"plan {proposal.plan_id} needs approval: {proposal.reason}")
        self.proposal = proposal


class PlanApproval:
    """Its methods raise JournalError."""

    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._table = context.journal.proposals
        self._report = context.report

    async def ask(self, watch: Watch, plan: Plan, limits: ApprovalLimits) -> Refusal | None:
        """None for a plan that may be carried out, the refusal of one that the user rejected.

        Raises RoundProposed for one that waits, and SchedulerError. A user who asks for a round
        has approved it.
        """
        if watch.request.once:
            return None
        number, reason = id_of(plan, watch), reason_to_ask(price_of(plan), limits)
        waiting = self._table.open_of(watch.record.id)
        watch.record.proposal = waiting
        match clearance(number, reason, waiting):
            case Clearance.PROPOSE:
                raise RoundProposed(await self._propose(watch, plan, number, reason))
            case Clearance.WAIT if waiting:
                self._report(_awaited(watch, waiting))
                raise RoundProposed(waiting)
            case Clearance.REJECTED if waiting and waiting.answer:
                text = rejection(waiting, waiting.answer)
                return Refusal(kind=RefusalKind.REJECTED, reason=text, left_alone=plan.left_alone)
        if reason and waiting and waiting.answer:
            self._report(_approved(watch, waiting))
        return None

    async def _propose(self, watch: Watch, plan: Plan, number: str, reason: str) -> Proposal:
        before = watch.record.proposal
        proposal = self._table.propose(
            watch.record.id,
            plan,
            plan_id=number,
            starts_at=await expected_start(plan, self._context.cluster),
            reason=reason,
        )
        watch.record.proposal = proposal
        self._report(_proposed(watch, proposal, before))
        return proposal

    def withdraw(self, watch: Watch) -> None:
        """There is nothing to approve any more."""
        self._close(watch, ProposalEnd.WITHDRAWN)

    def close(self, watch: Watch) -> None:
        """After the plan of a round was carried out, as far as it went."""
        self._close(watch, ProposalEnd.CARRIED_OUT)

    def _close(self, watch: Watch, end: ProposalEnd) -> None:
        if watch.record.proposal is not None:
            self._table.close(watch.record.id, end)
        watch.record.proposal = watch.proposed = None

    def still_waits(self, poll: PollResult, counts: JobCounts) -> KeepWatching | None:
        """None where no round waits, or the user has answered, or the workflow changed."""
        watch, workflow = poll.watch, poll.observation.workflow
        kept, watch.proposed = watch.proposed, None
        if kept is None or kept.run_id != workflow.run_id or kept.counts.differ_from(counts):
            return None
        if kept.proposal.id in self._table.answered():
            return None
        watch.proposed = kept
        return KeepWatching(proposal=kept.proposal)

    def drop_at_rest(self, watch: Watch) -> None:
        """Of a workflow that is no longer at rest: its jobs run."""
        watch.proposed = None
        if watch.record.proposal and not watch.record.proposal.plan.joins_workers:
            self.withdraw(watch)

    def still_waits_beside_workers(self, watch: Watch) -> KeepWatching | None:
        """The same for allocations to submit while others run; for a while without a new search."""
        proposal = watch.record.proposal
        if proposal is None:
            return None
        if proposal.id in self._table.answered():
            watch.unserved.not_before = 0.0
        waits = anyio.current_time() < watch.unserved.not_before
        return KeepWatching(proposal=proposal) if waits else None

    def waits_on(self, watch: Watch) -> KeepWatching:
        """After a search for such allocations, where it could be made, none is needed any more."""
        if watch.unserved.seen is not None and watch.unserved.since is None:
            self.withdraw(watch)
        return KeepWatching(proposal=watch.record.proposal)


def id_of(plan: Plan, watch: Watch) -> str:
    return plan_id(plan, server=watch.identity.server, created=watch.identity.created)


def _proposed(watch: Watch, proposal: Proposal, before: Proposal | None) -> events.PlanProposed:
    return events.PlanProposed(
        workflow_id=watch.workflow_id,
        plan=proposal.plan,
        plan_id=proposal.plan_id,
        price=proposal.price,
        reason=proposal.reason,
        waiting=proposal.published(),
        rounds_used=watch.record.past.used,
        replaces=before.plan_id if before else "",
    )


def _awaited(watch: Watch, proposal: Proposal) -> events.ApprovalAwaited:
    return events.ApprovalAwaited(
        workflow_id=watch.workflow_id,
        plan=proposal.plan,
        plan_id=proposal.plan_id,
        price=proposal.price,
        waiting=proposal.published(),
        rounds_used=watch.record.past.used,
    )


def _approved(watch: Watch, proposal: Proposal) -> events.PlanApproved:
    answer = proposal.answer
    return events.PlanApproved(
        workflow_id=watch.workflow_id,
        plan_id=proposal.plan_id,
        by=answer.by if answer else "",
        reason=answer.reason if answer else "",
    )
