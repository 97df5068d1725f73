"""Jobs behind other jobs: when Torc starts a job over, it starts all of these over with it."""

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
    """A job that runs again although it had nothing left to do."""

    job_id: int
    job_name: str


def behind(jobs: Iterable[int], dependants: Iterable[Dependent]) -> dict[int, str]:
    """The names, by id, of all jobs that wait for one of ``jobs``, however far behind it."""
    waiting: dict[int, list[Dependent]] = {}
    for dependant in dependants:
        waiting.setdefault(dependant.depends_on, []).append(dependant)
    found: dict[int, str] = {}
    blockers = deque(jobs)
    while blockers:
        for dependant in waiting.pop(blockers.popleft(), ()):
            found[dependant.job_id] = dependant.job_name
            blockers.append(dependant.job_id)
    return found
