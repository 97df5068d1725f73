"""Plans that wait for approval, as text and as values for scripts."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from torc_watch.core.approval import PlanAnswer, Proposal
from torc_watch.core.units import hours_text
from torc_watch.daemon.open_proposals import OpenProposal, UnreadableProposal
from torc_watch.render.price_text import price_values, proposed_price_text
from torc_watch.render.terminal_text import printable
from torc_watch.render.text_table import table_lines
from torc_watch.render.time_text import local_time
from torc_watch.render.transcript import allocation_texts, plan_lines

_HEAD = ("ID", "PLAN", "JOBS", "NODE HOURS", "ALLOCATIONS", "PROPOSED", "WHY")
_NUMBERS = (0, 2, 3, 4)
_MAX_REASON = 300


def proposal_table(waiting: Sequence[OpenProposal | UnreadableProposal]) -> Iterator[str]:
    if not waiting:
        yield "No plan waits for approval."
        return
    yield from table_lines([_HEAD, *map(_cells, waiting)], _NUMBERS)
    for each in waiting:
        if isinstance(each, UnreadableProposal):
            yield unreadable_text(each)


def unreadable_text(waiting: UnreadableProposal) -> str:
    """With what to do."""
    return (
        f"Plan {printable(waiting.plan_id)} of workflow {waiting.key.workflow_id} was proposed by "
        "another version of torc-watchd, and this one cannot read it. Answer it with that version, "
        "or restart the daemon (or the watch) with this one, which proposes a plan anew."
    )


def _cells(waiting: OpenProposal | UnreadableProposal) -> tuple[str, ...]:
    if isinstance(waiting, UnreadableProposal):
        return (
            str(waiting.key.workflow_id),
            printable(waiting.plan_id),
            *("?", "?", "?"),
            local_time(waiting.proposed_at),
            "of another version",
        )
    proposal = waiting.proposal
    price, answer = proposal.price, proposal.answer
    return (
        str(waiting.key.workflow_id),
        proposal.plan_id,
        str(price.jobs),
        "none" if price.node_hours is None else hours_text(price.node_hours),
        str(price.allocations),
        local_time(proposal.proposed_at.isoformat()),
        answer_text(answer) if answer else printable(proposal.reason, _MAX_REASON),
    )


def answer_text(answer: PlanAnswer) -> str:
    why = f": {printable(answer.reason, _MAX_REASON)}" if answer.reason else ""
    return f"{answer_name(answer)} by {printable(answer.by)}{why}"


def proposal_text(waiting: OpenProposal) -> Iterator[str]:
    """The plan, its price, and what the user can do."""
    proposal, workflow_id = waiting.proposal, waiting.key.workflow_id
    yield f"The next round of the watch of workflow {workflow_id} would:"
    yield from plan_lines(proposal.plan, with_reasons=True)
    for text in allocation_texts(proposal.plan.allocations):
        yield f"  Submit {text}"
    yield f"Plan {proposal.plan_id}: {proposed_price_text(proposal.price)}"
    since = local_time(proposal.proposed_at.isoformat())
    yield f"Proposed at {since}: {printable(proposal.reason, _MAX_REASON)}"
    if proposal.answer:
        yield f"It was {answer_text(proposal.answer)}"
        return
    yield f"  Approve it with: torc-watchd approve {workflow_id} --plan {proposal.plan_id}"
    yield f"  Reject it with:  torc-watchd reject {workflow_id} --reason TEXT"


def proposal_values(proposal: Proposal) -> dict[str, Any]:
    """With its answer; times are ISO 8601."""
    answer = proposal.answer
    return {
        **asdict(proposal.published()),
        "memory_factor": proposal.price.memory_factor,
        "answer": None if answer is None else answer_name(answer),
        "answered_by": answer.by if answer else None,
        "answered_at": answer.at.isoformat() if answer else None,
        "answer_reason": answer.reason if answer else None,
    }


def answer_name(answer: PlanAnswer) -> str:
    return "approved" if answer.approves else "rejected"


def open_proposal_values(waiting: OpenProposal) -> dict[str, Any]:
    server, workflow_id = waiting.key
    return {"server": server, "workflow_id": workflow_id, **proposal_values(waiting.proposal)}


def plans_values(waiting: Sequence[OpenProposal | UnreadableProposal]) -> dict[str, Any]:
    readable = [each for each in waiting if isinstance(each, OpenProposal)]
    unreadable = [each for each in waiting if isinstance(each, UnreadableProposal)]
    return {
        "plans": list(map(open_proposal_values, readable)),
        "unreadable": list(map(_unreadable_values, unreadable)),
    }


def _unreadable_values(waiting: UnreadableProposal) -> dict[str, Any]:
    server, workflow_id = waiting.key
    return {
        "server": server,
        "workflow_id": workflow_id,
        "plan_id": waiting.plan_id,
        "reason": waiting.reason,
        "proposed_at": waiting.proposed_at,
    }


def shown_plan_values(waiting: OpenProposal) -> dict[str, Any]:
    """As `plan` prints its own."""
    proposal = waiting.proposal
    return {
        "workflow_id": waiting.key.workflow_id,
        "standing": "needs_recovery",
        "plan": asdict(proposal.plan),
        "refusal": None,
        "postponement": None,
        "notes": [],
        "plan_id": proposal.plan_id,
        "price": price_values(proposal.price),
        "proposal": proposal_values(proposal),
    }
