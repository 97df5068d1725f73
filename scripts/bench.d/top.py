"""The live view with a thousand workflows: CPU at rest, and how soon it answers a key.

`torc-watchd top` shows what a real daemon publishes; beside it, `torc tui` shows the same workflows
from the same server, and `watch -n1 torc-watchd list` is what a user has without a live view. Each
runs in a terminal of its own, one after the other.
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread
from daemon_place import PROGRAM, Place, place
from daemon_status import follow
from real_torc import find_real_torc
from terminal import Terminal, terminal

WORKFLOWS = 1000
_KEYS = 30
_BETWEEN_KEYS = 0.25  # seconds
_SETTLING = 15.0  # seconds
_DOWN = b"\x1b[B"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """``ready`` is drawn when it shows workflows. ``answers`` are drawn after each key down, empty
    if anything that is drawn is an answer; None for a program without keys.
    """

    name: str
    command: Sequence[str]
    ready: bytes
    before: bytes = b""
    answers: Sequence[bytes] | None = None


async def measure(*, seconds: float) -> dict[str, float]:
    """``seconds`` is how long each rests."""
    values: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as directory:
        async with place(Path(directory)) as site:
            print(f"creating {WORKFLOWS:,} workflows ...", flush=True)
            await site.create_workflows(WORKFLOWS)
            site.register(WORKFLOWS)
            async with site.daemon():
                async with follow(site.socket) as board:
                    await board.until_polled(WORKFLOWS)
                for side in _sides(site):
                    print(f"{side.name} for {seconds:.0f} s ...", flush=True)
                    measured = await to_thread.run_sync(
                        _measure_one, side, site.environment, seconds
                    )
                    values |= {f"{side.name}: {label}": n for label, n in measured.items()}
    return values | _ratios(values)


def _sides(site: Place) -> Iterator[_Side]:
    numbers = sorted(site.workflows)[1 : _KEYS + 1]
    yield _Side(
        name="top",
        command=[*PROGRAM, "top"],
        ready=b"PROGRESS",
        before=b"o",  # by ID
        answers=[b"Workflow %d " % number for number in numbers],
    )
    torc = find_real_torc()
    yield _Side(
        name="torc tui",
        command=[str(torc.client), "tui"],
        ready=b"Description",
        answers=[b""] * len(numbers),
    )
    if watch := shutil.which("watch"):
        command = [watch, "-n1", " ".join([*PROGRAM, "list"])]
        yield _Side(name="watch -n1 list", command=command, ready=b"STATE")


def _measure_one(side: _Side, environment: Mapping[str, str], seconds: float) -> dict[str, float]:
    began = time.perf_counter()
    with terminal(side.command, environment) as screen:
        screen.until(side.ready)
        values = {"start, s": time.perf_counter() - began}
        screen.rest(_SETTLING)
        if side.answers is not None:
            values |= _latency(screen, side)
            screen.rest(_BETWEEN_KEYS)
        cpu, drawn = screen.cpu(), screen.drawn
        screen.rest(seconds)
        values["CPU at rest, % of a core"] = (screen.cpu() - cpu) / seconds * 100
        values["drawn at rest, bytes per s"] = (screen.drawn - drawn) / seconds
    return values


def _latency(screen: Terminal, side: _Side) -> dict[str, float]:
    if side.before:
        screen.press(side.before)
        screen.rest(1)
    taken = []
    for answer in side.answers or ():
        screen.rest(_BETWEEN_KEYS)
        began = time.perf_counter()
        screen.press(_DOWN)
        if answer:
            screen.until(answer)
        else:
            while not screen.read(1):
                pass
        taken.append((time.perf_counter() - began) * 1000)
    return {
        "key to screen, ms, median": statistics.median(taken),
        "key to screen, ms, slowest": max(taken),
    }


def _ratios(values: Mapping[str, float]) -> dict[str, float]:
    """How many times as much the others need."""
    rest, key = "CPU at rest, % of a core", "key to screen, ms, median"
    pairs = (("torc tui", rest), ("torc tui", key), ("watch -n1 list", rest))
    return {
        f"{name} / top: {label}": values[f"{name}: {label}"] / values[f"top: {label}"]
        for name, label in pairs
        if f"{name}: {label}" in values
    }
