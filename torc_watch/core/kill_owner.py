"""Whose process it was that the kernel killed for its memory."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from torc_watch.core.memory_kill import MemoryKill
from torc_watch.core.model import Job, JobResult

_KILLED = 137  # 128 + SIGKILL
_MAX_NAME = 15  # characters
_BETWEEN_WORDS = re.compile(r"[^\w.+-]+")
_CLOCKS_DIFFER_BY = timedelta(seconds=60)
_MAX_KILLS = 5  # of one job, as evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class KillSuspect:
    """A failed job of the allocation.

    ``step`` is its own, such as ``7.3``, None where it was none or that is not known. ``pids`` are
    processes of which its output says that they were killed.
    """

    job: Job
    result: JobResult
    step: str | None = None
    pids: frozenset[int] = frozenset()


def kills_by_job(
    kills: Iterable[MemoryKill], suspects: Collection[KillSuspect]
) -> Mapping[int, tuple[MemoryKill, ...]]:
    """The kills that say something of each job, by its ID.

    A kill is a job's own if it was in its step, or if the job's output names the process. In the
    step that a worker shares with its jobs, it is if only one job was killed then, by whose command
    the process is named. Otherwise it may be of any job that was killed.
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
    sure = [each for each in suspects if each.step == kill.step or kill.pid in each.pids]
    if sure:
        return [(each.job.id, True) for each in sure]
    victims = [each for each in suspects if each.step is None and _was_killed_at(kill, each)]
    is_own = len(victims) == 1 and kill.process in _programs_in(victims[0].job.command)
    return [(each.job.id, is_own) for each in victims]


def _programs_in(command: str) -> set[str]:
    """The words of a command, as long as the kernel keeps the names of processes."""
    return {word[:_MAX_NAME] for word in _BETWEEN_WORDS.split(command)}


def _was_killed_at(kill: MemoryKill, suspect: KillSuspect) -> bool:
    result = suspect.result
    if result.return_code != _KILLED:
        return False
    if kill.at is None or result.completed is None:
        return True
    began = result.completed - timedelta(seconds=result.exec_seconds)
    return began - _CLOCKS_DIFFER_BY <= kill.at <= result.completed + _CLOCKS_DIFFER_BY
