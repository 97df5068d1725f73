"""An answer by an assistant to a plan that waits for approval: what follows from it, giving it."""

from functools import partial

import anyio

from torc_watch.app.plan_answers import answer_plan, waiting_plan
from torc_watch.assistant.access import ServerAccess
from torc_watch.assistant.answer_size import sentence
from torc_watch.assistant.plan_values import AppliedPlan, ShownPlan, change_id, waiting_lines
from torc_watch.assistant.planned_changes import PlannedAnswer, refuse_another
from torc_watch.core.approval import Proposal
from torc_watch.core.errors import InvalidInput
from torc_watch.render.price_text import proposed_price_text

_REJECTED = "Nothing of it is done: the watch ends and hands the workflow over to the user."
_BY_ASSISTANT = "through an assistant"


def plan_answer(access: ServerAccess, change: PlannedAnswer) -> ShownPlan:
    """Raises JournalError, and InvalidInput where no plan waits for an answer."""
    proposal = _waiting(access, change)
    lines = waiting_lines(proposal)
    return ShownPlan(
        server=access.url,
        workflow_id=change.workflow_id,
        action=_name(change),
        plan_id=_id_of(access, change, proposal),
        changes=lines if change.approves else [lines[0], _REJECTED],
        price=proposed_price_text(proposal.price) if change.approves else None,
        notes=[sentence(f"It waits for approval: {proposal.reason}")],
    )


def _waiting(access: ServerAccess, change: PlannedAnswer) -> Proposal:
    proposal = waiting_plan(access.home, change.workflow_id, access.url).proposal
    if proposal.answer is not None:
        raise InvalidInput(f"Plan {proposal.plan_id} has an answer already.")
    return proposal


def _name(change: PlannedAnswer) -> str:
    return "approve" if change.approves else "reject"


def _id_of(access: ServerAccess, change: PlannedAnswer, proposal: Proposal) -> str:
    """Approval and rejection of one plan are two changes."""
    return change_id(change, access.url, proposal.plan_id)


async def give_answer(access: ServerAccess, plan_id: str, change: PlannedAnswer) -> AppliedPlan:
    """Raises PlanChanged, JournalError, InvalidInput."""
    proposal = _waiting(access, change)
    refuse_another(plan_id, _id_of(access, change, proposal), change)
    reason = f"{change.reason} ({_BY_ASSISTANT})" if change.reason else _BY_ASSISTANT
    give = partial(
        answer_plan,
        change.workflow_id,
        approves=change.approves,
        settings=access.settings,
        url=access.url,
        plan_id=proposal.plan_id,
        reason=reason,
    )
    given = await anyio.to_thread.run_sync(give)
    return AppliedPlan(
        workflow_id=change.workflow_id,
        action=_name(change),
        outcome="approved" if change.approves else "rejected",
        done=[sentence(given.note)],
    )
