"""What is answered about plans: their exact changes, their price, and what came of them."""

from collections.abc import Sequence
from hashlib import sha256

from torc_watch.app.inspection import Inspection
from torc_watch.assistant.answer_size import sentence, sentences
from torc_watch.assistant.tool_set import Values
from torc_watch.core.approval import Proposal
from torc_watch.core.past_watch import PastRound
from torc_watch.core.recovery_round import Plan
from torc_watch.render.plan_text import plan_text
from torc_watch.render.price_text import price_text
from torc_watch.render.transcript import allocation_texts, plan_lines

_MOST_LINES = 60
_MOST_NOTES = 5
_LAST_LINES = 30  # of a transcript
_DIGITS = 8  # of an ID, as those of rounds have


class ShownPlan(Values):
    """Without a ``plan_id`` there is nothing to apply; ``changes`` say why."""

    server: str
    workflow_id: int
    action: str
    plan_id: str | None = None
    changes: list[str]
    price: str | None = None
    notes: list[str] | None = None
    to_apply: str | None = None
    untrusted_fields: tuple[str, ...] = ("changes", "notes")


class AppliedPlan(Values):
    workflow_id: int
    action: str
    outcome: str
    done: list[str]
    untrusted_fields: tuple[str, ...] = ("done",)


def round_answer(
    server: str, seen: Inspection, action: str, to_apply: str, notes: Sequence[str] = ()
) -> ShownPlan:
    """``to_apply`` says how to have the plan carried out, if there is one."""
    workflow_id = seen.observation.workflow.id
    lines = [line.strip() for line in plan_text(workflow_id, seen.answer)]
    if isinstance(seen.answer, Plan):
        lines = lines[1:-1]  # without who would do it, and that nothing is done yet
    return ShownPlan(
        server=server,
        workflow_id=workflow_id,
        action=action,
        plan_id=seen.plan_id or None,
        changes=sentences(lines, _MOST_LINES),
        price=price_text(seen.price) if seen.price else None,
        notes=sentences([*notes, *seen.all_notes], _MOST_NOTES) or None,
        to_apply=to_apply if seen.plan_id else None,
    )


def rest_of_round_lines(round_: PastRound) -> list[str]:
    """What is left of one that did not end: the plan that the journal has."""
    assert round_.plan is not None  # noqa: S101 - one without is not continued
    first = (
        f"Continue the round of recovery that began at {round_.began} and did not end: step "
        f"{round_.last_step or 'orphans'}. While its process lives, this is refused. Its plan, "
        "parts of which may be done:"
    )
    lines = [line.strip() for line in plan_lines(round_.plan)]
    texts = [f"Submit {text}" for text in allocation_texts(round_.plan.allocations)]
    return sentences([first, *lines, *texts], _MOST_LINES)


def waiting_lines(proposal: Proposal) -> list[str]:
    """A plan that waits for approval."""
    first = f"Plan {proposal.plan_id} of the workflow's watch:"
    lines = [line.strip() for line in plan_lines(proposal.plan, with_reasons=True)]
    texts = [f"Submit {text}" for text in allocation_texts(proposal.plan.allocations)]
    return sentences([first, *lines, *texts], _MOST_LINES)


def last_lines_of(transcript: list[str]) -> list[str]:
    lines = [sentence(line.strip()) for line in transcript if line.strip()]
    return lines[-_LAST_LINES:]


def change_id(*parts: object) -> str:
    """The ID of a change that is no round: a digest of the change, and of what it is made for."""
    return sha256("\n".join(map(repr, parts)).encode()).hexdigest()[:_DIGITS]
