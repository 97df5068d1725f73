"""A plan of either program, and what becomes of it on a cluster."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slurm_calls import read_calls, write_programs

from tests.rigs.slurm_cluster import wait_until
from tests.rigs.torc_on_slurm import Row, TorcOnSlurm
from torc_watch.core.walltime import parse_walltime

OURS, THEIRS = "torc-watchd slurm regenerate", "torc slurm regenerate"
_ROOT = Path(__file__).parents[2]
_ACCOUNT = ("--account", "science")
_FIELDS = ("JobIDRaw", "State", "Partition", "NNodes", "NCPUS", "TimelimitRaw", "ElapsedRaw")
_POLL = 5.0  # seconds
_TIMEOUT = 3600.0  # seconds for all workflows of a cluster


@dataclass(frozen=True, slots=True)
class Program:
    """``options`` are those that a user who knows the cluster adds."""

    name: str
    options: Sequence[str] = ()

    @property
    def label(self) -> str:
        return " ".join((self.name, *self.options))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a program says with ``--dry-run``; ``seconds`` is how long that took."""

    allocations: int
    node_hours: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Allocation:
    """What accounting has of it; ``limit`` and ``elapsed`` are in seconds."""

    state: str
    partition: str
    nodes: int
    cpus: int
    limit: int
    elapsed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A workflow that a program planned and submitted; ``commands`` are Slurm's, by program."""

    workflow: str
    program: Program
    workflow_id: int
    plan: Plan
    status: int
    output: str
    commands: Counter[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """``jobs`` are their statuses when nothing of the workflow was queued or running any more."""

    run: Run
    jobs: Counter[str]
    allocations: Sequence[Allocation]

    @property
    def node_hours(self) -> float:
        """As they were used."""
        return sum(each.nodes * each.elapsed for each in self.allocations) / 3600


def plan(site: TorcOnSlurm, program: Program, workflow_id: int, *options: str) -> Plan:
    """Raises RuntimeError where the program makes none."""
    began = time.monotonic()
    done = _run(site, program, workflow_id, "--dry-run", *options)
    took = time.monotonic() - began
    try:
        values = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise RuntimeError(f"{program.label}: {done.stdout}{done.stderr}") from error
    allocations, node_hours = _planned(values)
    return Plan(allocations=allocations, node_hours=node_hours, seconds=took)


def start(site: TorcOnSlurm, name: str, specification: Row, program: Program) -> Run:
    """Creates the workflow, and has the program plan and submit it."""
    workflow_id = create(site, specification)
    planned = plan(site, program, workflow_id)
    folder = site.folder / f"run-{workflow_id}"
    calls = folder / "calls"
    write_programs(folder / "bin", calls, site.environment["PATH"])
    path = {"PATH": f"{folder / 'bin'}:{site.environment['PATH']}"}
    done = _run(site, program, workflow_id, "--submit", variables=path)
    return Run(
        workflow=name,
        program=program,
        workflow_id=workflow_id,
        plan=planned,
        status=done.returncode,
        output=done.stdout + done.stderr,
        commands=Counter(call.program for call in read_calls(calls)),
    )


def create(site: TorcOnSlurm, specification: Row) -> int:
    """The ID of a workflow whose first jobs are ready, and that has no scheduler."""
    workflow_id = site.create_from(specification)
    site.torc("workflows", "init", workflow_id, "--no-prompts")
    return workflow_id


def wait_for_ends(site: TorcOnSlurm, runs: Sequence[Run]) -> Sequence[Outcome]:
    """Waits until each workflow is at rest; cancels what is left after an hour."""
    outcomes: dict[int, Outcome] = {}

    def have_ended() -> bool:
        for run in runs:
            if run.workflow_id not in outcomes and _is_at_rest(site, run.workflow_id):
                outcomes[run.workflow_id] = _outcome(site, run)
        if len(outcomes) < len(runs):
            time.sleep(_POLL)
        return len(outcomes) == len(runs)

    try:
        wait_until(have_ended, "the ends of all workflows", _TIMEOUT)
    except AssertionError as error:
        print(error, flush=True)
        site.cluster.cancel_all()
    return [outcomes.get(run.workflow_id) or _outcome(site, run) for run in runs]


def _is_at_rest(site: TorcOnSlurm, workflow_id: int) -> bool:
    # In this order: an allocation that submits others is in the queue itself meanwhile.
    queued = set(site.cluster.run("squeue", "--noheader", "--format=%A").split())
    return queued.isdisjoint(map(str, site.allocations(workflow_id)))


def _outcome(site: TorcOnSlurm, run: Run) -> Outcome:
    numbers = sorted(site.allocations(run.workflow_id))
    for number in numbers:
        site.cluster.wait_for_end(number)
    return Outcome(
        run=run,
        jobs=Counter(site.statuses(run.workflow_id).values()),
        allocations=_accounting(site, numbers) if numbers else (),
    )


def _accounting(site: TorcOnSlurm, numbers: Sequence[int]) -> Sequence[Allocation]:
    words = ("sacct", "-X", "-n", "-P", "-j", ",".join(map(str, numbers)))
    rows = site.cluster.run(*words, "-o", ",".join(_FIELDS)).splitlines()
    return [_allocation(row) for row in rows]


def _allocation(row: str) -> Allocation:
    _, state, partition, *amounts = row.split("|")
    nodes, cpus, minutes, elapsed = map(int, amounts)
    return Allocation(state, partition, nodes, cpus, minutes * 60, elapsed)


def _run(
    site: TorcOnSlurm,
    program: Program,
    workflow_id: int,
    *options: str,
    variables: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    output_dir = ("--output-dir", str(site.output_folder))
    words = [str(workflow_id), *_ACCOUNT, *output_dir, *program.options, *options]
    if program.name == OURS:
        command = [sys.executable, "-m", "torc_watch", "slurm", "regenerate", *words, "--json"]
    else:
        torc = str(site.programs / "torc")
        command = [torc, "-f", "json", "slurm", "regenerate", *words]
    ours = {"PYTHONPATH": str(_ROOT), "TORC_WATCHD_HOME": str(site.folder / "home")}
    return subprocess.run(
        command,
        cwd=site.folder,
        env={**site.environment, **ours, **(variables or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def _planned(values: Mapping[str, Any]) -> tuple[int, float]:
    """Allocations and node hours of a plan of ours, or of Torc's, whose walltimes are texts."""
    if "plan" in values:
        return values["plan"]["allocations"], values["plan"]["node_hours"]
    seconds = [
        each["num_allocations"] * each["nodes"] * (parse_walltime(each["walltime"]) or 0)
        for each in values["planned_schedulers"]
    ]
    return values["total_allocations"], sum(seconds) / 3600
