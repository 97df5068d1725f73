"""The tutorial on a real Slurm cluster with the real Torc: `torc-watchd watch` and `torc watch`.

Both recover the same workflow, in turn. Programs around Slurm's note when each was called, by the
watch and not by the workers that it submitted. The seconds are from when the server has the last
job's end to when the new allocations are submitted, and released.
"""

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.rigs.slurm_cluster import wait_until
from tests.rigs.torc_on_slurm import ENDED, TorcOnSlurm

POLL_INTERVAL = 30  # seconds
OURS, THEIRS = "torc-watchd watch", "torc watch"
_SPECIFICATION = Path(__file__).parents[1] / "playground.d/tutorial.yaml"
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
_SUBMITTING = ("sbatch", "scontrol")
_TIMEOUT = 300.0  # seconds for the jobs


@dataclass(frozen=True, slots=True)
class Call:
    program: str
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Recovery:
    """``gap`` is in seconds; the commands of Slurm within it, and of the whole watch."""

    gap: float
    commands_in_gap: int
    commands: int


def measure(site: TorcOnSlurm, repetitions: int) -> dict[str, float]:
    recoveries: dict[str, list[Recovery]] = {OURS: [], THEIRS: []}
    for repetition in range(repetitions):
        for program in sorted(recoveries, reverse=bool(repetition % 2)):
            recovery = _recover(site, program, site.folder / f"{program.split()[0]}-{repetition}")
            recoveries[program].append(recovery)
            print(f"{program}: {recovery}", flush=True)
    values: dict[str, float] = {}
    for program, measured in recoveries.items():
        name = f"slurm, {program}"
        values |= {
            f"{name}: last end to new allocations, s": statistics.median(r.gap for r in measured),
            f"{name}: commands meanwhile": statistics.median(r.commands_in_gap for r in measured),
            f"{name}: commands in all": statistics.median(r.commands for r in measured),
        }
    return values


def _recover(site: TorcOnSlurm, program: str, folder: Path) -> Recovery:
    """The workers of the first allocations are Torc's own script's in either case."""
    folder.mkdir()
    calls = folder / "calls"
    _write_programs(folder / "bin", calls)
    workflow_id = site.create(_SPECIFICATION)
    site.submit(workflow_id)
    with (folder / "output.log").open("wb") as log:
        watch = subprocess.Popen(
            _command(site, program, workflow_id),
            cwd=site.folder,
            env=site.environment
            | {
                "PATH": f"{folder / 'bin'}:{site.environment['PATH']}",
                "TORC_WATCHD_HOME": str(folder / "home"),
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    with watch:
        try:
            ended = _first_run_ended(site, workflow_id)
            status = watch.wait(_TIMEOUT)
        finally:
            watch.kill()
    site.cluster.cancel_all()
    if status or set(site.statuses(workflow_id).values()) != {"completed"}:
        raise RuntimeError(f"{program} did not recover: {(folder / 'output.log').read_text()}")
    return _recovery(_read(calls), ended)


def _command(site: TorcOnSlurm, program: str, workflow_id: int) -> list[str]:
    options = [str(workflow_id), "--recover", "--poll-interval", str(POLL_INTERVAL)]
    options += ["--max-retries", "3", "--output-dir", str(site.output_folder)]
    if program == OURS:
        return [sys.executable, "-m", "torc_watch", "watch", *options]
    return [str(site.programs / "torc"), "watch", *options]


def _first_run_ended(site: TorcOnSlurm, workflow_id: int) -> float:
    """When the server had the last end, within a poll's 50 ms; in seconds since 1970."""
    wait_until(lambda: set(site.statuses(workflow_id).values()) <= ENDED, "the first run", _TIMEOUT)
    return time.time()


def _recovery(calls: Sequence[Call], ended: float) -> Recovery:
    submitted = max(call.ended for call in calls if call.program in _SUBMITTING)
    meanwhile = [call for call in calls if ended <= call.began <= submitted]
    return Recovery(gap=submitted - ended, commands_in_gap=len(meanwhile), commands=len(calls))


def _write_programs(folder: Path, calls: Path) -> None:
    folder.mkdir()
    for name in _PROGRAMS:
        program = folder / name
        program.write_text(_NOTE.format(name=name, program=shutil.which(name), calls=calls))
        program.chmod(0o755)


def _read(calls: Path) -> list[Call]:
    lines = [line.split() for line in calls.read_text().splitlines()]
    return [Call(name, float(began), float(ended)) for name, began, ended in lines]
