"""What a dry run prints: a plan, the refusal to make one, or why there is nothing to recover."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torc_watch.core.assessment import WorkflowState
from torc_watch.core.findings import Finding
from torc_watch.core.plan_price import PlanPrice
from torc_watch.core.recovery_round import Plan, Postponement, Refusal
from torc_watch.render.price_text import price_text, price_values
from torc_watch.render.terminal_text import printable
from torc_watch.render.time_text import waits_until
from torc_watch.render.transcript import allocation_texts, jobs_text, left_alone_lines, plan_lines

_MAX_NOTE = 500  # characters

PlanResult = Plan | Refusal | Postponement | WorkflowState

_NOTHING_TO_RECOVER = {
    WorkflowState.WORKING: (
        "Workflow {} still has workers, or waits for them: there is nothing to recover yet."
    ),
    WorkflowState.UNSTARTABLE: (
        "The allocations of workflow {} will never start: cancel them, then recover it."
    ),
    WorkflowState.FINISHED: "Every job of workflow {} is completed: there is nothing to recover.",
    WorkflowState.CANCELED: "Workflow {} was canceled: reset it to run it again.",
    WorkflowState.ARCHIVED: "Workflow {} is archived.",
}


def round_name(workflow_id: int, *, of_watch: bool) -> str:
    """Who would carry it out: the watch, or the command that a user gives."""
    return "the next round of its watch" if of_watch else f"torc-watchd recover {workflow_id}"


@dataclass(frozen=True, slots=True)
class QuotedPlan:
    """The ID of a plan, and its price."""

    plan_id: str
    price: PlanPrice


def plan_text(
    workflow_id: int,
    answer: PlanResult,
    notes: Sequence[str] = (),
    *,
    of_watch: bool = False,
    quoted: QuotedPlan | None = None,
) -> Iterator[str]:
    match answer:
        case Plan():
            name = round_name(workflow_id, of_watch=of_watch)
            yield f"{name[0].upper() if of_watch else name[0]}{name[1:]} would:"
            yield from plan_lines(answer)
            if answer.starts_run:
                jobs = jobs_text(len(answer.retries) + answer.uninitialized)
                yield f"  Start run {answer.run_id + 1} with {jobs}"
            for text in allocation_texts(answer.allocations):
                yield f"  Submit {text}"
            if quoted:
                yield from quoted_text(workflow_id, quoted)
            yield "Nothing was changed."
        case Refusal():
            yield from left_alone_lines(answer.left_alone)
            yield answer.reason
        case Postponement():
            yield from left_alone_lines(answer.left_alone)
            yield f"Waits {waits_until(answer.until, answer.phrase)}."
            yield f"To run them at once: torc-watchd resume {workflow_id}"
        case WorkflowState():
            yield _NOTHING_TO_RECOVER[answer].format(workflow_id)
    yield from notes_text(notes)


def quoted_text(workflow_id: int, quoted: QuotedPlan) -> Iterator[str]:
    yield f"Plan {quoted.plan_id}: {price_text(quoted.price)}"
    command = f"torc-watchd recover {workflow_id} --plan {quoted.plan_id}"
    yield f"To carry out exactly this, with the same options: {command}"


def notes_text(notes: Iterable[str]) -> Iterator[str]:
    yield from (f"Note: {printable(note, max_length=_MAX_NOTE)}" for note in notes)


def unread_notes(workflow_id: int, findings: Iterable[Finding]) -> tuple[str, ...]:
    """That causes, and what follows from them, may be others than those that are shown."""
    unread = sum(not each.was_read for each in findings)
    if not unread:
        return ()
    note = (
        f"What {jobs_text(unread)} wrote was not read in time, and may change the plan: "
        f"torc-watchd why {workflow_id} reads for longer."
    )
    return (note,)


def plan_values(
    workflow_id: int,
    answer: PlanResult,
    notes: Sequence[str] = (),
    quoted: QuotedPlan | None = None,
) -> dict[str, Any]:
    """The same for scripts: ``plan`` or ``refusal`` is null where there is none."""
    return {
        "workflow_id": workflow_id,
        "standing": answer if isinstance(answer, WorkflowState) else "needs_recovery",
        "plan": asdict(answer) if isinstance(answer, Plan) else None,
        "refusal": asdict(answer) if isinstance(answer, Refusal) else None,
        "postponement": _postponement_values(answer) if isinstance(answer, Postponement) else None,
        "notes": list(notes),
        "plan_id": quoted.plan_id if quoted else None,
        "price": price_values(quoted.price) if quoted else None,
        "proposal": None,
    }


def _postponement_values(answer: Postponement) -> dict[str, Any]:
    return {
        "until": answer.until.isoformat(),
        "awaits_room": answer.awaits_room,
        "causes": list(answer.causes),
        "jobs": [retry.job_id for retry in answer.retries],
        "reason": answer.phrase,
    }


def plan_status(answer: PlanResult) -> int:
    """1 where the user has to step in, else 0."""
    return 1 if isinstance(answer, Refusal) else 0
