"""`torc-watchd recover` compared with `torc recover`, on one real server.

Both recover identical workflows, in turn. The seconds are from the start to the end of the command,
without a proxy. A proxy counts the requests of a further recovery, which is not timed.
"""

import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
from counting_proxy import open_proxy
from real_torc import RealTorc
from workloads import FAILED_OF, failed_workflow

from torc_watch.core.model import JobStatus
from torc_watch.schedulers.local.local_scheduler import LocalScheduler
from torc_watch.torc.client import TorcClient
from torc_watch.torc.transport import Connection, Transport

SIZES = (1_000, 10_000)
OURS, THEIRS = "torc-watchd recover", "torc recover"
_LAST_OF_OURS = "POST /scheduled_compute_nodes"


@dataclass(frozen=True, slots=True)
class Recoveries:
    """Recovers workflows of one server with either program; ``directory`` is for files."""

    torc: RealTorc
    client: TorcClient
    directory: Path

    async def compare(self, jobs: int, repetitions: int) -> dict[str, float]:
        seconds: dict[str, list[float]] = {OURS: [], THEIRS: []}
        for repetition in range(repetitions):
            # The programs also take turns in being first.
            for program in sorted(seconds, reverse=bool(repetition % 2)):
                took = await self._timed(program, jobs)
                seconds[program].append(took)
                print(f"{program}, {jobs:,} jobs: {took:.2f} s", flush=True)
        values: dict[str, float] = {}
        for program, measured in seconds.items():
            values |= _spread(f"{program}, {jobs:,} jobs: s", measured)
            values |= await self._requests(program, jobs)
        return values

    async def _timed(self, program: str, jobs: int) -> float:
        workflow_id = await failed_workflow(self.client, jobs)
        began = time.perf_counter()
        await self._recover(program, workflow_id, self.client.transport.connection.url)
        took = time.perf_counter() - began
        await self._clean_up(workflow_id)
        return took

    async def _requests(self, program: str, jobs: int) -> dict[str, float]:
        workflow_id = await failed_workflow(self.client, jobs)
        async with open_proxy(self.client.transport.connection.url) as proxy:
            await self._recover(program, workflow_id, proxy.url)
            requests = Counter(_without_worker(proxy.requests))
            await self._clean_up(workflow_id)
        name = f"{program}, {jobs:,} jobs: requests"
        by_kind = {f"{name}, {kind}": float(count) for kind, count in requests.items()}
        return {name: float(requests.total())} | by_kind

    async def _recover(self, program: str, workflow_id: int, url: str) -> None:
        """Raises CalledProcessError."""
        command = self._command(program, workflow_id, url)
        environment = os.environ | {
            "TORC_WATCHD_HOME": str(self.directory),
            "USER": os.environ.get("USER", "bench"),
        }
        await anyio.run_process(
            command, env=environment, stdin=subprocess.DEVNULL, cwd=self.directory
        )

    def _command(self, program: str, workflow_id: int, url: str) -> Sequence[str]:
        if program == OURS:
            ours = [sys.executable, "-m", "torc_watch"]
            return [*ours, "recover", str(workflow_id), "--url", url]
        return [str(self.torc.client), "--url", url, "recover", "--no-prompts", str(workflow_id)]

    async def _clean_up(self, workflow_id: int) -> None:
        """Stops the workers, verifies the recovery, and deletes the workflow."""
        await LocalScheduler(self.directory / "allocations").cancel_all()
        counts = await self.client.count_jobs(workflow_id)
        if counts.of(JobStatus.FAILED) or counts.of(JobStatus.COMPLETED) == counts.total:
            raise RuntimeError(f"Workflow {workflow_id} was not recovered: {counts}")
        await self.client.delete_workflow(workflow_id)


def _without_worker(requests: Sequence[str]) -> Sequence[str]:
    """The requests of the command; its last request precedes those of the worker that it starts."""
    if _LAST_OF_OURS not in requests:
        return requests
    return requests[: requests.index(_LAST_OF_OURS) + 1]


def _spread(name: str, values: Sequence[float]) -> dict[str, float]:
    return {
        f"{name}, median": statistics.median(values),
        f"{name}, least": min(values),
        f"{name}, most": max(values),
    }


async def measure(torc: RealTorc, url: str, directory: Path, repetitions: int) -> dict[str, float]:
    values: dict[str, float] = {}
    async with Transport(Connection(url=url)) as transport:
        recoveries = Recoveries(torc, await TorcClient.connect(transport), directory)
        for jobs in SIZES:
            values |= await recoveries.compare(jobs, repetitions)
    return values


def table(values: dict[str, float]) -> str:
    """The results as a Markdown table; the ratio compares the medians with torc-watchd's."""
    lines = [
        "| jobs | failed | | s, median | least to most | ratio | requests |",
        "|--:|--:|---|--:|--:|--:|--:|",
    ]
    for jobs in SIZES:
        for program in (OURS, THEIRS):
            name = f"{program}, {jobs:,} jobs:"
            median, least, most = (
                values[f"{name} s, {which}"] for which in ("median", "least", "most")
            )
            ratio = median / values[f"{OURS}, {jobs:,} jobs: s, median"]
            lines.append(
                f"| {jobs:,} | {jobs // FAILED_OF} | `{program}` | {median:.2f} "
                f"| {least:.2f} to {most:.2f} | {ratio:.2f} | {values[f'{name} requests']:,.0f} |"
            )
    return "\n".join(lines)
