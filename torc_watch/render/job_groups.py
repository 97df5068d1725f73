"""Jobs of which the same is said share a line."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from torc_watch.render.terminal_text import printable

T = TypeVar("T")

_NAMED_JOBS = 5  # of those that one line is for


def alike(entries: Iterable[T], says: Callable[[T], str], *, apart: int = 1) -> list[list[T]]:
    """Those of which the same is said, in the order of the first; up to ``apart`` stay alone."""
    groups: dict[str, list[T]] = {}
    for entry in entries:
        groups.setdefault(says(entry), []).append(entry)
    found: list[list[T]] = []
    for group in groups.values():
        found += [group] if len(group) > apart else [[entry] for entry in group]
    return found


def named(jobs: Sequence[tuple[int, str]]) -> str:
    """Jobs by ID and name: ``Job 1 (a)``, or ``Jobs 1 (a), 2 (b) and 3 more``."""
    shown = ", ".join(f"{job_id} ({printable(name)})" for job_id, name in jobs[:_NAMED_JOBS])
    more = len(jobs) - _NAMED_JOBS
    noun = "Job" if len(jobs) == 1 else "Jobs"
    return f"{noun} {shown}{f' and {more} more' if more > 0 else ''}"
