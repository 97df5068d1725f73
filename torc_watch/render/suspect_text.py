"""Suspect successes, for people and for scripts."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from torc_watch.core.cause import Cause
from torc_watch.core.recovery_round import Plan, Postponement
from torc_watch.core.suspect_success import Suspicion, SuspicionKind, suspect_job
from torc_watch.render.terminal_text import printable
from torc_watch.render.transcript import suspect_lines
from torc_watch.render.why_text import clue_values


def suspects_section(suspects: Sequence[Suspicion], command: str = "") -> Iterator[str]:
    """Nothing if there are none. ``command`` runs them again, where no round does without it."""
    if not suspects:
        return
    yield ""
    yield from suspect_lines(tuple(map(suspect_job, suspects)))
    yield from _sources(suspects)
    if command:
        yield f"  To run {'it' if len(suspects) == 1 else 'them'} again: {command}"


def rerun_command(
    workflow_id: int, suspects: Iterable[Suspicion], answer: object, *, is_watched: bool
) -> str:
    """What makes suspects run again; "" where the round does that, or none may."""
    again = answer.retries if isinstance(answer, Plan | Postponement) else ()
    may_run = any(each.kind is not SuspicionKind.OOM_NEARBY for each in suspects)
    if not may_run or any(each.cause is Cause.SUSPECT for each in again):
        return ""
    if is_watched:
        return (
            f"torc-watchd set {workflow_id} --rerun-suspects, then torc-watchd resume {workflow_id}"
        )
    return f"torc-watchd recover {workflow_id} --rerun-suspects"


def suspect_values(suspects: Sequence[Suspicion]) -> list[dict[str, Any]]:
    return [
        {
            "job_id": suspect.job.id,
            "job_name": suspect.job.name,
            "kind": suspect.kind,
            "reason": suspect.reason,
            "evidence": clue_values(suspect.clue),
        }
        for suspect in suspects
    ]


def _sources(suspects: Sequence[Suspicion]) -> Iterator[str]:
    for file in dict.fromkeys(each.clue.file for each in suspects if each.clue):
        yield f"  written in {printable(file)}"
