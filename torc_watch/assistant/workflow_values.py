"""What is answered about workflows: their state, their failures, their past."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from torc_watch.app.explained_failures import ExplainedFailures
from torc_watch.app.inspection import Inspection
from torc_watch.app.workflow_list import ListedWorkflow
from torc_watch.assistant.answer_size import AnswerPage, name, sentence, sentences
from torc_watch.assistant.tool_set import Measurement, Values
from torc_watch.core.past_watch import PastRound, PastWatch
from torc_watch.core.recovery_round import Plan
from torc_watch.daemon.workflow_view import WorkflowView
from torc_watch.render.cause_text import cause_text
from torc_watch.render.plan_text import plan_text
from torc_watch.render.suspect_text import suspect_values
from torc_watch.render.transcript import jobs_text, plan_lines
from torc_watch.render.why_text import why_values
from torc_watch.render.workflow_list import run_state, workflow_values

_MOST_EXAMPLES = 5  # jobs of a group
_MOST_FACTS = 4
_MOST_FATES = 4
_MOST_ATTEMPTS = 10
_MOST_CHANGES = 10  # lines of a round
_MOST_SUSPECTS = 5


class WorkflowEntry(Values):
    id: int
    name: str
    user: str
    state: str
    counts: dict[str, int] | None = None
    watched: str | None = None


class WorkflowsAnswer(Values):
    server: str
    workflows: list[WorkflowEntry]
    total: int
    more: str | None = None
    untrusted_fields: tuple[str, ...] = ("workflows.name", "workflows.user")


class ProposalValues(Values):
    """A plan that waits for the user: `plan` with the action approve or reject."""

    plan_id: str
    jobs: int
    node_hours: Measurement = None
    allocations: int
    starts_at: str | None = None
    reason: str
    proposed_at: str


class WatchValues(Values):
    """What the daemon does with the workflow."""

    phase: str
    round: int = 0
    max_retries: int | None = None
    verdict: str | None = None
    reason: str | None = None
    waits_until: str | None = None
    proposal: ProposalValues | None = None


class StatusAnswer(Values):
    server: str
    workflow_id: int
    name: str
    state: str
    run_id: int
    counts: dict[str, int]
    failures: dict[str, int]
    suspects: int | None = None
    open_allocations: dict[str, int]
    watch: WatchValues | None = None
    waiting_commands: tuple[str, ...] | None = None
    next: list[str]
    notes: list[str] | None = None
    untrusted_fields: tuple[str, ...] = ("name", "next", "notes")


class FailureEntry(Values):
    cause: str
    confidence: str
    untrusted_text: str
    file: str | None = None
    jobs: int
    examples: list[str]
    facts: list[str] | None = None
    retries_so_far: int | None = None
    next: dict[str, int] | None = None


class SuspectEntry(Values):
    job_id: int
    job_name: str
    kind: str
    reason: str


class WhyAnswer(Values):
    workflow_id: int
    failures: list[FailureEntry]
    total: int
    more: str | None = None
    suspects: list[SuspectEntry] | None = None
    attempts: list[str] | None = None
    standing: str | None = None
    unread: str | None = None
    untrusted_fields: tuple[str, ...] = (
        "failures.untrusted_text",
        "failures.examples",
        "failures.facts",
        "suspects",
        "attempts",
        "standing",
    )


class RoundEntry(Values):
    began: str
    run_id: int
    outcome: str
    reason: str | None = None
    changes: list[str] | None = None
    watch_ended: str | None = None


class HistoryAnswer(Values):
    workflow_id: int
    rounds: list[RoundEntry]
    total: int
    more: str | None = None
    untrusted_fields: tuple[str, ...] = ("rounds.reason", "rounds.changes")


def workflow_entry(listed: ListedWorkflow, watched: str | None) -> WorkflowEntry:
    values = workflow_values(listed.workflow, listed.counts, watched)
    return WorkflowEntry.model_validate(
        values
        | {
            "name": name(listed.workflow.name),
            "user": name(listed.workflow.user),
            "counts": listed.counts and _without_zeros(values["counts"]),
        }
    )


def _without_zeros(counts: Mapping[str, int]) -> dict[str, int]:
    return {status: number for status, number in counts.items() if number}


def watch_values(view: WorkflowView) -> WatchValues:
    return WatchValues(
        phase=view.phase.value,
        round=view.round,
        max_retries=view.max_retries,
        verdict=view.verdict or None,
        reason=sentence(view.reason) or None,
        waits_until=view.waits_until or None,
        proposal=ProposalValues.model_validate(asdict(view.proposal)) if view.proposal else None,
    )


def status_answer(
    server: str, seen: Inspection, view: WorkflowView | None, waiting: Sequence[str]
) -> StatusAnswer:
    workflow = seen.observation.workflow
    states = [str(status.state) for _, status in seen.observation.allocations]
    return StatusAnswer(
        server=server,
        workflow_id=workflow.id,
        name=name(workflow.name),
        state=run_state(workflow, seen.counts),
        run_id=workflow.run_id,
        counts=_without_zeros({key.value: n for key, n in seen.counts.by_status.items()}),
        failures=_numbers(cause_text(each.cause) for each in seen.findings),
        suspects=len(seen.suspects) or None,
        open_allocations=_numbers(states),
        watch=watch_values(view) if view else None,
        waiting_commands=tuple(waiting) or None,
        next=_next(seen),
        notes=sentences(seen.all_notes, _MOST_CHANGES) or None,
    )


def _numbers(words: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for word in words:
        found[word] = found.get(word, 0) + 1
    return found


def _next(seen: Inspection) -> list[str]:
    answer = seen.answer
    if not isinstance(answer, Plan):
        text = list(plan_text(seen.observation.workflow.id, answer, of_watch=seen.of_watch))
        return sentences(text, _MOST_CHANGES)
    who = "The next round of its watch" if seen.of_watch else "A recovery"
    alone = len(answer.left_alone) - answer.held
    left = f"; {jobs_text(alone)} are left alone" if alone else ""
    held = f"; {jobs_text(answer.held)} wait for what those need" if answer.held else ""
    return [f"{who} would run {jobs_text(len(answer.retries))} again{held}{left}. Details: plan"]


def why_answer(
    workflow_id: int, found: ExplainedFailures, page: AnswerPage[FailureEntry]
) -> WhyAnswer:
    suspects = suspect_values(found.suspects)[:_MOST_SUSPECTS]
    unread = why_values(workflow_id, found.groups)["unread"]
    return WhyAnswer(
        workflow_id=workflow_id,
        failures=page.entries,
        total=page.total,
        more=page.more,
        suspects=[_suspect_entry(each) for each in suspects] or None,
        attempts=[
            sentence(f"run {each.run_id}: {each.reason}")
            for each in found.attempts[-_MOST_ATTEMPTS:]
        ]
        or None,
        standing=found.standing and sentence(found.standing),
        unread=f"{jobs_text(unread)}: what they wrote was not read in time" if unread else None,
    )


def _suspect_entry(values: Mapping[str, Any]) -> SuspectEntry:
    texts = {"job_name": name(values["job_name"]), "reason": sentence(values["reason"])}
    return SuspectEntry.model_validate({**values, **texts})


def failure_entries(workflow_id: int, found: ExplainedFailures) -> list[FailureEntry]:
    values = why_values(workflow_id, found.groups, errors=found.errors)
    return list(map(failure_entry, values["failures"]))


def failure_entry(group: Mapping[str, Any]) -> FailureEntry:
    jobs = group["jobs"]
    reason, last = group["reason"], group["last_words"]
    file = group["evidence"]["file"] if group["evidence"] else group["errors"]
    facts = [_fact(each) for each in group["facts"] if each["text"] != reason]
    fates = _numbers(each["next"] for each in jobs if each["next"])
    return FailureEntry(
        cause=cause_text(group["cause"]),
        confidence=group["confidence"],
        untrusted_text=sentence(f"{reason}; last error line: {last}" if last else reason),
        file=sentence(file) if file else None,
        jobs=len(jobs),
        examples=[f"{each['job_id']} {name(each['job_name'])}" for each in jobs[:_MOST_EXAMPLES]],
        facts=facts[:_MOST_FACTS] or None,
        retries_so_far=group["retries"] or None,
        next=_first(fates) or None,
    )


def _fact(fact: Mapping[str, Any]) -> str:
    return sentence(f"{fact['source']}: {fact['text'].removeprefix(fact['source']).strip()}")


def _first(fates: Mapping[str, int]) -> dict[str, int]:
    """Most jobs of a group have one fate, or a few."""
    first = dict(list(fates.items())[:_MOST_FATES])
    others = sum(fates.values()) - sum(first.values())
    return {sentence(text): number for text, number in first.items()} | (
        {"others": others} if others else {}
    )


def round_entries(watches: Sequence[PastWatch]) -> list[RoundEntry]:
    """The newest first."""
    return [
        _round_entry(round_, watch if round_ is watch.rounds[-1] else None)
        for watch in reversed(watches)
        for round_ in reversed(watch.rounds)
    ]


def _round_entry(round_: PastRound, ended: PastWatch | None) -> RoundEntry:
    lines = list(plan_lines(round_.plan, with_reasons=True)) if round_.plan else []
    unfinished = f"in progress at step {round_.last_step or 'orphans'}"
    return RoundEntry(
        began=round_.began,
        run_id=round_.run_id,
        outcome=round_.outcome or unfinished,
        reason=sentence(round_.reason) or None,
        changes=sentences([line.strip() for line in lines], _MOST_CHANGES) or None,
        watch_ended=_verdict(ended) if ended else None,
    )


def _verdict(watch: PastWatch) -> str | None:
    if watch.ended is None:
        return None
    return sentence(f"{watch.verdict}: {watch.reason}" if watch.reason else str(watch.verdict))
