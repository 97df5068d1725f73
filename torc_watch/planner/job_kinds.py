"""Sorts the jobs of a workflow into kinds that are planned alike."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from torc_watch.core.job_request import DEFAULT_REQUIREMENTS
from torc_watch.core.units import MIB
from torc_watch.planner.workload import JobKind


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What a job asks of its nodes: a row of requirements. Memory in bytes, runtime in seconds."""

    name: str
    num_cpus: int
    memory: int
    num_gpus: int = 0
    num_nodes: int = 1
    runtime: int = 60


# What Torc gives to jobs that ask for nothing.
DEFAULT_REQUEST = JobRequest(name=DEFAULT_REQUIREMENTS, num_cpus=1, memory=MIB)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedJob:
    """A job that wants an allocation. ``example`` is what messages call it.

    ``after`` are the positions, in the same list, of the jobs that have to be done before.
    ``waits`` says that it also waits for jobs that are not in the list.
    """

    example: str
    request: JobRequest
    after: Sequence[int] = ()
    waits: bool = False


@dataclass(frozen=True, slots=True)
class SortedJobs:
    """``kind_of`` has the index of each job's kind; ``waiting`` are kinds that wait for others."""

    kinds: tuple[JobKind, ...]
    kind_of: tuple[int, ...]
    waiting: frozenset[int] = frozenset()

    def jobs_of(self, kinds: Sequence[int]) -> list[int]:
        """The positions of the jobs of these kinds."""
        return [job for job, kind in enumerate(self.kind_of) if kind in kinds]

    def begin_at_once(self, kinds: Sequence[int]) -> bool:
        """Whether jobs of these kinds can be run now."""
        return any(kind not in self.waiting and not self.kinds[kind].after for kind in kinds)


def first_jobs(planned: Sequence[PlannedJob], positions: Sequence[int]) -> list[int]:
    """Those of some jobs that wait for none of the others."""
    chosen = set(positions)
    return [place for place in positions if chosen.isdisjoint(planned[place].after)]


_Key = tuple[JobRequest, bool, frozenset[int]]


def sort_jobs(jobs: Sequence[PlannedJob]) -> SortedJobs:
    """Kinds in the order of the layers; each job of ``jobs`` comes after those it waits for.

    A job that follows one other alike, and is alone in that, continues its kind: a chain.
    """
    followers = Counter(before for job in jobs for before in job.after)
    index_of: dict[_Key, int] = {}
    first: list[int] = []  # of each kind
    kind_of: list[int] = []
    place: list[int] = []  # of each job in its chain, from 1
    for position, job in enumerate(jobs):
        before = job.after[0] if len(job.after) == 1 else None
        if before is not None and followers[before] == 1 and _is_alike(jobs[before], job):
            kind_of.append(kind_of[before])
            place.append(place[before] + 1)
            continue
        key = (job.request, job.waits, frozenset(kind_of[each] for each in job.after))
        if key not in index_of:
            index_of[key] = len(first)
            first.append(position)
        kind_of.append(index_of[key])
        place.append(1)
    return SortedJobs(
        kinds=_kinds([jobs[position] for position in first], list(index_of), kind_of, place),
        kind_of=tuple(kind_of),
        waiting=frozenset(index for (_, waits, _), index in index_of.items() if waits),
    )


def _is_alike(before: PlannedJob, job: PlannedJob) -> bool:
    return before.request == job.request and not job.waits


def _kinds(
    examples: Sequence[PlannedJob],
    keys: Sequence[_Key],
    kind_of: Sequence[int],
    place: Sequence[int],
) -> tuple[JobKind, ...]:
    number = Counter(kind_of)
    in_a_row = [0] * len(keys)
    for kind, position in zip(kind_of, place, strict=True):
        in_a_row[kind] = max(in_a_row[kind], position)
    seen: Counter[str] = Counter()
    kinds = []
    for index, (job, (request, _, after)) in enumerate(zip(examples, keys, strict=True)):
        seen[request.name] += 1
        layer = seen[request.name]
        kinds.append(
            JobKind(
                name=request.name if layer == 1 else f"{request.name}-{layer}",
                example=job.example,
                jobs=number[index],
                num_cpus=request.num_cpus,
                memory=request.memory,
                num_gpus=request.num_gpus,
                num_nodes=request.num_nodes,
                runtime=request.runtime,
                after=after,
                in_a_row=in_a_row[index],
            )
        )
    return tuple(kinds)
