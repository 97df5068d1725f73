"""What sbatch, squeue and sacct print of jobs that were submitted under a name. Pure."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from torc_watch.core.errors import SchedulerUnreachable
from torc_watch.schedulers.slurm.slurm_table import rows_after

QUEUED_NAMES = "--format=%A|%T|%r|%j"
ENDED_NAMES = "--format=JobIDRaw,JobName"
HELD_JOBS = "--format=%A|%T|%r"
_SUBMITTED = re.compile(r"^([0-9]+)(?:;\S+)?$", re.ASCII | re.MULTILINE)
_HELD = ("JobHeldUser", "JobHeldAdmin")
_CANCELED = "CANCELLED"
_HELD_RANK, _CANCELED_RANK = 1, 2


class NamedJobs(NamedTuple):
    """The job of a name that counts, and the held ones that were submitted a second time."""

    number: int
    duplicates: tuple[int, ...] = ()


def parse_queued_names(text: str) -> dict[str, NamedJobs]:
    """The jobs of each name, as squeue prints them with QUEUED_NAMES.

    One that was released counts, else the oldest that is held; a canceled one only if all are.
    """
    jobs: dict[str, list[tuple[int, int]]] = {}
    for number, state, reason, name in rows_after(text, ("JOBID", "STATE", "REASON", "NAME")):
        if number.isdecimal():
            jobs.setdefault(name, []).append((_rank(state, reason), int(number)))
    return {name: _named_jobs(sorted(ranked)) for name, ranked in jobs.items()}


def _rank(state: str, reason: str) -> int:
    if state == _CANCELED:
        return _CANCELED_RANK
    return _HELD_RANK if _is_held(state, reason) else 0


def _named_jobs(ranked: list[tuple[int, int]]) -> NamedJobs:
    (_, first), *rest = ranked
    return NamedJobs(first, tuple(number for rank, number in rest if rank == _HELD_RANK))


def parse_ended_names(text: str) -> dict[str, int]:
    """The newest job of each name, as sacct prints them with ENDED_NAMES."""
    return _newest(rows_after(text, ("JobIDRaw", "JobName")))


def _newest(rows: Iterable[Sequence[str]]) -> dict[str, int]:
    jobs = sorted((int(number), name) for number, name in rows if number.isdecimal())
    return {name: number for number, name in jobs}


def parse_held(text: str) -> frozenset[int]:
    """The jobs that wait for their release."""
    rows = rows_after(text, ("JOBID", "STATE", "REASON"))
    return frozenset(
        int(number)
        for number, state, reason in rows
        if _is_held(state, reason) and number.isdecimal()
    )


def parse_held_names(text: str) -> dict[int, str]:
    """The names of the jobs that wait for their release, by their numbers, for QUEUED_NAMES."""
    rows = rows_after(text, ("JOBID", "STATE", "REASON", "NAME"))
    return {
        int(number): name
        for number, state, reason, name in rows
        if _is_held(state, reason) and number.isdecimal()
    }


def _is_held(state: str, reason: str) -> bool:
    return state == "PENDING" and reason in _HELD


def submitted_number(text: str) -> int:
    """The number that ``sbatch --parsable`` prints: ``42`` or ``42;cluster``, after banners."""
    numbers: list[str] = _SUBMITTED.findall(text)
    if not numbers:
        raise SchedulerUnreachable("sbatch ended without an error and without a job number.")
    return int(numbers[-1])
