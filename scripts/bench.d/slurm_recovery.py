"""The tutorial on a real Slurm cluster with the real Torc: `torc-watchd watch` and `torc watch`.

Both recover the same workflow, in turn, at their default poll interval. The nodes are busy at
first, a different time in each repetition, so that the jobs end at different times after a poll.
Programs around Slurm's note when each was called, by the watch and not by the workers that it
submitted. The seconds are from when the server has the last job's end to when the new allocations
are submitted, and released.
"""

import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from slurm_calls import Call, read_calls, write_programs

from tests.rigs.slurm_cluster import wait_until
from tests.rigs.torc_on_slurm import ENDED, TorcOnSlurm

POLL_INTERVAL = 60  # seconds; the default of both
OURS, THEIRS = "torc-watchd watch", "torc watch"
_SPECIFICATION = Path(__file__).parents[1] / "playground.d/tutorial.yaml"
_SUBMITTING = ("sbatch", "scontrol")
_TIMEOUT = 300.0  # seconds for the jobs


@dataclass(frozen=True, slots=True)
class Recovery:
    """``gap`` is in seconds; the commands of Slurm in it, and of the whole watch, by program."""

    gap: float
    in_gap: Counter[str]
    commands: Counter[str]


def measure(site: TorcOnSlurm, repetitions: int) -> dict[str, float]:
    recoveries: dict[str, list[Recovery]] = {OURS: [], THEIRS: []}
    for repetition in range(repetitions):
        busy = round(POLL_INTERVAL * (repetition + 0.5) / repetitions)
        for program in sorted(recoveries, reverse=bool(repetition % 2)):
            folder = site.folder / f"{program.split()[0]}-{repetition}"
            recovery = _recover(site, program, folder, busy)
            recoveries[program].append(recovery)
            print(f"{program}: {recovery}", flush=True)
    values: dict[str, float] = {}
    for program, measured in recoveries.items():
        name = f"slurm, {program}"
        values |= {
            f"{name}: last end to new allocations, s": statistics.median(r.gap for r in measured),
            f"{name}: commands meanwhile": statistics.median(r.in_gap.total() for r in measured),
            f"{name}: commands in all": statistics.median(r.commands.total() for r in measured),
        }
    return values


def _recover(site: TorcOnSlurm, program: str, folder: Path, busy: int) -> Recovery:
    """The nodes are busy for some seconds. Torc's own script starts the workers of either case."""
    folder.mkdir()
    calls = folder / "calls"
    write_programs(folder / "bin", calls, site.environment["PATH"])
    site.cluster.submit(f"sleep {busy}", "--nodes=3", "--exclusive")
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
    return _recovery(read_calls(calls), ended)


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
    return Recovery(
        gap=submitted - ended,
        in_gap=Counter(call.program for call in calls if ended <= call.began <= submitted),
        commands=Counter(call.program for call in calls),
    )
