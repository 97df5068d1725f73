"""What a recovery cost, from what Torc's server and Slurm's accounting have of it. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

ALLOCATION_FIELDS = ("JobIDRaw", "State", "NNodes", "ElapsedRaw")  # of sacct -X -n -P
_FAILED = frozenset({"failed", "terminated"})
_SECONDS_OF_AN_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Allocation:
    """Of whole nodes; ``elapsed`` is in seconds."""

    number: int
    state: str
    nodes: int
    elapsed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """``makespan`` is in seconds, from the submission to the last end of a job.

    ``failed`` are attempts, by the name of their job.
    """

    makespan: float
    failed: Mapping[str, int]
    allocations: Sequence[Allocation]
    completed: int
    jobs: int

    @property
    def failed_attempts(self) -> int:
        return sum(self.failed.values())

    @property
    def node_hours(self) -> float:
        return sum(each.nodes * each.elapsed for each in self.allocations) / _SECONDS_OF_AN_HOUR

    @property
    def is_whole(self) -> bool:
        return self.completed == self.jobs


def costs(
    jobs: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
    accounting: str,
    *,
    submitted: float,
) -> Costs:
    """``jobs`` and ``results``, of all runs, are rows of Torc's server; ``submitted`` is a POSIX
    timestamp, ``accounting`` an answer of sacct with ALLOCATION_FIELDS.
    """
    names = {row["id"]: row["name"] for row in jobs}
    ends = [datetime.fromisoformat(row["completion_time"]).timestamp() for row in results]
    return Costs(
        makespan=max(ends, default=submitted) - submitted,
        failed=Counter(names[row["job_id"]] for row in results if row["status"] in _FAILED),
        allocations=list(_allocations(accounting.splitlines())),
        completed=sum(row["status"] == "completed" for row in jobs),
        jobs=len(jobs),
    )


def _allocations(lines: Iterable[str]) -> Iterable[Allocation]:
    for line in lines:
        number, state, nodes, elapsed = line.split("|")
        yield Allocation(int(number), state.split()[0], int(nodes), int(elapsed))


_ROWS: Mapping[str, Callable[[Costs], float]] = {
    "makespan, s": lambda costs: costs.makespan,
    "failed attempts": lambda costs: costs.failed_attempts,
    "node hours": lambda costs: costs.node_hours,
    "allocations": lambda costs: len(costs.allocations),
    "jobs completed": lambda costs: costs.completed,
}


def values(program: str, found: Costs) -> dict[str, float]:
    return {f"{program}: {label}": float(of(found)) for label, of in _ROWS.items()}


def ratios(ours: Costs, theirs: Costs) -> dict[str, float]:
    """By the label of a row; none where theirs has nothing to divide by."""
    return {label: of(ours) / of(theirs) for label, of in _ROWS.items() if of(theirs)}


def table(ours: Costs, theirs: Costs, titles: tuple[str, str]) -> str:
    """In Markdown, with a column of ratios."""
    found = ratios(ours, theirs)
    lines = [f"| | `{titles[0]}` | `{titles[1]}` | ratio |", "|---|--:|--:|--:|"]
    for label, of in _ROWS.items():
        ratio = f"{found[label]:.2f}" if label in found else ""
        lines.append(f"| {label} | {of(ours):.4g} | {of(theirs):.4g} | {ratio} |")
    return "\n".join(lines)
