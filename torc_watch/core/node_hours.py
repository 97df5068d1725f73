"""How many node hours a workflow has used, and how many more it may use.

Only nodes of Slurm count: those of this machine cost nothing. A node whose worker died without a
word counts until the time of its allocation was over.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter

from torc_watch.core.allocation import AllocationShape, AllocationSpec
from torc_watch.core.model import Allocation, ComputeNode, SchedulerConfig

_HOUR = 3600.0
_Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeHours:
    """``used`` so far, and ``reserved``: what allocations that are there may still use."""

    used: float = 0.0
    reserved: float = 0.0

    @property
    def total(self) -> float:
        return self.used + self.reserved


def node_hours(
    nodes: Iterable[ComputeNode], now: datetime, most: Mapping[int, float] | None = None
) -> NodeHours:
    """Of the workers' rows. ``most`` is what each allocation may use that is queued or runs, by ID.

    Several workers on one node of an allocation count once.
    """
    groups = by_allocation(node for node in nodes if node.is_of_slurm)
    used = {allocation: hours_of_workers(workers, now) for allocation, workers in groups.items()}
    left = (hours - used.get(allocation, 0.0) for allocation, hours in (most or {}).items())
    return NodeHours(used=sum(used.values()), reserved=sum(max(0.0, each) for each in left))


def by_allocation(nodes: Iterable[ComputeNode]) -> dict[object, list[ComputeNode]]:
    """The workers that have started, by their allocation's ID; each without one is alone."""
    groups: dict[object, list[ComputeNode]] = defaultdict(list)
    for node in nodes:
        if node.started is not None:
            groups[_allocation_of(node)].append(node)
    return groups


def hours_of(shape: AllocationShape) -> float:
    """What an allocation uses if it runs to its end; infinite where it has no end."""
    return math.inf if shape.runtime is None else shape.num_nodes * shape.runtime / _HOUR


def most_hours_of(
    allocation: Allocation,
    specs: Mapping[int, AllocationSpec],
    configs: Mapping[int, SchedulerConfig],
) -> float:
    """The same of an allocation that was submitted, as far as is known how; ``specs`` have the
    scheduler's numbers.
    """
    if spec := specs.get(allocation.scheduler_id):
        return hours_of(spec)
    config = configs.get(allocation.scheduler_config_id)
    if config is None or config.runtime is None:
        return 0.0
    return config.num_nodes * config.runtime / _HOUR


def _allocation_of(node: ComputeNode) -> object:
    """Workers that Torc's server has without their allocation are each of their own."""
    return ("worker", node.id) if node.allocation_id is None else node.allocation_id


def hours_of_workers(workers: Iterable[ComputeNode], now: datetime) -> float:
    """Of one allocation: at each time as many nodes as there are workers on, or one has.

    A worker of 0.12 that has one node of several says that it has all of them.
    """
    changes = sorted(_changes(workers, now), key=itemgetter(0))
    hosts, widths = Counter[str](), Counter[int]()
    seconds, before = 0.0, changes[0][0]
    for moment, node, step in changes:
        widest = max((width for width, number in widths.items() if number), default=0)
        seconds += max(len(hosts), widest) * (moment - before).total_seconds()
        before = moment
        hosts[node.hostname] += step
        if not hosts[node.hostname]:
            del hosts[node.hostname]
        widths[node.num_nodes] += step
    return seconds / _HOUR


def _changes(
    workers: Iterable[ComputeNode], now: datetime
) -> Iterator[tuple[datetime, ComputeNode, int]]:
    for node in workers:
        began, ended = worker_span(node, now)
        yield began, node, 1
        yield ended, node, -1


def worker_span(node: ComputeNode, now: datetime) -> _Span:
    """From its start to its end; to the end of its allocation's time where it never reported it."""
    began = node.started or now
    ended = now if node.seconds is None else began + timedelta(seconds=node.seconds)
    if node.limit is not None:
        ended = min(ended, node.limit)
    return began, max(began, ended)
