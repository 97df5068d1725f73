"""`torc-watchd run` with more and more workflows: what it uses, and how long people wait for it."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
import daemon_latency
from anyio.abc import Process
from daemon_following import following
from daemon_place import Place, place
from usage import Usage

_INTERVAL = 60  # seconds between looks, which is what is configured where nothing is
_HOUR = 3600
_USED = ("CPU, s per hour", "resident, MiB", "proportional, MiB", "requests per minute")
_STARTED = ("first start to all watched, s", "restart to all watched, s")


async def measure(*, sizes: Sequence[int], seconds: float) -> dict[str, float]:
    """``sizes`` are numbers of workflows, rising; each is watched for ``seconds``."""
    values: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as directory:
        async with place(Path(directory)) as arranged:
            for workflows in sizes:
                print(f"arranging {workflows:,} workflows ...", flush=True)
                await arranged.arrange(workflows + 1)  # one to be added later
                arranged.enter(workflows)
                print(f"watching them for {seconds:.0f} s ...", flush=True)
                measured = await _measure_one(arranged, workflows, seconds)
                name = f"daemon, {workflows:,} workflows"
                values |= {f"{name}: {label}": value for label, value in measured.items()}
    print(f"\n{_table(values, sizes)}\n")
    return values


async def _measure_one(arranged: Place, workflows: int, seconds: float) -> dict[str, float]:
    async with arranged.daemon():
        first_start = await _until_watched(arranged, workflows)
    async with arranged.daemon() as process:
        restart = await _until_watched(arranged, workflows)
        values = {_STARTED[0]: first_start, _STARTED[1]: restart}
        values |= await _used(arranged, process, seconds)
        return values | await daemon_latency.measure(arranged, workflows)


async def _until_watched(arranged: Place, workflows: int) -> float:
    """Seconds since now."""
    began = time.perf_counter()
    async with following(arranged.socket) as board:
        await board.until_looked_at(workflows)
    return time.perf_counter() - began


async def _used(arranged: Place, process: Process, seconds: float) -> dict[str, float]:
    before, asked = Usage.of([process.pid]), await arranged.requests()
    await anyio.sleep(seconds)
    after = Usage.of([process.pid])
    requests = await arranged.requests() - asked
    cpu = (after.cpu - before.cpu) / seconds * _HOUR
    used = (cpu, after.resident, after.proportional, requests / seconds * _INTERVAL)
    return dict(zip(_USED, used, strict=True))


def _table(values: dict[str, float], sizes: Sequence[int]) -> str:
    """In Markdown, with a column for each size."""
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
