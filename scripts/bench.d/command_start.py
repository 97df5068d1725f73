"""How long short commands take, from the start of Python to their end."""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from anyio import to_thread

_OURS = Path(__file__).parents[2]
_COMMANDS = (("--help",), ("list",))
_ROUNDS = 15


async def measure(other: Path | None) -> dict[str, float]:
    """Medians in milliseconds of CPU time, of this checkout and of ``other``, in turn.

    CPU time, because other programs share the machine.
    """
    checkouts = {"ours": _OURS} | ({"other": other} if other else {})
    values: dict[str, float] = {}
    for command in _COMMANDS:
        taken = await to_thread.run_sync(_in_turn, command, checkouts)
        name = f"limits: torc-watchd {' '.join(command)}"
        medians = {side: statistics.median(times) for side, times in taken.items()}
        values |= {f"{name}: {side}, ms of CPU": median for side, median in medians.items()}
        if other:
            values[f"{name}: ratio"] = medians["ours"] / medians["other"]
    return values


def _in_turn(command: tuple[str, ...], checkouts: dict[str, Path]) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {side: [] for side in checkouts}
    with tempfile.TemporaryDirectory() as home:
        for _ in range(_ROUNDS + 1):
            for side, checkout in checkouts.items():
                taken[side].append(_milliseconds(command, checkout, home))
    return {side: times[1:] for side, times in taken.items()}  # the first one compiles modules


def _milliseconds(command: tuple[str, ...], checkout: Path, home: str) -> float:
    environment = os.environ | {"PYTHONPATH": str(checkout), "TORC_WATCHD_HOME": home}
    before = _cpu_of_children()
    subprocess.run(
        [sys.executable, "-m", "torc_watch", *command],
        env=environment,
        cwd=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return (_cpu_of_children() - before) * 1000


def _cpu_of_children() -> float:
    times = os.times()
    return times.children_user + times.children_system
