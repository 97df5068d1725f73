"""What it costs to ask Slurm for thousands of allocations, and how often the daemon asks."""

import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import anyio
from daemon_place import Place, place
from daemon_status import follow
from slurm_stand_in import SlurmStandIn, stand_in
from workloads import busy_workflow

from torc_watch.app.composition import open_cluster
from torc_watch.config.settings import Settings
from torc_watch.core.allocation import AllocationState
from torc_watch.core.model import Allocation
from torc_watch.schedulers.cluster import Cluster
from torc_watch.torc.concurrency import gather

ALLOCATIONS = 5_000
_WATCHES = 1_000  # which share them
_CYCLES = 20
_FIRST = 1_000  # number of a job
_JOBS = 10  # of each workflow
_INTERVAL = 60  # seconds; the default poll interval


async def measure_cycle() -> dict[str, float]:
    """CPU of this process and wall time of one cycle, in which every watch asks for its own."""
    with tempfile.TemporaryDirectory() as name, stand_in(Path(name) / "slurm") as slurm:
        numbers = range(_FIRST, _FIRST + ALLOCATIONS)
        slurm.know(numbers)
        cluster = open_cluster(Settings(home=Path(name) / "home"))
        watched = [
            [_allocation(number) for number in numbers[n::_WATCHES]] for n in range(_WATCHES)
        ]
        await _cycle(cluster, watched)  # from here on the cluster knows them all
        before = slurm.calls()
        measured = [await _cycle(cluster, watched) for _ in range(_CYCLES)]
        calls = slurm.calls() - before
    cpu, wall = (statistics.median(values) for values in zip(*measured, strict=True))
    label = f"slurm, cycle with {ALLOCATIONS:,} allocations"
    return {
        f"{label}: CPU, ms": cpu * 1000,
        f"{label}: wall time, ms": wall * 1000,
        f"{label}: squeue": calls["squeue"] / _CYCLES,
        f"{label}: sacct": calls["sacct"] / _CYCLES,
    }


async def _cycle(cluster: Cluster, watched: Sequence[Sequence[Allocation]]) -> tuple[float, float]:
    """Seconds of CPU, and of wall time. The first watch's query serves those that poll after it."""
    states: Counter[AllocationState] = Counter()
    cpu, wall = time.process_time(), time.perf_counter()
    for number, allocations in enumerate(watched):
        answer = await cluster.statuses(allocations, max_age=_INTERVAL / 2 if number else 0)
        states.update(status.state for _, status in answer)
    used = time.process_time() - cpu, time.perf_counter() - wall
    if states[AllocationState.ALIVE] != ALLOCATIONS * 99 // 100:
        raise RuntimeError(f"The allocations are not what the programs said: {states}")
    return used


def _allocation(number: int) -> Allocation:
    return Allocation(
        id=number,
        scheduler_id=number,
        scheduler_config_id=1,
        scheduler_type="slurm",
        status="active",
    )


async def measure_watching(sizes: Sequence[int], seconds: float) -> dict[str, float]:
    """How many commands of Slurm the daemon runs for each poll of all its workflows."""
    values: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name, stand_in(Path(name) / "slurm") as slurm:
        async with place(Path(name)) as site:
            for workflows in sizes:
                print(f"watching {workflows:,} workflows for {seconds:.0f} s ...", flush=True)
                await _create(site, workflows)
                slurm.know(range(_FIRST, _FIRST + workflows))
                calls = await _calls(site, slurm, workflows, seconds)
                cycles = seconds / _INTERVAL
                label = f"slurm, {workflows:,} workflows: per poll interval"
                values |= {f"{label}, {name}": calls[name] / cycles for name in sorted(calls)}
    return values


async def _create(site: Place, workflows: int) -> None:
    numbers = range(_FIRST + len(site.workflows), _FIRST + workflows)
    create = partial(busy_workflow, site.client, _JOBS, scheduler_type="slurm")
    site.workflows.extend(await gather([partial(create, scheduler_id=each) for each in numbers]))
    site.register(workflows)


async def _calls(
    site: Place, slurm: SlurmStandIn, workflows: int, seconds: float
) -> dict[str, int]:
    async with site.daemon():
        async with follow(site.socket) as board:
            await board.until_polled(workflows)
        before = slurm.calls()
        await anyio.sleep(seconds)
        return dict(slurm.calls() - before)
