"""Idle watching: one torc-watchd process compared with one `torc watch --recover` per workflow.

Both watch their own workflows on one real server at the same time, each through a counting proxy.
Every workflow has a running job and a live allocation. For torc-watchd it is a local allocation
whose worker is this process. `torc watch` requires a Slurm allocation, so it uses the `squeue` next
to this file. Only the watching processes are measured, not squeue.
"""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import Process
from counting_proxy import CountingProxy, open_proxy
from real_torc import RealTorc
from usage import Usage
from workloads import busy_workflow

from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.units import GIB
from torc_watch.host import file_lock
from torc_watch.schedulers.base import WorkerAssignment
from torc_watch.schedulers.local.allocation_folder import (
    AllocationFolder,
    AllocationRecord,
    this_host,
)
from torc_watch.torc.client import TorcClient
from torc_watch.torc.transport import Connection, Transport

SIZES = (1, 10, 50)  # workflows
OURS, THEIRS = "torc-watchd", "torc watch"
_INTERVAL = 5  # seconds between polls
_SETTLING = 3 * _INTERVAL  # seconds until all have started and polled once
_JOBS = 100  # of each workflow
_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Side:
    name: str
    processes: Sequence[Process]
    proxy: CountingProxy

    def usage(self) -> tuple[Usage, int]:
        """The usage and number of requests so far. Raises RuntimeError if a process has ended."""
        if any(process.returncode is not None for process in self.processes):
            raise RuntimeError(f"{self.name} ended during the measurement.")
        usage = Usage.of(process.pid for process in self.processes)
        return usage, len(self.proxy.requests)


async def measure(torc: RealTorc, url: str, directory: Path, seconds: float) -> dict[str, float]:
    values: dict[str, float] = {}
    async with Transport(Connection(url=url)) as transport:
        client = await TorcClient.connect(transport)
        for workflows in SIZES:
            home = directory / f"watching-{workflows}"
            home.mkdir()
            print(f"watching {workflows} workflows for {seconds:.0f} s ...", flush=True)
            async with _watching(torc, client, home, workflows) as sides:
                values |= await _observe(sides, workflows, seconds)
    return values


async def _observe(sides: Sequence[Side], workflows: int, seconds: float) -> dict[str, float]:
    await anyio.sleep(_SETTLING)
    before = [side.usage() for side in sides]
    await anyio.sleep(seconds)
    values: dict[str, float] = {}
    for side, (used, requests_before) in zip(sides, before, strict=True):
        usage, requests = side.usage()
        name = f"{side.name}, {workflows} idle workflows"
        values[f"{name}: CPU, s"] = usage.cpu - used.cpu
        values[f"{name}: resident, MiB"] = usage.resident
        values[f"{name}: proportional, MiB"] = usage.proportional
        values[f"{name}: requests"] = requests - requests_before
    return values


@asynccontextmanager
async def _watching(
    torc: RealTorc, client: TorcClient, home: Path, workflows: int
) -> AsyncIterator[list[Side]]:
    """Both programs, each watching this number of workflows."""
    url = client.transport.connection.url
    local = await _busy_workflows(client, workflows, "local")
    slurm = await _busy_workflows(client, workflows, "slurm")
    async with AsyncExitStack() as stack:
        proxies = [await stack.enter_async_context(open_proxy(url)) for _ in range(2)]
        stack.enter_context(_live_allocations(home, local))
        ours = [_our_command(proxies[0].url, home, local)]
        theirs = [_their_command(torc, proxies[1].url, home, number) for number in slurm]
        yield [
            Side(
                name, [await stack.enter_async_context(_running(c, home)) for c in commands], proxy
            )
            for name, commands, proxy in zip((OURS, THEIRS), (ours, theirs), proxies, strict=True)
        ]


async def _busy_workflows(client: TorcClient, workflows: int, scheduler_type: str) -> list[int]:
    return [
        await busy_workflow(client, _JOBS, scheduler_type=scheduler_type, scheduler_id=number)
        for number in range(1, workflows + 1)
    ]


def _our_command(url: str, home: Path, workflows: Sequence[int]) -> list[str]:
    program = [sys.executable, str(_HERE / "watch_many.py")]
    return [*program, url, str(home), str(_INTERVAL), *map(str, workflows)]


def _their_command(torc: RealTorc, url: str, home: Path, workflow_id: int) -> list[str]:
    command = [str(torc.client), "--url", url, "watch", str(workflow_id), "--recover"]
    return [*command, "--poll-interval", str(_INTERVAL), "--output-dir", str(home)]


@asynccontextmanager
async def _running(command: Sequence[str], home: Path) -> AsyncIterator[Process]:
    environment = os.environ | {
        "TORC_WATCHD_HOME": str(home),
        "TORC_FAKE_SQUEUE": str(_HERE / "squeue"),
        "USER": os.environ.get("USER", "bench"),
    }
    with (home / "output.log").open("ab") as output:
        process = await anyio.open_process(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            cwd=home,
        )
    try:
        yield process
    finally:
        process.kill()
        with anyio.CancelScope(shield=True):
            await process.wait()


@contextmanager
def _live_allocations(home: Path, workflows: Sequence[int]) -> Iterator[None]:
    """Local allocations 1, 2, ... of these workflows; this process is the worker of each."""
    with ExitStack() as stack:
        for number, workflow_id in enumerate(workflows, 1):
            folder = AllocationFolder(home / "allocations" / str(number))
            folder.path.mkdir(parents=True)
            folder.write_record(_record(workflow_id, home))
            lock = stack.enter_context(folder.lock.open("ab"))
            file_lock.lock(lock)
        yield


def _record(workflow_id: int, home: Path) -> AllocationRecord:
    return AllocationRecord(
        hostname=this_host(),
        spec=AllocationSpec(token=f"bench-{workflow_id}", num_cpus=1, memory=GIB),
        work=WorkerAssignment(
            connection=Connection(url="localhost:1"),  # no worker reads it
            workflow_id=workflow_id,
            scheduler_config_id=1,
            output_dir=home,
        ),
        poll_interval=1,
    )


def table(values: dict[str, float]) -> str:
    """The results as a Markdown table."""
    units = ("CPU, s", "resident, MiB", "proportional, MiB", "requests")
    lines = [f"| workflows | | {' | '.join(units)} |", "|--:|---|--:|--:|--:|--:|"]
    for workflows in SIZES:
        for side in (OURS, THEIRS):
            name = f"{side}, {workflows} idle workflows"
            cpu, resident, proportional, requests = (values[f"{name}: {unit}"] for unit in units)
            lines.append(
                f"| {workflows} | `{side}` | {cpu:.2f} | {resident:,.0f} | {proportional:,.0f} "
                f"| {requests:,.0f} |"
            )
    return "\n".join(lines)
