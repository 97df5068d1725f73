"""One workflow as its server has it now: jobs, allocations, and why jobs failed."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import starmap
from pathlib import Path
from typing import Any

from torc_watch.core.allocation import AllocationState, AllocationStatus
from torc_watch.core.events import FailedJob
from torc_watch.core.findings import Finding
from torc_watch.core.model import Allocation, JobCounts
from torc_watch.daemon.commands import WatchOptions
from torc_watch.render.cause_text import cause_text
from torc_watch.render.job_groups import alike, named
from torc_watch.render.terminal_text import printable
from torc_watch.render.time_text import local_time
from torc_watch.render.transcript import error_output_lines, jobs_text

_MAX_PHRASE = 1000  # of a scheduler: it may contain a path
_MAX_PATH = 1000
_MOST_GROUPS = 50  # of failures
Allocations = Sequence[tuple[Allocation, AllocationStatus]]


def options_text(options: WatchOptions) -> str:
    """As options of `add` and `set`."""
    given = {name: value for name, value in asdict(options).items() if value is not None}
    if not given:
        return "Options: as configured."
    return f"Options: {' '.join(starmap(_option, given.items()))}; others as configured."


def _option(name: str, value: bool | float | str | tuple[str, ...]) -> str:
    option = name.replace("_", "-")
    match value:
        case bool():
            return f"--{option}" if value else f"--no-{option}"
        case tuple():
            text = shlex.join(value)
        case str():
            text = value
        case _:
            text = f"{value:.12g}"
    return f"--{option} {shlex.quote(printable(text))}"


def live_text(
    counts: JobCounts,
    allocations: Allocations,
    findings: Sequence[Finding],
    errors: Sequence[FailedJob] = (),
) -> Iterator[str]:
    """``errors`` say what the failed jobs wrote last."""
    numbers = (f"{status.value}={number}" for status, number in counts.by_status.items() if number)
    yield f"Jobs: {', '.join(numbers) or 'none'}"
    yield "Open allocations:" if allocations else "No open allocation."
    yield from starmap(_allocation, allocations)
    if findings:
        yield f"Failed: {jobs_text(len(findings))}"
        written = {job.job_id: job for job in errors}
        groups = alike(findings, _failure)
        for group in groups[:_MOST_GROUPS]:
            yield from _failures(group, written)
        if others := sum(map(len, groups[_MOST_GROUPS:])):
            yield f"  ... and {jobs_text(others)} more; the log lists all of them"


def _failures(group: Sequence[Finding], written: Mapping[int, FailedJob]) -> Iterator[str]:
    """For one reason: with the error output of the first that has any."""
    yield f"  {named([(each.job.id, each.job.name) for each in group])}: {_failure(group[0])}"
    jobs = (written.get(each.job.id) for each in group)
    if first := next((job for job in jobs if job is not None and job.errors), None):
        yield from error_output_lines(first)


def missing_output_text(errors: Sequence[FailedJob], folders: Sequence[Path]) -> Iterator[str]:
    """Where error output was sought, if no failed job has any."""
    if errors and not any(job.errors for job in errors):
        sought = " or ".join(printable(str(folder), _MAX_PATH) for folder in folders)
        yield f"No error output of these jobs was found in {sought}."


def _allocation(allocation: Allocation, status: AllocationStatus) -> str:
    """With the status that Torc's server has, then what the scheduler says."""
    kind = printable(allocation.scheduler_type.capitalize())
    known = f"{printable(allocation.status)}, {status.state}"
    if status.state is AllocationState.ALIVE and status.began:
        known += f" since {local_time(status.began.isoformat())}"
    elif status.state is AllocationState.ALIVE and not status.detail and kind == "Slurm":
        known += "; waits for its turn"
    if status.cause:
        known += f", {status.cause.replace('_', ' ')}"
    detail = status.detail.partition("\n")[0]
    phrase = f"; {printable(detail, max_length=_MAX_PHRASE)}" if detail else ""
    return f"  {kind} {allocation.scheduler_id}: {known}{phrase}"


def _failure(finding: Finding) -> str:
    return f"{cause_text(finding.cause)}, {printable(finding.reason)}"


def live_values(
    counts: JobCounts,
    allocations: Allocations,
    findings: Sequence[Finding],
    errors: Sequence[FailedJob] = (),
) -> dict[str, Any]:
    """The same for scripts."""
    written = {job.job_id: job for job in errors}
    return {
        "counts": {status.value: number for status, number in counts.by_status.items()},
        "allocations": [
            {
                "scheduler": allocation.scheduler_type,
                "scheduler_id": allocation.scheduler_id,
                "status": allocation.status,
                "state": status.state,
                "detail": status.detail,
            }
            for allocation, status in allocations
        ],
        "failures": [
            {
                "job_id": finding.job.id,
                "job_name": finding.job.name,
                "cause": finding.cause,
                "reason": finding.reason,
                **_error_values(written.get(finding.job.id)),
            }
            for finding in findings
        ],
    }


def _error_values(job: FailedJob | None) -> dict[str, Any]:
    return {"errors": job and job.errors, "last_words": job and job.last_words}
