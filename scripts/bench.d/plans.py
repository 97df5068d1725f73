"""`torc-watchd slurm regenerate` compared with `torc slurm regenerate`: `scripts/bench plans`.

First the plans alone, for Kestrel's profile, which both programs have, and for jobs of an hour.
Then both submit what they plan for jobs of minutes, to one cluster and one server, and the jobs
run as long as they say: on a cluster whose nodes allocations share, and on one of whole nodes.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from anyio import to_thread
from plan_runs import OURS, THEIRS, Outcome, Plan, Program, create, plan, start, wait_for_ends
from plan_workflows import Scale, workflows

from tests.rigs.slurm_cluster import open_cluster
from tests.rigs.torc_on_slurm import TorcOnSlurm, open_torc

_PROFILE = ("--profile", "kestrel")
_LARGE = Scale(minutes=60, jobs=25)
_REAL = Scale(minutes=10)
_SMALL_NODES, _GPUS = 12, 4
_WHOLE = ("short", "standard", "bigmem", "preemptible", "debug", "gpu")
_GPU_WORKFLOW = "GPU"
_PROGRAMS = (Program(OURS), Program(THEIRS))
_HELPED = Program(THEIRS, ("--partition", "gpu"))
_LINES = 12  # of an output that is printed


async def measure() -> dict[str, float]:
    return await to_thread.run_sync(_measure)


def _measure() -> dict[str, float]:
    values: dict[str, float] = {}
    with _site() as site:
        planned = [
            (workflow, program, plan(site, program, create(site, specification), *_PROFILE))
            for workflow, specification in workflows(_LARGE).items()
            for program in _PROGRAMS
        ]
        print(f"\nPlans for Kestrel:\n\n{_plan_table(planned)}\n", flush=True)
        values |= _plan_values(planned)
    with _site() as shared, _site(has_whole_nodes=True) as whole, ThreadPoolExecutor() as threads:
        sites = {"shared nodes": shared, "whole nodes": whole}
        found = threads.map(_compare, sites.items())
        for title, outcomes in zip(sites, found, strict=True):
            print(f"\n{title}:\n\n{_table(outcomes)}\n", flush=True)
            print("\n".join(_details(outcome) for outcome in outcomes), flush=True)
            values |= _values(title, outcomes)
    return values


def _compare(named: tuple[str, TorcOnSlurm]) -> Sequence[Outcome]:
    title, site = named
    runs = []
    for workflow, specification in workflows(_REAL).items():
        programs = [*_PROGRAMS, _HELPED] if workflow == _GPU_WORKFLOW else _PROGRAMS
        for program in programs:
            print(f"{title}, {workflow}: {program.label} ...", flush=True)
            runs.append(start(site, workflow, specification, program))
    return wait_for_ends(site, runs)


@contextmanager
def _site(*, has_whole_nodes: bool = False) -> Iterator[TorcOnSlurm]:
    with (
        TemporaryDirectory() as name,
        open_cluster(small_nodes=_SMALL_NODES, gpus=_GPUS) as cluster,
        open_torc(cluster, Path(name)) as site,
    ):
        for partition in _WHOLE if has_whole_nodes else ():
            words = (f"PartitionName={partition}", "OverSubscribe=EXCLUSIVE")
            cluster.run("scontrol", "update", *words)
        yield site


def _plan_table(planned: Sequence[tuple[str, Program, Plan]]) -> str:
    lines = ["| workflow | | allocations | node hours | s |", "|---|---|--:|--:|--:|"]
    for workflow, program, made in planned:
        lines.append(
            f"| {workflow} | `{program.label}` | {made.allocations:,} | {made.node_hours:,.2f} "
            f"| {made.seconds:.1f} |"
        )
    return "\n".join(lines)


def _table(outcomes: Sequence[Outcome]) -> str:
    columns = ("planned", "submitted", "asked for", "used", "jobs run", "Slurm commands")
    lines = [f"| workflow | | {' | '.join(columns)} |", f"|---|---|{'--:|' * len(columns)}"]
    for outcome in outcomes:
        run = outcome.run
        lines.append(
            f"| {run.workflow} | `{run.program.label}` | {run.plan.allocations} "
            f"| {len(outcome.allocations)} | {run.plan.node_hours:.2f} "
            f"| {outcome.node_hours:.2f} | {outcome.jobs['completed']} of {outcome.jobs.total()} "
            f"| {run.commands.total()} |"
        )
    return "\n".join(lines)


def _details(outcome: Outcome) -> str:
    run = outcome.run
    lines = [f"{run.workflow}, {run.program.label}: status {run.status}, {dict(outcome.jobs)}"]
    lines += [f"    {allocation}" for allocation in outcome.allocations]
    lines.append(f"    commands: {dict(run.commands)}")
    if run.status:
        lines += [f"    {line}" for line in run.output.splitlines()[-_LINES:]]
    return "\n".join(lines)


def _plan_values(planned: Sequence[tuple[str, Program, Plan]]) -> dict[str, float]:
    values: dict[str, float] = {}
    for workflow, program, made in planned:
        name = f"plans, Kestrel, {workflow}, {program.label}"
        values |= {f"{name}: allocations": made.allocations, f"{name}: node hours": made.node_hours}
    return values


def _values(title: str, outcomes: Sequence[Outcome]) -> dict[str, float]:
    values: dict[str, float] = {}
    for outcome in outcomes:
        run = outcome.run
        name = f"plans, {title}, {run.workflow}, {run.program.label}"
        values |= {
            f"{name}: allocations planned": run.plan.allocations,
            f"{name}: allocations submitted": len(outcome.allocations),
            f"{name}: node hours asked for": run.plan.node_hours,
            f"{name}: node hours used": outcome.node_hours,
            f"{name}: jobs": outcome.jobs.total(),
            f"{name}: jobs completed": outcome.jobs["completed"],
            f"{name}: Slurm commands": run.commands.total(),
        }
    return values
