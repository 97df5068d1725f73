"""The workflows of a server as a table, and as values for scripts."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from torc_watch.core.assessment import FAILURES, UNFINISHED, has_succeeded, is_not_started
from torc_watch.core.model import JobCounts, JobStatus, Workflow
from torc_watch.render.colors import Color, painted
from torc_watch.render.terminal_text import printable
from torc_watch.render.text_table import table_lines
from torc_watch.render.time_text import local_time

_HEAD = ("ID", "NAME", "USER", "CREATED", "STATE", "DONE", "FAILED", "WATCHED")
_STATE, _NUMBERS = 4, (0,)
_COLORS = {"completed": Color.GREEN, "failed": Color.RED, "canceled": Color.YELLOW}


def workflow_lines(
    workflows: Sequence[tuple[Workflow, JobCounts | None]],
    watched: Mapping[int, str],
    *,
    colored: bool = False,
) -> Iterator[str]:
    """``watched`` is what this user's daemon does with a workflow, by ID."""
    rows = [_row(workflow, counts, watched) for workflow, counts in workflows]
    head, *lines = table_lines([_HEAD, *rows], _NUMBERS)
    yield head
    for row, line in zip(rows, lines, strict=True):
        state = row[_STATE]
        yield _with_color(line, state) if colored and state in _COLORS else line


def run_state(workflow: Workflow, counts: JobCounts | None) -> str:
    """What a user would call the workflow; ``unknown`` where its jobs were not counted."""
    if workflow.is_archived or workflow.is_canceled:
        return "archived" if workflow.is_archived else "canceled"
    return "unknown" if counts is None else _state_of_jobs(counts)


def _state_of_jobs(counts: JobCounts) -> str:
    if not counts.total:
        return "no jobs"
    if is_not_started(counts):
        return "not started"
    if counts.of(JobStatus.RUNNING, JobStatus.PENDING):
        return "running"
    if counts.of(*UNFINISHED):
        return "waiting"
    return "completed" if has_succeeded(counts) else "failed"


def workflow_values(
    workflow: Workflow, counts: JobCounts | None, watched: str | None
) -> dict[str, Any]:
    """The same for scripts."""
    return {
        "id": workflow.id,
        "name": workflow.name,
        "user": workflow.user,
        "created": workflow.created,
        "run_id": workflow.run_id,
        "state": run_state(workflow, counts).replace(" ", "_"),
        "counts": counts and {status.value: number for status, number in counts.by_status.items()},
        "watched": watched,
    }


def _row(
    workflow: Workflow, counts: JobCounts | None, watched: Mapping[int, str]
) -> tuple[str, ...]:
    done = failed = ""
    if counts is not None:
        done = f"{counts.of(JobStatus.COMPLETED, JobStatus.DISABLED)}/{counts.total}"
        failed = str(counts.of(*FAILURES))
    return (
        str(workflow.id),
        printable(workflow.name),
        printable(workflow.user),
        _created(workflow.created),
        run_state(workflow, counts),
        done,
        failed,
        watched.get(workflow.id, "no"),
    )


def _created(text: str) -> str:
    """To the minute, in the reader's time zone; a text that is no time as it is."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return printable(text)
    return local_time(text)[:-3]


def _with_color(line: str, state: str) -> str:
    """Looked for from the right: a name may hold the same word."""
    before, found, after = line.rpartition(f"  {state}  ")
    return f"{before}  {painted(state, _COLORS[state])}  {after}" if found else line
