"""How often jobs fail for lack of memory or time, by the policy of retries: `scripts/bench sizing`.

The product's own functions decide about jobs whose peak and run time are known from traces of real
clusters; see sizing_traces.py for the format, and sizing_models.py for what is simulated. For each
kind a first request is drawn that is too small, at five levels. Waste and makespan are ratios to
those of a raise by half.
"""

import math
import random
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from anyio import to_thread
from sizing_models import MEMORY, RUN_TIME, Tally, Terms, in_place, in_rounds
from sizing_policies import BASE, IN_PLACE, IN_ROUNDS, OURS, OURS_IN_PLACE, Policy
from sizing_traces import LEVELS, VARIABLE, TracedKind, UnusableTraces, find_traces, read_kinds

_DRAWS = 5  # of the first request of a kind, at each level
_RESAMPLES = 200  # of the kinds, for the intervals
_MANY = 8  # jobs of a kind, in place
_FIELDS = ("lacking", "failed", "unfinished", "waste", "makespan")
_COLUMNS = (
    "failed attempts per failing job",
    "done, %",
    "waste",
    "at the worst level",
    "makespan",
)
_Sums = tuple[float, ...]  # of the _FIELDS
_Model = Callable[[TracedKind, int, Terms, Policy], Tally]


@dataclass(frozen=True, slots=True)
class Comparison:
    title: str
    model: _Model
    terms: Terms
    policies: Sequence[Policy]
    ours: Policy


_COMPARISONS = (
    Comparison("memory, in rounds", in_rounds, MEMORY, IN_ROUNDS, OURS),
    Comparison("memory, in place", in_place, MEMORY, IN_PLACE, OURS_IN_PLACE),
    Comparison("run time, in rounds", in_rounds, RUN_TIME, IN_ROUNDS[:3] + IN_ROUNDS[-1:], OURS),
)


async def measure(*, traces: Path | None) -> dict[str, float]:
    path = find_traces(traces)
    if path is None:
        print(
            "sizing: skipped: there are no traces. Name a file with --traces FILE.csv.gz or "
            f"{VARIABLE}, or put a folder shared/sizing beside the checkout."
        )
        return {}
    try:
        kinds = read_kinds(path)
    except OSError as error:
        raise SystemExit(f"sizing: {path} cannot be read: {error.strerror}") from error
    except UnusableTraces as error:
        raise SystemExit(f"sizing: {error}") from error
    tasks = sum(len(kind.tasks) for kind in kinds)
    named = f"of {path.name}" if traces else f"the default, {path.parent.name}/{path.name}"
    print(f"Traces {named}: {tasks:,} attempts, {len(kinds)} kinds.", flush=True)
    values: dict[str, float] = {}
    for comparison in _COMPARISONS:
        outcome = await to_thread.run_sync(partial(_outcome, comparison, kinds))
        if not outcome:
            print(
                f"\n{comparison.title}: skipped: no kind of jobs has two needs that differ enough."
            )
            continue
        print(f"\n{comparison.title}:\n\n{_table(comparison, outcome)}\n")
        print(f"by level, failed attempts and waste:\n\n{_level_table(comparison, outcome)}\n")
        values |= _values(comparison, outcome)
    return values


# By policy, level and kind: the sums over all draws.
_Outcome = Mapping[str, Mapping[str, Mapping[str, _Sums]]]


def _outcome(comparison: Comparison, kinds: Sequence[TracedKind]) -> _Outcome:
    if comparison.model is in_place:
        kinds = [kind for kind in kinds if len(kind.tasks) >= _MANY]
    if comparison.terms is RUN_TIME:
        kinds = [kind.by_run_time() for kind in kinds]
    largest_first = sorted(kinds, key=lambda kind: -len(kind.tasks))
    pairs = [(kind, level) for kind in largest_first for level in LEVELS]
    outcome: dict[str, dict[str, dict[str, _Sums]]] = {}
    number = _COMPARISONS.index(comparison)
    with ProcessPoolExecutor() as pool:
        found = pool.map(partial(_simulated, number), *zip(*pairs, strict=True))
        for done, ((kind, level), sums) in enumerate(zip(pairs, found, strict=True), 1):
            _show_progress(comparison.title, done, len(pairs))
            for policy, values in sums.items():
                outcome.setdefault(policy, {}).setdefault(level, {})[kind.name] = values
    return outcome


def _show_progress(title: str, done: int, of: int) -> None:
    """The kinds with the most jobs come first, so that the rest goes faster."""
    if sys.stderr.isatty():
        end = "\n" if done == of else ""
        print(f"\r{title}: {done} of {of}", end=end, file=sys.stderr, flush=True)


def _simulated(number: int, kind: TracedKind, level: str) -> dict[str, _Sums]:
    """In a process of its own, to which functions cannot be sent."""
    comparison = _COMPARISONS[number]
    terms = comparison.terms
    sums: dict[str, _Sums] = {}
    for first in _first_requests(kind, level, terms):
        for policy in comparison.policies:
            tally = comparison.model(kind, first, terms, policy)
            values = [getattr(tally, name) for name in _FIELDS]
            before = sums.get(policy.name, (0.0,) * len(_FIELDS))
            sums[policy.name] = tuple(map(sum, zip(before, values, strict=True)))
    return sums


def _first_requests(kind: TracedKind, level: str, terms: Terms) -> Iterator[int]:
    """Those that are too small for one of the jobs."""
    for draw in range(_DRAWS):
        chance = random.Random(zlib.crc32(f"{kind.name}|{level}|{draw}".encode()))  # noqa: S311
        wanted = LEVELS[level](kind, chance)
        first = max(terms.grid, math.floor(wanted / terms.grid) * terms.grid)
        if first < kind.most:
            yield first


def _figures(outcome: _Outcome, policy: str, drawn: Mapping[str, int]) -> tuple[float, ...]:
    """The _COLUMNS: means over the levels, of waste the geometric one, as ratios to the base.

    ``drawn`` has how often each kind counts.
    """
    rows = _by_level(outcome, policy, drawn).values()
    failures, done, wastes, makespans = zip(*rows, strict=True)
    mean_waste = math.exp(_mean(map(math.log, wastes)))
    return _mean(failures), _mean(done), mean_waste, max(wastes), _mean(makespans)


def _by_level(
    outcome: _Outcome, policy: str, drawn: Mapping[str, int]
) -> Mapping[str, tuple[float, float, float, float]]:
    """Failed attempts per failing job, percent done, waste and makespan; of the levels at which
    a job of the base fails.
    """
    rows = {}
    for level, kinds in outcome[policy].items():
        lacking, _, _, base_waste, base_makespan = _total(outcome[BASE.name][level], drawn)
        if lacking and base_waste:
            _, failed, unfinished, waste, makespan = _total(kinds, drawn)
            share = 100 * (1 - unfinished / lacking)
            rows[level] = failed / lacking, share, waste / base_waste, makespan / base_makespan
    return rows


def _total(kinds: Mapping[str, _Sums], drawn: Mapping[str, int]) -> _Sums:
    rows = [(drawn.get(name, 0), sums) for name, sums in kinds.items()]
    return tuple(sum(times * sums[at] for times, sums in rows) for at in range(len(_FIELDS)))


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)


def _intervals(outcome: _Outcome, policy: str) -> list[tuple[float, float]]:
    """Of 90 %, over samples of the kinds."""
    chance = random.Random(1)  # noqa: S311
    names = sorted({name for kinds in outcome[BASE.name].values() for name in kinds})
    samples = []
    for _ in range(_RESAMPLES):
        drawn: dict[str, int] = {}
        for name in chance.choices(names, k=len(names)):
            drawn[name] = drawn.get(name, 0) + 1
        samples.append(_figures(outcome, policy, drawn))
    low, high = round(0.05 * _RESAMPLES), round(0.95 * _RESAMPLES) - 1
    return [(found[low], found[high]) for found in map(sorted, zip(*samples, strict=True))]


def _table(comparison: Comparison, outcome: _Outcome) -> str:
    lines = [f"| policy | {' | '.join(_COLUMNS)} |", f"|---|{'--:|' * len(_COLUMNS)}"]
    for policy in comparison.policies:
        figures = _figures(outcome, policy.name, _once(outcome))
        cells = [
            f"{value:.2f} ({low:.2f} to {high:.2f})"
            for value, (low, high) in zip(figures, _intervals(outcome, policy.name), strict=True)
        ]
        lines.append(f"| {policy.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _level_table(comparison: Comparison, outcome: _Outcome) -> str:
    lines = [f"| policy | {' | '.join(LEVELS)} |", f"|---|{'--:|' * len(LEVELS)}"]
    for policy in comparison.policies:
        rows = _by_level(outcome, policy.name, _once(outcome))
        cells = [
            f"{rows[level][0]:.2f}, {rows[level][2]:.2f}" if level in rows else ""
            for level in LEVELS
        ]
        lines.append(f"| {policy.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _once(outcome: _Outcome) -> dict[str, int]:
    return {name: 1 for kinds in outcome[BASE.name].values() for name in kinds}


def _values(comparison: Comparison, outcome: _Outcome) -> dict[str, float]:
    values = {}
    for policy in comparison.policies:
        name = f"sizing, {comparison.title}, {policy.name.strip('*')}"
        for column, value in zip(
            _COLUMNS, _figures(outcome, policy.name, _once(outcome)), strict=True
        ):
            values[f"{name}: {column}"] = value
        for level, row in _by_level(outcome, policy.name, _once(outcome)).items():
            values[f"{name}, level {level}: failed attempts per failing job"] = row[0]
            values[f"{name}, level {level}: waste"] = row[2]
    return values
