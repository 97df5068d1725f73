"""Traces of real jobs, for `scripts/bench sizing`: one row for each task that ran.

Columns, in any order: dataset, workflow, kind, order (of completion), mem_peak_mb, runtime_s and
status; others are not read. A peak or run time of 0, or none, was not measured, and tasks that
FAILED show no need: their rows are left out. Public traces carry no license to be distributed
here, so the bench reads them from elsewhere.
"""

import csv
import gzip
import math
import os
import random
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from torc_watch.core.units import MIB

VARIABLE = "TORC_WATCH_SIZING_TRACES"
_BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[3] / "shared" / "sizing"
_DEFAULT_NAME = "development.csv.gz"
_COLUMNS = ("dataset", "workflow", "kind", "order", "mem_peak_mb", "runtime_s", "status")
_MOST_TASKS = 1_500  # of a kind
_SMALLEST_PEAK = 256 * MIB  # of a kind, at its largest


class UnusableTraces(Exception):
    """A file that has no traces in this format; the text says what is wrong where."""


@dataclass(frozen=True, slots=True)
class Task:
    """``need`` is in bytes, or in seconds where the run time is sized."""

    need: int
    seconds: float


@dataclass(frozen=True, slots=True)
class TracedKind:
    """``tasks`` are in the order of their completion."""

    name: str
    tasks: tuple[Task, ...]

    @property
    def most(self) -> int:
        return max(task.need for task in self.tasks)

    def by_run_time(self) -> "TracedKind":
        tasks = (Task(need=math.ceil(each.seconds), seconds=each.seconds) for each in self.tasks)
        return TracedKind(self.name, tuple(tasks))


def find_traces(chosen: Path | None) -> Path | None:
    """The file of the option, of the environment, or the development traces, if they are there."""
    named = chosen or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if named is not None:
        return named
    beside = _BESIDE_THE_CHECKOUT / _DEFAULT_NAME
    return beside if beside.is_file() else None


def read_kinds(path: Path) -> list[TracedKind]:
    """Raises UnusableTraces, and OSError."""
    found: defaultdict[str, list[tuple[float, Task]]] = defaultdict(list)
    with _opened(path) as file:
        for name, order, task in _tasks(path, file):
            found[name].append((order, task))
    kinds = (TracedKind(name, _first(rows)) for name, rows in sorted(found.items()))
    kept = [kind for kind in kinds if kind.most >= _SMALLEST_PEAK]
    if not kept:
        raise UnusableTraces(f"{path}: no kind of jobs has a measured peak of 256 MiB or more")
    return kept


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _tasks(path: Path, file: IO[str]) -> Iterator[tuple[str, float, Task]]:
    rows = csv.DictReader(file)
    try:
        if rows.fieldnames is None:
            raise UnusableTraces(f"{path}: it is empty")
        if lacks := set(_COLUMNS) - set(rows.fieldnames):
            raise UnusableTraces(f"{path}: it has no column {', '.join(sorted(lacks))}")
        for row in rows:
            peak, seconds = _number(row["mem_peak_mb"]), _number(row["runtime_s"])
            if peak > 0 and seconds > 0 and not (row["status"] or "").startswith("FAILED"):
                name = "|".join((row["dataset"], row["workflow"], row["kind"]))
                need = max(1, int(peak * MIB))
                yield name, _number(row["order"]), Task(need=need, seconds=seconds)
    except (ValueError, TypeError, csv.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnusableTraces(f"{path}: line {rows.line_num}: {error}") from error


def _number(text: str | None) -> float:
    """0 for an empty cell, and for what is no finite number."""
    number = float(text) if text else 0.0
    return number if math.isfinite(number) else 0.0


def _first(rows: Sequence[tuple[float, Task]]) -> tuple[Task, ...]:
    return tuple(task for _, task in sorted(rows, key=lambda row: row[0])[:_MOST_TASKS])


def _share_of_most(low: float, high: float) -> Callable[[TracedKind, random.Random], float]:
    def choose(kind: TracedKind, chance: random.Random) -> float:
        return math.exp(chance.uniform(math.log(low), math.log(high))) * kind.most

    return choose


def _quantile(low: float, high: float) -> Callable[[TracedKind, random.Random], float]:
    def choose(kind: TracedKind, chance: random.Random) -> float:
        needs = sorted(task.need for task in kind.tasks)
        place = chance.uniform(low, high) * (len(needs) - 1)
        below, above = needs[int(place)], needs[min(int(place) + 1, len(needs) - 1)]
        return (below + (above - below) * (place % 1)) * 0.999

    return choose


# The first request of a kind: a share of its largest need, or a quantile of its needs.
LEVELS: Mapping[str, Callable[[TracedKind, random.Random], float]] = {
    ".6-.95": _share_of_most(0.6, 0.95),
    ".3-.6": _share_of_most(0.3, 0.6),
    ".1-.3": _share_of_most(0.1, 0.3),
    "p50-p75": _quantile(0.5, 0.75),
    "p75-p97": _quantile(0.75, 0.97),
}
