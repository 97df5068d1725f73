"""What sbatch, squeue and sacct print of jobs that were submitted under a name. Pure."""

import re
from collections.abc import Iterable, Sequence

from torc_watch.core.errors import SchedulerUnreachable
from torc_watch.schedulers.slurm.slurm_table import rows_after

QUEUED_NAMES = "--format=%A|%j"
ENDED_NAMES = "--format=JobIDRaw,JobName"
HELD_JOBS = "--format=%A|%T|%r"
_SUBMITTED = re.compile(r"^([0-9]+)(?:;\S+)?$", re.ASCII | re.MULTILINE)
_HELD = ("JobHeldUser", "JobHeldAdmin")


def parse_queued_names(text: str) -> dict[str, int]:
    """The newest job of each name, as squeue prints them with QUEUED_NAMES."""
    return _newest(rows_after(text, ("JOBID", "NAME")))


def parse_ended_names(text: str) -> dict[str, int]:
    """The same, as sacct prints them with ENDED_NAMES."""
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
        if state == "PENDING" and reason in _HELD and number.isdecimal()
    )


def submitted_number(text: str) -> int:
    """The number that ``sbatch --parsable`` prints: ``42`` or ``42;cluster``, after banners."""
    numbers: list[str] = _SUBMITTED.findall(text)
    if not numbers:
        raise SchedulerUnreachable("sbatch ended without an error and without a job number.")
    return int(numbers[-1])
