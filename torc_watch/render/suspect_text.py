"""Suspect successes, for people and for scripts."""

from collections.abc import Iterator, Sequence
from typing import Any

from torc_watch.core.suspect_success import Suspicion, suspect_job
from torc_watch.render.terminal_text import printable
from torc_watch.render.transcript import suspect_lines
from torc_watch.render.why_text import clue_values


def suspects_section(suspects: Sequence[Suspicion]) -> Iterator[str]:
    """Nothing if there are none."""
    if not suspects:
        return
    yield ""
    yield from suspect_lines(tuple(map(suspect_job, suspects)))
    yield from _sources(suspects)


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
