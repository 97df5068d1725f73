"""Whether a round may be carried out, or waits until the user has approved its plan.

A plan is proposed before anything of it is done. It is made again when the user has answered: the
answer counts for exactly the plan that was shown, which is known by its ID.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from torc_watch.core.plan_price import PlanPrice, price_of
from torc_watch.core.recovery_round import ApprovalLimits, Plan
from torc_watch.core.waiting_plan import WaitingPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanAnswer:
    """``by`` is the user and the host, such as ``ada@login1``; ``reason`` may be empty."""

    approves: bool
    by: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A plan that waits, or waited, for an answer. ``id`` is that of its row in the journal.

    ``starts_at`` is when the first allocation was expected to start, None where that is not known.
    """

    id: int
    plan_id: str
    plan: Plan
    starts_at: datetime | None
    reason: str
    proposed_at: datetime
    answer: PlanAnswer | None = None

    @property
    def price(self) -> PlanPrice:
        return price_of(self.plan, self.starts_at)

    def published(self) -> WaitingPlan:
        price = self.price
        return WaitingPlan(
            plan_id=self.plan_id,
            jobs=price.jobs,
            node_hours=price.node_hours,
            allocations=price.allocations,
            starts_at=self.starts_at.isoformat() if self.starts_at else None,
            reason=self.reason,
            proposed_at=self.proposed_at.isoformat(),
        )


class Clearance(Enum):
    """What happens to a plan that was just made."""

    GO = "go"
    PROPOSE = "propose"  # it waits from now on
    WAIT = "wait"  # it was proposed, and there is no answer
    REJECTED = "rejected"


def reason_to_ask(price: PlanPrice, limits: ApprovalLimits) -> str:
    """Why the user has to approve a plan with that price; empty where that is not needed."""
    if limits.always:
        return "every plan needs approval (--approve)"
    return ", ".join(_excesses(price, limits))


def clearance(plan_id: str, reason: str, proposal: Proposal | None) -> Clearance:
    """``reason`` is that of ``reason_to_ask``, ``proposal`` the one that waits, if any."""
    if not reason:
        return Clearance.GO
    if proposal is None or proposal.plan_id != plan_id:
        return Clearance.PROPOSE
    if proposal.answer is None:
        return Clearance.WAIT
    return Clearance.GO if proposal.answer.approves else Clearance.REJECTED


def rejection(proposal: Proposal, answer: PlanAnswer) -> str:
    why = f": {answer.reason}" if answer.reason else ""
    return f"Plan {proposal.plan_id} was rejected by {answer.by}{why}"


def _excesses(price: PlanPrice, limits: ApprovalLimits) -> Iterator[str]:
    hours, most = price.node_hours, limits.node_hours
    if most is not None and hours is not None and hours > most:
        yield f"more than {most:g} node hours"
    if limits.memory_factor is not None and price.memory_factor > limits.memory_factor:
        yield f"memory of a job x {price.memory_factor:.3g}, more than {limits.memory_factor:g}"
    if limits.jobs is not None and price.jobs > limits.jobs:
        yield f"more than {limits.jobs} jobs"
