"""What happened, in a few sentences and numbers."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from torc_watch.core.assessment import FAILURES, WorkflowState, has_succeeded, is_not_started
from torc_watch.core.cause import Cause
from torc_watch.core.model import JobCounts, JobStatus
from torc_watch.core.recovery_round import Plan, Postponement, Retry
from torc_watch.core.report import WorkflowOnServer, WorkflowReport
from torc_watch.core.timeline import Timeline
from torc_watch.render.cause_text import cause_text
from torc_watch.render.report_page.markup import Markup, element
from torc_watch.render.report_page.repairs import Repair, numbered, raises, repairs
from torc_watch.render.report_page.words import count, duration, hours, percent, sentence


class Standing(StrEnum):
    """The words of the mark on top; the page gives each its own sign, too."""

    COMPLETED = "Completed"
    RUNNING = "Running"
    FAILED = "Failed"
    STOPPED = "Stopped"
    UNKNOWN = "Not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyNumber:
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
NO_JOBS = "The workflow has no jobs."
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
        return NO_JOBS
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
        yield f"Causes of the failures: {_causes(causes)}."


def _causes(causes: Counter[Cause]) -> str:
    shown = [f"{cause_text(cause)} ({number:,})" for cause, number in causes.most_common()]
    return _with_more(shown)


def _recovered(report: WorkflowReport) -> Iterator[str]:
    rounds = list(numbered(report.rounds))
    found = list(repairs(report.rounds))
    if not rounds:
        return
    if not found:
        yield f"torc-watchd submitted allocations in {count(len(rounds), 'round')} of recovery."
        return
    jobs = len({retry.job_id for each in found for retry in each.retries})
    yield (
        f"torc-watchd ran {count(jobs, 'job')} again in {count(len(rounds), 'round')} of recovery: "
        f"{_remedies(found)}."
    )


def _remedies(found: Sequence[Repair]) -> str:
    """By cause, with what its jobs got more of."""
    by_cause: dict[Cause, list[Retry]] = {}
    for each in found:
        by_cause.setdefault(each.cause, []).extend(each.retries)
    texts = []
    for cause, retries in sorted(by_cause.items(), key=lambda item: -len(item[1])):
        raised = raises(retries)
        jobs = len({retry.job_id for retry in retries})
        texts.append(f"{jobs:,} {cause_text(cause)}{f' ({raised})' if raised else ''}")
    return _with_more(texts)


def _with_more(texts: Sequence[str]) -> str:
    more = len(texts) - _MOST_CAUSES
    rest = f" and {count(more, 'more cause')}" if more > 0 else ""
    return f"{', '.join(texts[:_MOST_CAUSES])}{rest}"


def _last_outcome(report: WorkflowReport) -> Iterator[str]:
    if report.watches:
        last = report.watches[-1]
        outcome = (last.verdict or "has not ended").replace("_", " ")
        reason = f": {last.reason}" if last.reason else ""
        yield sentence(f"its last watch {'' if last.ended is None else 'ended: '}{outcome}{reason}")


def _cost(known: WorkflowOnServer) -> str:
    split = known.node_hours
    where = "in Slurm" if split.of_slurm else "on workers outside of Slurm"
    return (
        f"It used {hours(split.total)} node hours {where}: {percent(split.succeeded, split.total)} "
        f"on attempts that succeeded, {percent(split.failed, split.total)} on attempts that "
        f"failed, {percent(split.waiting, split.total)} while no job ran."
    )


def key_numbers(report: WorkflowReport) -> Iterator[KeyNumber]:
    known = report.known
    if known is not None:
        done, total = known.counts.of(JobStatus.COMPLETED), known.counts.total
        yield KeyNumber(name="Jobs completed", value=f"{done:,}", note=f"of {total:,}")
        failed = known.counts.of(*FAILURES)
        reasons = count(len(known.failures), "reason")
        yield KeyNumber(
            name="Jobs failed", value=f"{failed:,}", note=reasons if known.failures else "now"
        )
    jobs = {retry.job_id for each in repairs(report.rounds) for retry in each.retries}
    number = sum(1 for _ in numbered(report.rounds))
    note = f"{count(len(jobs), 'job')} run again" if jobs else ""
    yield KeyNumber(name="Rounds of recovery", value=str(number), note=note)
    if known is not None:
        yield from _numbers_of_time(known)


def _numbers_of_time(known: WorkflowOnServer) -> Iterator[KeyNumber]:
    split = known.node_hours
    where = "" if split.of_slurm else ", none of Slurm"
    lost = percent(split.failed + split.waiting, split.total)
    note = f"{lost} failed or without a job{where}" if split.total else "no worker yet"
    yield KeyNumber(name="Node hours", value=hours(split.total) if split.total else "0", note=note)
    yield _elapsed(known.timeline)


def _elapsed(timeline: Timeline) -> KeyNumber:
    if timeline.bounds is None:
        return KeyNumber(name="Time", value="none", note="no job has run")
    began, ended = timeline.bounds
    gaps = timeline.without_workers
    note = f"{duration(gaps)} without workers" if gaps >= 1 else "first start to last end"
    return KeyNumber(name="Time", value=duration((ended - began).total_seconds()), note=note)


def will_continue(known: WorkflowOnServer, *, is_watched: bool) -> bool:
    """Whether the daemon carries out the next round by itself."""
    return is_watched and known.of_watch and isinstance(known.answer, Plan | Postponement)
