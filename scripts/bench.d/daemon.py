"""`torc-watchd run` with increasing numbers of workflows: resource usage and latency."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
import daemon_latency
from anyio.abc import Process
from daemon_place import Place, place
from daemon_status import follow
from usage import Usage

_INTERVAL = 60  # seconds; the default poll interval
_HOUR = 3600
_USED = ("CPU, s per hour", "resident, MiB", "proportional, MiB", "requests per minute")
_STARTED = ("first start to all watched, s", "restart to all watched, s")


async def measure(*, sizes: Sequence[int], seconds: float) -> dict[str, float]:
    """``sizes`` are ascending numbers of workflows; each is watched for ``seconds``."""
    values: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as directory:
        async with place(Path(directory)) as site:
            for workflows in sizes:
                print(f"creating {workflows:,} workflows ...", flush=True)
                await site.create_workflows(workflows + 1)  # one is added later
                site.register(workflows)
                print(f"watching them for {seconds:.0f} s ...", flush=True)
                measured = await _measure_one(site, workflows, seconds)
                name = f"daemon, {workflows:,} workflows"
                values |= {f"{name}: {label}": value for label, value in measured.items()}
    print(f"\n{_table(values, sizes)}\n")
    return values


async def _measure_one(site: Place, workflows: int, seconds: float) -> dict[str, float]:
    async with site.daemon():
        first_start = await _until_watched(site, workflows)
    async with site.daemon() as process:
        restart = await _until_watched(site, workflows)
        values = {_STARTED[0]: first_start, _STARTED[1]: restart}
        values |= await _used(site, process, seconds)
        return values | await daemon_latency.measure(site, workflows)


async def _until_watched(site: Place, workflows: int) -> float:
    """The seconds from now until all workflows have been polled."""
    began = time.perf_counter()
    async with follow(site.socket) as board:
        await board.until_polled(workflows)
    return time.perf_counter() - began


async def _used(site: Place, process: Process, seconds: float) -> dict[str, float]:
    before, requests_before = Usage.of([process.pid]), await site.requests()
    await anyio.sleep(seconds)
    after = Usage.of([process.pid])
    requests = await site.requests() - requests_before
    cpu = (after.cpu - before.cpu) / seconds * _HOUR
    used = (cpu, after.resident, after.proportional, requests / seconds * _INTERVAL)
    return dict(zip(_USED, used, strict=True))


def _table(values: dict[str, float], sizes: Sequence[int]) -> str:
    """A Markdown table with a column for each size."""
    measured = [label.partition(": ")[2] for label in values][: len(values) // len(sizes)]
    lines = [
        f"| | {' | '.join(f'{size:,}' for size in sizes)} |",
        "|---" + "|--:" * len(sizes) + "|",
    ]
    for label in measured:
        row = (values[f"daemon, {size:,} workflows: {label}"] for size in sizes)
        lines.append(f"| {label} | {' | '.join(_text(value) for value in row)} |")
    return "\n".join(lines)


def _text(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
