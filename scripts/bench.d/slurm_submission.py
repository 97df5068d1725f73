"""How long it takes to submit many allocations, against as many `sbatch` in a shell loop.

Both submit the same script to a partition that is DOWN, where jobs wait. Ours also looks for the
tokens, writes a row for each allocation on the real Torc server, and releases the held jobs.
"""

import shlex
import statistics
import time

from tests.rigs.torc_on_slurm import TorcAllocations, TorcJob, TorcOnSlurm, specification
from torc_watch.app.composition import slurm_scheduler
from torc_watch.config.settings import Settings
from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.units import MIB
from torc_watch.engine.allocation_submission import submit_allocations
from torc_watch.schedulers.base import WorkerAssignment
from torc_watch.torc.client import TorcClient
from torc_watch.torc.transport import Connection, Transport

ALLOCATIONS = 100
_OPTIONS = ("--account=science", "--partition=down")
_LOOP = f"for _ in $(seq {ALLOCATIONS}); do sbatch --parsable %s; done"


async def measure(site: TorcOnSlurm, repetitions: int) -> dict[str, float]:
    """Seconds; the programs of Slurm are on the PATH of this process."""
    workflow_id = site.create_from(
        specification([TorcJob(name="job", command="true")], TorcAllocations(number=0))
    )
    ours: list[float] = []
    loop: list[float] = []
    async with Transport(Connection(url=site.url)) as transport:
        client = await TorcClient.connect(transport)
        for repetition in range(repetitions):
            ours.append(await _submit(client, site, workflow_id, repetition))
            site.cluster.cancel_all()
            loop.append(_loop(site, _token(repetition, 0)))
            site.cluster.cancel_all()
            print(
                f"{ALLOCATIONS} allocations: {ours[-1]:.2f} s, loop: {loop[-1]:.2f} s", flush=True
            )
    name = f"slurm, {ALLOCATIONS} allocations"
    return {
        f"{name}: submitted, s": statistics.median(ours),
        f"{name}: sbatch in a loop, s": statistics.median(loop),
        f"{name}: ratio": statistics.median(ours) / statistics.median(loop),
    }


async def _submit(
    client: TorcClient, site: TorcOnSlurm, workflow_id: int, repetition: int
) -> float:
    [config] = await client.list_scheduler_configs(workflow_id, "slurm")
    work = WorkerAssignment(
        connection=client.transport.connection,
        workflow_id=workflow_id,
        scheduler_config_id=config.id,
        output_dir=site.output_folder,
    )
    specs = [
        AllocationSpec(
            token=_token(repetition, number),
            num_cpus=1,
            memory=500 * MIB,
            runtime=600,
            options=_OPTIONS,
        )
        for number in range(ALLOCATIONS)
    ]
    scheduler = slurm_scheduler(Settings(home=site.folder / "home"))
    began = time.perf_counter()
    numbers, refusal = await submit_allocations(client, scheduler, specs, work)
    took = time.perf_counter() - began
    if refusal is not None or len(numbers) != ALLOCATIONS:
        raise RuntimeError(f"Only {len(numbers)} allocations were submitted: {refusal}")
    return took


def _token(repetition: int, number: int) -> str:
    return f"tw-bench-{repetition}-{number}"


def _loop(site: TorcOnSlurm, token: str) -> float:
    script = site.output_folder / f"{token}.sh"
    began = time.perf_counter()
    site.cluster.run("sh", "-c", _LOOP % shlex.quote(str(script)))
    return time.perf_counter() - began
