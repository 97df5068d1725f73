"""Jobs of which the same is said share a line."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from torc_watch.render.terminal_text import printable

T = TypeVar("T")

_NAMED_JOBS = 5  # of those that one line is for
_LONGEST = 100  # name, in characters
_LONGEST_OF_SEVERAL = 40


def alike(entries: Iterable[T], says: Callable[[T], str], *, apart: int = 1) -> list[list[T]]:
    """Those of which the same is said, in the order of the first; up to ``apart`` stay alone."""
    listed = list(entries)
    groups: dict[str, list[T]] = {}
    for entry in listed:
        groups.setdefault(says(entry), []).append(entry)
    found: list[list[T]] = []
    for entry in listed:
        group = groups[says(entry)]
        if len(group) <= apart:
            found.append([entry])
        elif group[0] is entry:
            found.append(group)
    return found


def named(jobs: Sequence[tuple[int, str]]) -> str:
    """Jobs by ID and name: ``Job 1 (a)``, or ``Jobs 1 (a), 2 (b) and 3 more``."""
    length = _LONGEST if len(jobs) == 1 else _LONGEST_OF_SEVERAL
    named_jobs = jobs[:_NAMED_JOBS]
    shown = ", ".join(f"{job_id} ({printable(name, length)})" for job_id, name in named_jobs)
    more = len(jobs) - _NAMED_JOBS
    noun = "Job" if len(jobs) == 1 else "Jobs"
    return f"{noun} {shown}{f' and {more} more' if more > 0 else ''}"
