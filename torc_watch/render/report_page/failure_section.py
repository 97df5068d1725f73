"""Why jobs failed, with the evidence: one block for each reason."""

from collections.abc import Iterator, Mapping, Sequence

from torc_watch.core.events import FailedJob
from torc_watch.core.explanation import FailureGroup, last_written
from torc_watch.core.recovery_round import Retry
from torc_watch.core.report import WorkflowReport
from torc_watch.core.suspect_success import Suspicion
from torc_watch.render.cause_text import cause_text
from torc_watch.render.job_groups import named
from torc_watch.render.report_page.markup import Markup, element, listed
from torc_watch.render.report_page.repairs import raises, repairs
from torc_watch.render.report_page.words import count, sentence

_MOST_GROUPS = 30
_MOST_FACTS = 8
_MOST_SUSPECTS = 20


def failure_section(report: WorkflowReport) -> Iterator[Markup]:
    known = report.known
    if known is None:
        yield element("p", "Only the server knows which jobs have failed now.")
        return
    if not known.failures:
        earlier = "; those of earlier rounds are in the next table" if _has_repairs(report) else ""
        yield element("p", f"No job has failed now{earlier}.")
    written = {job.job_id: job for job in known.errors}
    for group in known.failures[:_MOST_GROUPS]:
        yield _group(group, written)
    if more := known.failures[_MOST_GROUPS:]:
        jobs = sum(len(group.findings) for group in more)
        yield element("p", f"and {count(len(more), 'more reason')}, of {count(jobs, 'job')}")
    if known.suspects:
        yield element("h3", f"Completed, but suspect: {count(len(known.suspects), 'job')}")
        yield from filter(None, (_suspects(known.suspects),))


def _has_repairs(report: WorkflowReport) -> bool:
    return any(True for _ in repairs(report.rounds))


def _group(group: FailureGroup, written: Mapping[int, FailedJob]) -> Markup:
    heading = element(
        "h3",
        sentence(cause_text(group.cause)).rstrip("."),
        element("span", f"{count(len(group.findings), 'job')}, {group.confidence}", class_="tag"),
    )
    jobs = named([(each.job.id, each.job.name) for each in group.findings])
    return element(
        "article",
        heading,
        element("p", sentence(group.reason)),
        _quote(group, written),
        _facts(group),
        element("p", jobs, class_="jobs"),
        _next(group),
    )


def _quote(group: FailureGroup, written: Mapping[int, FailedJob]) -> Markup | None:
    """The line that counts, else the last one that a job of the group has written."""
    if clue := group.clue:
        return _cited(clue.line, clue.file)
    job = last_written(group, written)
    return _cited(job.last_words or "", job.errors or "") if job else None


def _cited(line: str, file: str) -> Markup:
    return element(
        "figure",
        element("pre", element("code", line)),
        element("figcaption", file),
        class_="quote",
    )


def _facts(group: FailureGroup) -> Markup | None:
    but = [f"but also {clue.says}: {clue.line} ({clue.file})" for clue in group.contradictions]
    facts = [
        f"{fact.source}: {fact.text}{f' ({fact.file})' if fact.file else ''}"
        for fact in group.facts
        if fact.text != group.reason
    ]
    return listed((*but, *facts[:_MOST_FACTS]), class_="facts")


def _next(group: FailureGroup) -> Markup | None:
    """What the next round does with these jobs."""
    retries = [fate for fate in group.fates.values() if isinstance(fate, Retry)]
    left = len(group.fates) - len(retries)
    parts = []
    if retries:
        raised = raises(retries)
        how = f" with more {raised.replace(', ', ' and ')}" if raised else ", unchanged"
        when = "later" if group.waits else "in the next round"
        parts.append(f"{count(len(retries), 'job')} would run again {when}{how}")
    if left:
        parts.append(f"{count(left, 'job')} would not run again")
    if group.tried:
        parts.append(f"run again before: {count(group.tried, 'time')}")
    return element("p", sentence("; ".join(parts)), class_="next") if parts else None


def _suspects(suspects: Sequence[Suspicion]) -> Markup | None:
    shown = [
        f"{named([(each.job.id, each.job.name)])}: {each.reason}"
        for each in suspects[:_MOST_SUSPECTS]
    ]
    more = len(suspects) - _MOST_SUSPECTS
    return listed([*shown, f"and {more:,} more"] if more > 0 else shown)
