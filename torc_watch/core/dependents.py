"""Jobs that depend on other jobs: when Torc restarts a job, it restarts all its dependents."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependent:
    """A job that waits for another."""

    job_id: int
    job_name: str
    depends_on: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """A dependent that had nothing left to do, and runs again all the same."""

    job_id: int
    job_name: str


def all_dependents(jobs: Iterable[int], dependents: Iterable[Dependent]) -> dict[int, str]:
    """The names, by id, of all direct and indirect dependents of ``jobs``."""
    waiting: dict[int, list[Dependent]] = {}
    for dependent in dependents:
        waiting.setdefault(dependent.depends_on, []).append(dependent)
    found: dict[int, str] = {}
    blockers = deque(jobs)
    while blockers:
        for dependent in waiting.pop(blockers.popleft(), ()):
            found[dependent.job_id] = dependent.job_name
            blockers.append(dependent.job_id)
    return found
