"""What to do next: the decision of the next round, and the commands for it."""

from collections.abc import Iterator
from dataclasses import dataclass

from torc_watch.core.assessment import WorkflowState, has_succeeded, stuck_reason
from torc_watch.core.recovery_round import Plan, Postponement, Refusal
from torc_watch.core.report import WorkflowOnServer, WorkflowReport
from torc_watch.core.utilization import Fit
from torc_watch.render.plan_text import plan_text
from torc_watch.render.report_page.summary import will_continue
from torc_watch.render.report_page.words import sentence

_MOST_LINES = 30  # of a plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """``command`` is to be typed; without one the text says all."""

    text: str
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """``says`` is one sentence or two, ``details`` are the lines of the plan."""

    says: str
    details: tuple[str, ...] = ()
    steps: tuple[Suggestion, ...] = ()


def advice(report: WorkflowReport) -> Advice:
    known, number = report.known, report.key.workflow_id
    if known is None:
        return _without_server(report)
    if has_succeeded(known.counts):
        return Advice(says=_after_success(known), steps=tuple(_after_success_steps(number, known)))
    if not known.counts.total:
        return Advice(says="There is nothing to run: add jobs, or delete the workflow.")
    is_watched = report.is_watched
    return Advice(
        says=_says(number, known, is_watched=is_watched),
        details=tuple(_details(number, known)),
        steps=tuple(_steps(number, known, is_watched=is_watched)),
    )


def _without_server(report: WorkflowReport) -> Advice:
    number = report.key.workflow_id
    if report.is_unreachable:
        again = Suggestion(text="make this report again", command=f"torc-watchd report {number}")
        return Advice(says="The server did not answer. When it does:", steps=(again,))
    return Advice(
        says="The workflow is not on its server any more: there is nothing to recover.",
        steps=(
            Suggestion(text="lists the workflows on the server", command="torc-watchd workflows"),
            Suggestion(
                text="ends what the daemon knows of it", command=f"torc-watchd remove {number}"
            ),
        ),
    )


def _after_success(known: WorkflowOnServer) -> str:
    if known.suspects:
        return "Every job completed, but the success of some is suspect: look at their output."
    return "Nothing has to be done: every job completed."


def _after_success_steps(number: int, known: WorkflowOnServer) -> Iterator[Suggestion]:
    if known.suspects:
        yield Suggestion(text="shows the suspect jobs", command=f"torc-watchd why {number}")
    fits = {use.fit for kind in known.utilization.kinds for use in kind.uses}
    if fits & {Fit.TOO_LITTLE, Fit.FAR_TOO_MUCH}:
        yield Suggestion(
            text="Before you run it again, adapt the requests that the tables below name."
        )


def _says(number: int, known: WorkflowOnServer, *, is_watched: bool) -> str:
    if will_continue(known, is_watched=is_watched):
        would = " The next round of its watch would:" if isinstance(known.answer, Plan) else ""
        return f"torc-watchd continues by itself.{would}"
    match known.answer:
        case Postponement():
            return "It is too early to run the failed jobs again."
        case Plan():
            return "One round of recovery is possible. It would:"
        case Refusal(reason=reason):
            return sentence(reason)
        case WorkflowState() as state:
            return _says_of_state(number, known, state, is_watched=is_watched)


def _says_of_state(
    number: int, known: WorkflowOnServer, state: WorkflowState, *, is_watched: bool
) -> str:
    if state is WorkflowState.STALLED:
        return stuck_reason(number, known.counts)
    if state is WorkflowState.WORKING:
        watches = "watches" if is_watched else "does not watch"
        return f"Its workers run, or wait to start. torc-watchd {watches} it."
    return next(plan_text(number, state))


def _details(number: int, known: WorkflowOnServer) -> Iterator[str]:
    """The lines of the plan but for its first and last, and those of what is left alone."""
    answer = known.answer
    if isinstance(answer, WorkflowState):
        return
    lines = [line.strip() for line in plan_text(number, answer)]
    lines = lines[1:-1] if isinstance(answer, Plan) else lines[:-1]
    yield from lines[:_MOST_LINES]
    if len(lines) > _MOST_LINES:
        yield f"and {len(lines) - _MOST_LINES} more lines, which torc-watchd plan {number} shows"


def _steps(number: int, known: WorkflowOnServer, *, is_watched: bool) -> Iterator[Suggestion]:
    if known.failures:
        yield Suggestion(
            text="says why jobs failed, with all evidence", command=f"torc-watchd why {number}"
        )
        job = known.failures[0].findings[0].job
        yield Suggestion(
            text=f"shows what {job.name} has written", command=f"torc-watchd jobs logs {job.id}"
        )
    match known.answer:
        case Postponement():
            text = "runs them at once"
            yield Suggestion(text=text, command=f"torc-watchd resume {number}")
        case Plan() if not will_continue(known, is_watched=is_watched):
            yield Suggestion(text="carries out this round", command=f"torc-watchd recover {number}")
        case Refusal():
            yield Suggestion(
                text="runs the jobs again, once the reason is mended",
                command=f"torc-watchd recover {number}",
            )
        case WorkflowState.STALLED:
            yield Suggestion(
                text="starts workers for the rest", command=f"torc-watchd recover {number}"
            )
        case WorkflowState.WORKING if not is_watched:
            yield Suggestion(text="lets the daemon watch it", command=f"torc-watchd add {number}")
    if known.answer not in (WorkflowState.ARCHIVED, WorkflowState.CANCELED):
        yield Suggestion(text="shows how it stands now", command=f"torc-watchd status {number}")
