"""What the node hours of a workflow were spent on: attempts that succeeded or failed, or nothing.

Of each moment in which a worker runs jobs, its time is divided among them by their CPUs. What is
left is the time in which it ran none: it waited for jobs, or started and ended.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter

from torc_watch.core.model import ComputeNode
from torc_watch.core.node_hours import by_allocation, hours_of_workers, worker_span
from torc_watch.core.timeline import AttemptSpan, AttemptState

_Change = tuple[datetime, AttemptState, int]
_Spent = defaultdict[AttemptState | None, float]  # None: no job ran


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeHourSplit:
    """In node hours. ``of_slurm`` is False where only workers on other machines ran jobs."""

    succeeded: float = 0.0
    failed: float = 0.0
    running: float = 0.0
    waiting: float = 0.0
    of_slurm: bool = False

    @property
    def total(self) -> float:
        return self.succeeded + self.failed + self.running + self.waiting


def split_node_hours(
    nodes: Sequence[ComputeNode],
    attempts: Iterable[AttemptSpan],
    cpus: Mapping[int, int],
    now: datetime,
) -> NodeHourSplit:
    """``cpus`` has what each job requests, by its ID. Where workers of Slurm are, only they count.

    The total is what `node_hours` says: several workers on one node of an allocation share it.
    """
    of_slurm = any(node.is_of_slurm for node in nodes)
    counted = [node for node in nodes if node.is_of_slurm is of_slurm]
    ran: dict[int, list[AttemptSpan]] = defaultdict(list)
    for attempt in attempts:
        if attempt.worker_id is not None:
            ran[attempt.worker_id].append(attempt)
    spent: _Spent = defaultdict(float)
    for workers in by_allocation(counted).values():
        parts = _seconds_of(workers, ran, cpus, now)
        seconds = sum(parts.values())
        hours = hours_of_workers(workers, now)
        for state, part in parts.items():
            spent[state] += hours * part / seconds if seconds else 0
    return NodeHourSplit(
        succeeded=spent[AttemptState.SUCCEEDED],
        failed=spent[AttemptState.FAILED],
        running=spent[AttemptState.RUNNING],
        waiting=spent[None],
        of_slurm=of_slurm,
    )


def _seconds_of(
    workers: Iterable[ComputeNode],
    ran: Mapping[int, Sequence[AttemptSpan]],
    cpus: Mapping[int, int],
    now: datetime,
) -> _Spent:
    total: _Spent = defaultdict(float)
    for worker in workers:
        parts = _of_worker(worker_span(worker, now), ran.get(worker.id, ()), cpus)
        for state, seconds in parts.items():
            total[state] += seconds
    return total


def _of_worker(
    span: tuple[datetime, datetime], attempts: Iterable[AttemptSpan], cpus: Mapping[int, int]
) -> _Spent:
    began, ended = span
    changes: list[_Change] = []
    for attempt in attempts:
        weight = max(1, cpus.get(attempt.job.id, 1))
        start = min(max(attempt.began, began), ended)
        changes.append((start, attempt.state, weight))
        changes.append((min(max(attempt.ended, start), ended), attempt.state, -weight))
    return _sweep(began, ended, sorted(changes, key=itemgetter(0)))


def _sweep(began: datetime, ended: datetime, changes: Sequence[_Change]) -> _Spent:
    spent: _Spent = defaultdict(float)
    running: Counter[AttemptState] = Counter()
    before = began
    for moment, state, step in (*changes, (ended, AttemptState.RUNNING, 0)):
        seconds, weight = (moment - before).total_seconds(), sum(running.values())
        if not weight:
            spent[None] += seconds
        for each, part in running.items():
            spent[each] += seconds * part / weight if weight else 0
        running[state] += step
        before = moment
    return spent
