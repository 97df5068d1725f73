"""Why jobs failed, with the evidence, for people and for scripts."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from torc_watch.core import units
from torc_watch.core.clue import Clue
from torc_watch.core.diagnosis import Finding
from torc_watch.core.explanation import FailureGroup, Fate
from torc_watch.core.recovery_round import Retry
from torc_watch.render.cause_text import cause_text
from torc_watch.render.terminal_text import printable
from torc_watch.render.transcript import jobs_text

_MAX_JOBS = 10  # of a group, by name
_MAX_REASON = 500


def why_text(workflow_id: int, groups: Sequence[FailureGroup]) -> Iterator[str]:
    if not groups:
        yield f"No job of workflow {workflow_id} has failed."
        return
    number = sum(len(group.findings) for group in groups)
    reasons = "one reason" if len(groups) == 1 else f"{len(groups)} reasons"
    yield f"{jobs_text(number)} of workflow {workflow_id} failed, for {reasons}:"
    for group in groups:
        yield ""
        yield from _group(group)


def _group(group: FailureGroup) -> Iterator[str]:
    heading = cause_text(group.cause)
    yield f"{heading[0].upper()}{heading[1:]}: {jobs_text(len(group.findings))}"
    yield f"  {printable(group.reason, _MAX_REASON)}"
    if group.clue:
        yield f"  written in {printable(group.clue.file)}"
    for other in group.contradictions:
        yield f"  but also: {printable(_quote(other))}"
    yield f"  {_names(group.findings)}"
    if group.tried:
        yield f"  run again before: {'once' if group.tried == 1 else f'{group.tried} times in all'}"
    yield from (f"  a round of recovery would {line}" for line in _fates(group))


def _quote(clue: Clue) -> str:
    return f"{clue.says}: {clue.line}"


def _names(findings: Sequence[Finding]) -> str:
    names = [f"{each.job.id} ({printable(each.job.name)})" for each in findings[:_MAX_JOBS]]
    more = len(findings) - _MAX_JOBS
    return f"jobs: {', '.join(names)}{f' and {more} more' if more > 0 else ''}"


def _fates(group: FailureGroup) -> Iterator[str]:
    """One line for all jobs that are treated alike."""
    lines: dict[str, int] = {}
    for fate in group.fates.values():
        line = _fate(fate, group)
        lines[line] = lines.get(line, 0) + 1
    if len(lines) == 1:
        yield from lines
        return
    yield from (f"{line}: {jobs_text(number)}" for line, number in lines.items())


def _fate(fate: Fate, group: FailureGroup) -> str:
    if isinstance(fate, Retry):
        return _retry(fate)
    reason = fate.reason.removeprefix(f"{group.reason}; ")
    anyway = "; Torc restarts it anyway" if fate.restarts_anyway else ""
    return f"not run it again ({printable(reason)}{anyway})"


def _retry(retry: Retry) -> str:
    if retry.memory:
        before, after = map(units.format_memory, retry.memory)
        return f"run it again with more memory, {before} -> {after}"
    if retry.runtime:
        before, after = map(units.format_duration, retry.runtime)
        return f"run it again with more time, {before} -> {after}"
    return "run it again, unchanged"


def why_values(workflow_id: int, groups: Iterable[FailureGroup]) -> dict[str, Any]:
    return {"workflow_id": workflow_id, "failures": [_group_values(group) for group in groups]}


def _group_values(group: FailureGroup) -> dict[str, Any]:
    return {
        "cause": group.cause,
        "reason": group.reason,
        "evidence": clue_values(group.clue),
        "contradictions": list(map(clue_values, group.contradictions)),
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


def _job_values(finding: Finding, group: FailureGroup) -> dict[str, Any]:
    fate = group.fates.get(finding.job.id)
    return {
        "job_id": finding.job.id,
        "job_name": finding.job.name,
        "reason": finding.reason,
        "peak_memory": finding.peak_memory,
        "seconds": finding.ran,
        "file": finding.clue.file if finding.clue else None,
        "next": None if fate is None else _fate(fate, group),
    }
