"""Which candidate the jobs of a kind get, of those that fit."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from torc_watch.planner.allocation_time import MARGIN, MINUTE, USUAL_WALLTIME, whole_minutes
from torc_watch.planner.candidates import Candidate
from torc_watch.planner.capacity import Capacity, capacity, cpus_with_memory, nodes_for
from torc_watch.planner.cluster_description import ClusterDescription
from torc_watch.planner.cluster_plan import PlanOptions
from torc_watch.planner.limits import Bound, bound, strictest
from torc_watch.planner.reservations import time_left
from torc_watch.planner.workload import JobKind

_MEMORY_CLASSES = 2  # nodes within half as much memory again are of one class: 240g and 251g


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A candidate that fits, and how long an allocation there may be: ``longest`` in seconds.

    ``is_tight`` says that a job has no time to spare: its request and the margin are over the
    limit. ``waits_for`` names a reservation that the allocation cannot end before.
    ``shortened_by`` names one that it does end before, by being shorter than otherwise.
    """

    candidate: Candidate
    capacity: Capacity
    longest: int | None
    is_tight: bool
    waits_for: str = ""
    shortened_by: str = ""


class Site:
    """Answers for each kind of jobs; remembers what each candidate can have."""

    def __init__(
        self,
        cluster: ClusterDescription,
        candidates: Iterable[Candidate],
        options: PlanOptions,
        now: datetime,
    ) -> None:
        self._arguments = (options, now)
        self._cluster = cluster
        self.candidates = tuple(candidates)
        self.options = options
        self._left = {each.name: time_left(cluster, each, now) for each in cluster.partitions}
        self._capacities: dict[tuple[int, int, str], Capacity] = {}
        self._usual = [each for each in self.candidates if each.is_usual]
        self._others = [each for each in self.candidates if not each.is_usual]

    def with_candidates(self, candidates: Iterable[Candidate]) -> "Site":
        return Site(self._cluster, candidates, *self._arguments)

    def gpu_type(self, kind: JobKind) -> str:
        return kind.gpu_type if kind.num_gpus else ""

    def capacity(self, candidate: Candidate, kind: JobKind) -> Capacity:
        nodes, gpu_type = nodes_for(candidate, kind), self.gpu_type(kind)
        key = (id(candidate), nodes, gpu_type)
        known = self._capacities.get(key)
        if known is None:
            known = self._capacities[key] = capacity(candidate, nodes, gpu_type)
        return known

    def longest(self, limits: Capacity) -> Bound | None:
        """The walltime asked for, else the longest one."""
        asked = bound(self.options.runtime, "the walltime that you ask for")
        return strictest((*asked, *((limits.runtime,) if limits.runtime else ())))

    def choose(self, kind: JobKind) -> Choice | None:
        """The best of those with the usual QOS, else of the others; None where nothing fits.

        The best is the first by this order: it has no GPUs that the jobs do not need; it gives the
        run time and the margin; no maintenance has to end before; nobody preempts it; a chain needs
        the fewest allocations; a job's nodes cost the least for an hour; the nodes have the
        smallest class of memory; they are shared, so that no job pays for a whole one; the longest
        walltime is the shortest (those queues are served first); it is the default partition; it is
        listed first.
        """
        fitting = self._fitting(kind, self._usual)
        if all(each.is_tight for each in fitting):
            fitting += self._fitting(kind, self._others)
        return min(fitting, key=self._order(kind), default=None)

    def fitting(self, kind: JobKind) -> list[Choice]:
        return self._fitting(kind, self.candidates)

    def _fitting(self, kind: JobKind, candidates: Iterable[Candidate]) -> list[Choice]:
        return [choice for each in candidates if (choice := self._fit(kind, each))]

    def _fit(self, kind: JobKind, candidate: Candidate) -> Choice | None:
        has = self.capacity(candidate, kind)
        if not has_room(kind, candidate, has):
            return None
        limit = self.longest(has)
        asked = self.options.runtime or 0
        if limit and (limit.value < max(kind.runtime, asked, MINUTE)):
            return None
        needed = whole_minutes(kind.runtime) + MARGIN
        is_tight = limit is not None and limit.value < needed
        longest = limit.value if limit else None
        left = self._left[candidate.partition.name]
        wanted = self.options.runtime or min(needed, longest or needed)
        waits = left is not None and left.value < wanted
        if left and not waits and (longest is None or left.value < longest):
            shortened = self.options.runtime is None and left.value < USUAL_WALLTIME
            return Choice(
                candidate=candidate,
                capacity=has,
                longest=left.value,
                is_tight=is_tight,
                shortened_by=left.source if shortened else "",
            )
        return Choice(
            candidate=candidate,
            capacity=has,
            longest=longest,
            is_tight=is_tight,
            waits_for=left.source if left and waits else "",
        )

    def _order(self, kind: JobKind) -> Callable[[Choice], tuple[float | bool, ...]]:
        def key(choice: Choice) -> tuple[float | bool, ...]:
            candidate = choice.candidate
            partition, node = candidate.partition, candidate.node
            runtime = choice.capacity.runtime
            return (
                not kind.num_gpus and node.num_gpus > 0,
                choice.is_tight,
                bool(choice.waits_for),
                partition.is_preemptible,
                self._links(kind, choice.longest),
                partition.charge * nodes_for(candidate, kind),
                round(_MEMORY_CLASSES * math.log2(max(1, node.memory))),
                partition.is_exclusive,
                runtime.value if runtime else math.inf,
                not partition.is_default,
                candidate.rank,
                node.num_cpus,
            )

        return key

    def _links(self, kind: JobKind, longest: int | None) -> int:
        """How many allocations a chain needs, one after the other."""
        return -(-kind.in_a_row // waves_within(longest, kind.runtime, MARGIN, kind.in_a_row))


def has_room(kind: JobKind, candidate: Candidate, has: Capacity) -> bool:
    """Whether the nodes do, whatever the time."""
    return (
        kind.num_gpus <= has.num_gpus.value
        and kind.memory <= has.memory.value
        and cpus_with_memory(candidate, kind.num_cpus, kind.memory) <= has.num_cpus.value
        and nodes_for(candidate, kind) <= has.num_nodes.value
    )


def waves_within(longest: int | None, runtime: int, margin: int, most: int) -> int:
    """How many jobs, one after the other, an allocation of ``longest`` seconds has time for."""
    if longest is None:
        return most
    return max(1, min(most, (longest - margin) // whole_minutes(runtime)))
