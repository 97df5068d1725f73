"""What happened, in a few sentences and numbers."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from torc_watch.core.assessment import FAILURES, WorkflowState, has_succeeded, is_not_started
from torc_watch.core.cause import Cause
from torc_watch.core.model import JobCounts, JobStatus
from torc_watch.core.recovery_round import Plan, Postponement
from torc_watch.core.report import WorkflowOnServer, WorkflowReport
from torc_watch.core.timeline import Timeline
from torc_watch.render.cause_text import cause_text
from torc_watch.render.report_page.markup import Markup, element
from torc_watch.render.report_page.repairs import numbered, raises, repairs
from torc_watch.render.report_page.words import count, duration, hours, percent, sentence


class Standing(StrEnum):
    """The words of the mark on top; the page gives each its own sign, too."""

    COMPLETED = "Completed"
    RUNNING = "Running"
    FAILED = "Failed"
    STOPPED = "Stopped"
    UNKNOWN = "Not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number that counts, and what belongs to it."""

    name: str
    value: str
    note: str = ""


_SIGNS = {
    Standing.COMPLETED: "✓",
    Standing.RUNNING: "▶",
    Standing.FAILED: "✗",
    Standing.STOPPED: "■",
    Standing.UNKNOWN: "?",
}
_MOST_CAUSES = 4  # in a sentence


def standing(report: WorkflowReport) -> Standing:
    known = report.known
    if known is None:
        return Standing.UNKNOWN
    if has_succeeded(known.counts):
        return Standing.COMPLETED
    if known.answer is WorkflowState.WORKING or isinstance(known.answer, Postponement):
        return Standing.RUNNING
    if known.counts.of(*FAILURES) or known.failures:
        return Standing.FAILED
    return Standing.STOPPED


def mark(report: WorkflowReport) -> Markup:
    word = standing(report)
    sign = element("span", _SIGNS[word], aria_hidden="true")
    return element("p", sign, f" {word}", class_=f"mark mark-{word.name.lower()}")


def sentences(report: WorkflowReport) -> Iterator[str]:
    """What is now, what was done about failures, and what it cost."""
    known = report.known
    yield from report.troubles
    if known is not None:
        yield _jobs_now(known)
        yield from _failures_now(known)
    yield from _recovered(report)
    if known is None:
        yield from _last_outcome(report)
    elif known.node_hours.total:
        yield _cost(known)


def _jobs_now(known: WorkflowOnServer) -> str:
    counts = known.counts
    done = counts.of(JobStatus.COMPLETED)
    if not counts.total:
        return "The workflow has no jobs."
    if has_succeeded(counts):
        rest = counts.total - done
        disabled = f"; {count(rest, 'job')} disabled" if rest else ""
        return f"{_all(done)} completed{disabled}."
    if is_not_started(counts):
        return f"The workflow with its {count(counts.total, 'job')} has not been started."
    return f"{done:,} of {count(counts.total, 'job')} completed; {_others(counts)}."


def _all(jobs: int) -> str:
    return "The only job" if jobs == 1 else f"All {jobs:,} jobs"


def _others(counts: JobCounts) -> str:
    parts = [
        (counts.of(*FAILURES), "failed"),
        (counts.of(JobStatus.RUNNING), "running"),
        (counts.of(JobStatus.READY, JobStatus.PENDING), "ready"),
        (counts.of(JobStatus.BLOCKED), "blocked by others"),
        (counts.of(JobStatus.CANCELED), "canceled"),
        (counts.of(JobStatus.UNINITIALIZED), "not started"),
        (counts.of(JobStatus.DISABLED), "disabled"),
    ]
    return ", ".join(f"{number:,} {word}" for number, word in parts if number) or "others unknown"


def _failures_now(known: WorkflowOnServer) -> Iterator[str]:
    causes = Counter[Cause]()
    for group in known.failures:
        causes[group.cause] += len(group.findings)
    if causes:
        yield f"Why jobs failed: {_causes(causes)}."


def _causes(causes: Counter[Cause]) -> str:
    shown = [f"{cause_text(cause)} ({number:,})" for cause, number in causes.most_common()]
    more = len(shown) - _MOST_CAUSES
    return f"{', '.join(shown[:_MOST_CAUSES])}{f' and {more} more causes' if more > 0 else ''}"


def _recovered(report: WorkflowReport) -> Iterator[str]:
    rounds = list(numbered(report.rounds))
    found = list(repairs(report.rounds))
    causes = Counter[Cause]()
    for each in found:
        causes[each.cause] += len(each.retries)
    if not rounds:
        return
    if not causes:
        yield f"torc-watchd submitted allocations in {count(len(rounds), 'round')} of recovery."
        return
    raised = raises([retry for each in found for retry in each.retries])
    yield (
        f"torc-watchd ran jobs again in {count(len(rounds), 'round')} of recovery: "
        f"{_causes(causes)}{f'; {raised}' if raised else ''}."
    )


def _last_outcome(report: WorkflowReport) -> Iterator[str]:
    if report.watches:
        last = report.watches[-1]
        outcome = (last.verdict or "has not ended").replace("_", " ")
        reason = f": {last.reason}" if last.reason else ""
        yield sentence(f"its last watch {'' if last.ended is None else 'ended: '}{outcome}{reason}")


def _cost(known: WorkflowOnServer) -> str:
    split = known.node_hours
    where = "It used" if split.of_slurm else "Workers outside of Slurm were there for"
    return (
        f"{where} {hours(split.total)} node hours: {percent(split.succeeded, split.total)} for "
        f"attempts that succeeded, {percent(split.failed, split.total)} for attempts that failed, "
        f"{percent(split.waiting, split.total)} without a job."
    )


def figures(report: WorkflowReport) -> Iterator[Figure]:
    known = report.known
    if known is not None:
        done, total = known.counts.of(JobStatus.COMPLETED), known.counts.total
        yield Figure(name="Jobs completed", value=f"{done:,}", note=f"of {total:,}")
        failed = known.counts.of(*FAILURES)
        reasons = count(len(known.failures), "reason")
        yield Figure(
            name="Jobs failed", value=f"{failed:,}", note=reasons if known.failures else "now"
        )
    jobs = {retry.job_id for each in repairs(report.rounds) for retry in each.retries}
    number = sum(1 for _ in numbered(report.rounds))
    note = f"{count(len(jobs), 'job')} run again" if jobs else ""
    yield Figure(name="Rounds of recovery", value=str(number), note=note)
    if known is not None:
        yield from _figures_of_time(known)


def _figures_of_time(known: WorkflowOnServer) -> Iterator[Figure]:
    split = known.node_hours
    where = "" if split.of_slurm else ", none of Slurm"
    lost = percent(split.failed + split.waiting, split.total)
    note = f"{lost} failed or without a job{where}" if split.total else "none of Slurm"
    yield Figure(name="Node hours", value=hours(split.total), note=note)
    yield _elapsed(known.timeline)


def _elapsed(timeline: Timeline) -> Figure:
    if timeline.bounds is None:
        return Figure(name="Time", value="none", note="no job has run")
    began, ended = timeline.bounds
    gaps = timeline.without_workers
    note = f"{duration(gaps)} without workers" if gaps >= 1 else "first start to last end"
    return Figure(name="Time", value=duration((ended - began).total_seconds()), note=note)


def will_continue(known: WorkflowOnServer, *, is_watched: bool) -> bool:
    """Whether the daemon carries out the next round by itself."""
    return is_watched and known.of_watch and isinstance(known.answer, Plan | Postponement)
