"""Whose process it was that the kernel killed for its memory."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from torc_watch.core.allocation import StepEnd
from torc_watch.core.memory_kill import MemoryKill
from torc_watch.core.model import Job, JobResult

_KILLED = 137  # 128 + SIGKILL
_MAX_NAME = 15  # characters
_BETWEEN_WORDS = re.compile(r"[^\w.+-]+")
_NEAR_RESULT = timedelta(seconds=60)  # workers see the end of a job late
_NEAR_STEP = timedelta(seconds=10)  # numbers of jobs are used again
_MAX_KILLS = 5  # of one job, as evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class KillSuspect:
    """A failed job of the allocation.

    ``step`` is its own, None where it was none or that is not known. ``pids`` are processes of
    which its output says that they were killed.
    """

    job: Job
    result: JobResult
    step: StepEnd | None = None
    pids: frozenset[int] = frozenset()


def kills_by_job(
    kills: Iterable[MemoryKill], suspects: Collection[KillSuspect]
) -> Mapping[int, tuple[MemoryKill, ...]]:
    """The kills that say something of each job, by its ID.

    A kill is a job's own if it was while that ran, and the job's output names the process, or the
    job was killed and it was in its step. In the step that a worker shares with its jobs, it is if
    only one job was killed then, by whose command the process is named. Otherwise it may be of any
    job that was killed.
    """
    found: dict[int, list[MemoryKill]] = {}
    for kill in kills:
        for job_id, is_own in _owners(kill, suspects):
            found.setdefault(job_id, []).append(replace(kill, is_own=is_own))
    return {
        job_id: tuple(sorted(own, key=lambda kill: not kill.is_own)[:_MAX_KILLS])
        for job_id, own in found.items()
    }


def _owners(kill: MemoryKill, suspects: Collection[KillSuspect]) -> list[tuple[int, bool]]:
    running = [each for each in suspects if _ran_at(kill, each)]
    if named := [each for each in running if kill.pid in each.pids]:
        return [(each.job.id, True) for each in named]
    if inside := [each for each in running if each.step and each.step.id == kill.step]:
        return [(each.job.id, _was_killed(each)) for each in inside]
    victims = [each for each in running if each.step is None and _was_killed(each)]
    is_own = len(victims) == 1 and kill.process in _programs_in(victims[0].job.command)
    return [(each.job.id, is_own) for each in victims]


def _programs_in(command: str) -> set[str]:
    """The words of a command, as long as the kernel keeps the names of processes."""
    return {word[:_MAX_NAME] for word in _BETWEEN_WORDS.split(command)}


def _was_killed(suspect: KillSuspect) -> bool:
    return suspect.result.return_code == _KILLED


def _ran_at(kill: MemoryKill, suspect: KillSuspect) -> bool:
    """Also where that cannot be known."""
    began, ended, tolerance = _interval(suspect)
    if kill.at is None or began is None or ended is None:
        return True
    return began - tolerance <= kill.at <= ended + tolerance


def _interval(suspect: KillSuspect) -> tuple[datetime | None, datetime | None, timedelta]:
    step, result = suspect.step, suspect.result
    if step is not None and step.began is not None and step.ended is not None:
        return step.began, step.ended, _NEAR_STEP
    ended = result.completed
    began = ended - timedelta(seconds=result.exec_seconds) if ended else None
    return began, ended, _NEAR_RESULT
