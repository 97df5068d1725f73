"""Why jobs failed, with the evidence, for people and for scripts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from torc_watch.core import units
from torc_watch.core.cause import Cause
from torc_watch.core.clue import Clue
from torc_watch.core.events import FailedJob
from torc_watch.core.explanation import FailureGroup, Fate, last_written
from torc_watch.core.fact import Fact
from torc_watch.core.findings import Finding
from torc_watch.core.past_attempt import PastAttempt
from torc_watch.core.recovery_round import Postponement, Retry
from torc_watch.render.cause_text import cause_text
from torc_watch.render.plan_text import round_name
from torc_watch.render.terminal_text import printable
from torc_watch.render.time_text import waits_until
from torc_watch.render.transcript import jobs_text

_MAX_JOBS = 10  # of a group, by name
_MAX_FACTS = 12
_MAX_ATTEMPTS = 20  # the last ones
_MAX_FACT = 1000  # it may contain a path
_MAX_REASON = 500
_WAIT = "wait"


def why_text(
    workflow_id: int,
    groups: Sequence[FailureGroup],
    attempts: Sequence[PastAttempt] = (),
    *,
    errors: Iterable[FailedJob] = (),
    of_watch: bool = False,
) -> Iterator[str]:
    """``attempts`` are the earlier ones of the job of the first group.

    ``errors`` say what failed jobs wrote last, where nothing explains that they failed.
    ``of_watch`` says that what comes next is the next round of the workflow's watch.
    """
    if not groups:
        yield f"No job of workflow {workflow_id} has failed."
        return
    number = sum(len(group.findings) for group in groups)
    reasons = "one reason" if len(groups) == 1 else f"{len(groups)} reasons"
    yield f"{jobs_text(number)} of workflow {workflow_id} failed, for {reasons}:"
    written = {job.job_id: job for job in errors}
    for group in groups:
        yield ""
        yield from _group(group, last_written(group, written))
        yield from _next(group, workflow_id, of_watch=of_watch)
    if attempts:
        yield "  earlier attempts:"
        yield from map(_attempt, attempts[-_MAX_ATTEMPTS:])
    if unread := _unread(groups):
        yield ""
        yield (
            f"What {jobs_text(unread)} wrote was not read in time: why they failed may be known "
            "when you run this again. Is their file system slow, or a rule of yours (torc-watchd "
            "rules test)?"
        )


def _unread(groups: Iterable[FailureGroup]) -> int:
    return sum(not finding.was_read for group in groups for finding in group.findings)


def _group(group: FailureGroup, last: FailedJob | None) -> Iterator[str]:
    heading = cause_text(group.cause)
    number = jobs_text(len(group.findings))
    yield f"{heading[0].upper()}{heading[1:]} ({group.confidence}): {number}"
    yield f"  {printable(group.reason, _MAX_REASON)}"
    if group.clue:
        yield f"  written in {printable(group.clue.file)}"
    for other in group.contradictions:
        yield f"  but also: {printable(_quote(other))}"
    yield from _evidence(group)
    yield f"  {_names(group.findings)}"
    if group.cause is Cause.UNKNOWN and not group.clue:
        yield from _last_line(last, group)
    if group.tried:
        yield f"  run again before: {_times(group)}"


def _last_line(last: FailedJob | None, group: FailureGroup) -> Iterator[str]:
    job_id = last.job_id if last else group.findings[0].job.id
    if last:
        whose = "" if len(group.findings) == 1 else f" of job {job_id}"
        yield f"  last error line{whose}: {printable(last.last_words or '', _MAX_REASON)}"
    yield f"  what it has written: torc-watchd jobs logs {job_id}"


def _next(group: FailureGroup, workflow_id: int, *, of_watch: bool) -> Iterator[str]:
    name = round_name(workflow_id, of_watch=of_watch)
    for line, jobs in _fates(group):
        if line.startswith(_WAIT):
            until = f"{line.removeprefix(_WAIT)}{jobs}"
            yield f"  waits{until}; at once: torc-watchd resume {workflow_id}"
        else:
            yield f"  {name} would {line}{jobs}"


def _times(group: FailureGroup) -> str:
    times = "once" if group.tried == 1 else f"{group.tried} times"
    return times if len(group.findings) == 1 else f"{times}, all these jobs together"


def _evidence(group: FailureGroup) -> Iterator[str]:
    """What is not in the lines before."""
    told = {group.reason, *map(_quote, group.contradictions)}
    facts = [fact for fact in group.facts if fact.text not in told][:_MAX_FACTS]
    if facts:
        first = "" if len(group.findings) == 1 else f" of job {group.findings[0].job.id}"
        yield f"  evidence{first}:"
    for fact in facts:
        yield f"    {fact.source}: {_fact(fact).removeprefix(f'{fact.source} ')}"


def _fact(fact: Fact) -> str:
    return printable(f"{fact.text} ({fact.file})" if fact.file else fact.text, _MAX_FACT)


def _quote(clue: Clue) -> str:
    return f"{clue.says}: {clue.line}"


def _names(findings: Sequence[Finding]) -> str:
    names = [f"{each.job.id} ({printable(each.job.name)})" for each in findings[:_MAX_JOBS]]
    more = len(findings) - _MAX_JOBS
    return f"jobs: {', '.join(names)}{f' and {more} more' if more > 0 else ''}"


def _attempt(attempt: PastAttempt) -> str:
    asked = ""
    if attempt.memory:
        asked = f" with {units.format_memory(attempt.memory)}"
    elif attempt.runtime:
        asked = f" with {units.duration_text(attempt.runtime)}"
    what = f"{cause_text(attempt.cause)}{asked}: " if attempt.cause else ""
    return f"    run {attempt.run_id}: {what}{printable(attempt.reason)}"


def _fates(group: FailureGroup) -> Iterator[tuple[str, str]]:
    """One for all jobs that are treated alike, with how many those are if that differs."""
    lines: dict[str, int] = {}
    for finding in group.findings:
        if fate := group.fates.get(finding.job.id):
            line = _fate(fate, finding, group)
            lines[line] = lines.get(line, 0) + 1
    for line, number in lines.items():
        text = line if number == 1 else line.replace(" it again", " them again", 1)
        yield text, "" if len(lines) == 1 else f": {jobs_text(number)}"


def _fate(fate: Fate, finding: Finding, group: FailureGroup) -> str:
    if isinstance(fate, Retry):
        return _wait(group.waits, _retry(fate)) if group.waits else _retry(fate)
    reason = fate.reason.removeprefix(f"{finding.reason}; ")
    anyway = "; Torc restarts it anyway" if fate.restarts_anyway else ""
    yet = " yet" if fate.is_held else ""
    return f"not run it again{yet} ({printable(reason)}{anyway})"


def _wait(waits: Postponement, retry: str) -> str:
    what = f"to {retry.removesuffix(', unchanged')}"
    if waits.awaits_room:
        return f"{_WAIT} for free space, {waits_until(waits.until, 'at the latest')}, {what}"
    return f"{_WAIT} {waits_until(waits.until, what)}"


def _retry(retry: Retry) -> str:
    if retry.memory:
        before, after = map(units.format_memory, retry.memory)
        return f"run it again with more memory, {before} -> {after}"
    if retry.runtime:
        before, after = map(units.format_duration, retry.runtime)
        cpus = f" and CPUs, {retry.cpus[0]} -> {retry.cpus[1]}" if retry.cpus else ""
        return f"run it again with more time, {before} -> {after}{cpus}"
    return "run it again, unchanged"


def why_values(
    workflow_id: int,
    groups: Sequence[FailureGroup],
    attempts: Iterable[PastAttempt] = (),
    standing: str | None = None,
    errors: Iterable[FailedJob] = (),
) -> dict[str, Any]:
    """``standing`` is how the job stands that was asked for, if it has not failed."""
    written = {job.job_id: job for job in errors}
    return {
        "workflow_id": workflow_id,
        "unread": _unread(groups),
        "failures": [_group_values(group, last_written(group, written)) for group in groups],
        "attempts": list(map(asdict, attempts)),
        "standing": standing,
    }


def _group_values(group: FailureGroup, last: FailedJob | None) -> dict[str, Any]:
    return {
        "cause": group.cause,
        "confidence": group.confidence,
        "reason": group.reason,
        "evidence": clue_values(group.clue),
        "contradictions": list(map(clue_values, group.contradictions)),
        "facts": list(map(_fact_values, group.facts)),
        "errors": last and last.errors,
        "last_words": last and last.last_words,
        "retries": group.tried,
        "jobs": [_job_values(finding, group) for finding in group.findings],
    }


def clue_values(clue: Clue | None) -> dict[str, Any] | None:
    if clue is None:
        return None
    return {
        "rule": clue.rule,
        "cause": clue.cause,
        "says": clue.says,
        "line": clue.line,
        "file": clue.file,
    }


def _fact_values(fact: Fact) -> dict[str, Any]:
    return {"source": fact.source, "text": fact.text, "file": fact.file, "cause": fact.cause}


def _job_values(finding: Finding, group: FailureGroup) -> dict[str, Any]:
    fate = group.fates.get(finding.job.id)
    return {
        "job_id": finding.job.id,
        "job_name": finding.job.name,
        "reason": finding.reason,
        "confidence": finding.confidence,
        "node": finding.node,
        "peak_memory": finding.peak_memory,
        "seconds": finding.ran,
        "file": finding.clue.file if finding.clue else None,
        "next": None if fate is None else _fate(fate, finding, group),
    }
