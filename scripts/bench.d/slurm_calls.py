"""Programs around Slurm's commands that note when each was called, but not in an allocation."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PROGRAMS = ("squeue", "sacct", "sbatch", "scancel", "scontrol", "sinfo", "sacctmgr", "srun")
_NOTE = """\
#!/bin/sh
[ -z "${{SLURM_JOB_ID:-}}" ] || exec {program} "$@"
began=$(date +%s.%N)
{program} "$@"
status=$?
echo "{name} $began $(date +%s.%N)" >>"{calls}"
exit $status
"""


@dataclass(frozen=True, slots=True)
class Call:
    """``began`` and ``ended`` are in seconds since 1970."""

    program: str
    began: float
    ended: float


def write_programs(folder: Path, calls: Path, search_path: str) -> None:
    """Writes into ``folder`` a program for each command that ``search_path`` finds."""
    folder.mkdir(parents=True)
    for name in _PROGRAMS:
        program = folder / name
        found = shutil.which(name, path=search_path)
        program.write_text(_NOTE.format(name=name, program=found, calls=calls))
        program.chmod(0o755)


def read_calls(calls: Path) -> Sequence[Call]:
    """In the order of their ends; none where no command was called."""
    if not calls.exists():
        return []
    lines = [line.split() for line in calls.read_text().splitlines()]
    return [Call(name, float(began), float(ended)) for name, began, ended in lines]
