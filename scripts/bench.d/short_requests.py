"""The workflows of `scripts/bench cluster-recovery`: 60 jobs of three kinds, a third of which
request less memory than they need.

All jobs of a kind request the same. Of one workflow all jobs of one kind need more than that: its
request is a mistake. Of the other a third of each kind does: needs are spread on both sides of the
requests. Needs and run times are spread evenly and shuffled, the same way each time.
"""

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.rigs.torc_on_slurm import Row, TorcAllocations, TorcJob, specification

_PROGRAM = Path(__file__).with_name("memory_job.py")
_LEAST, _MOST_THAT_FITS, _LEAST_ABOVE = 0.4, 0.95, 1.1  # parts of the request
_SECONDS = (12.0, 30.0)
_RUNTIME = "PT5M"  # what users ask for is generous
NODES, CPUS = 3, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """``request`` is in MiB; ``short`` jobs need more, up to ``most`` times as much."""

    name: str
    number: int
    request: int
    short: int
    most: float


@dataclass(frozen=True, slots=True)
class Workload:
    """``title`` says which jobs are short; a job of the last kind waits for one of each other.

    Torc submits so many ``allocations`` of one node at first.
    """

    name: str
    title: str
    kinds: tuple[Kind, Kind, Kind]
    allocations: int = NODES


@dataclass(frozen=True, slots=True)
class Job:
    """``need`` is in MiB, ``seconds`` is its run time."""

    kind: Kind
    index: int
    need: int
    seconds: float

    @property
    def name(self) -> str:
        return f"{self.kind.name}_{self.index:02}"

    @property
    def is_short(self) -> bool:
        return self.need > self.kind.request


# The requests are in the middle of the levels at which `scripts/bench sizing` draws them: 30 to 60,
# 10 to 30 and 60 to 95 % of the largest need of a kind.
_ALIGN = Kind(name="align", number=20, request=150, short=7, most=2.4)
_TRAIN = Kind(name="train", number=20, request=120, short=7, most=5.8)
_MERGE = Kind(name="merge", number=20, request=100, short=6, most=1.3)

ONE_KIND = Workload(
    "one-kind",
    "all jobs of one kind of three are short",
    (replace(_ALIGN, short=20), replace(_TRAIN, short=0), replace(_MERGE, short=0)),
)
EACH_KIND = Workload("each-kind", "a third of each kind is short", (_ALIGN, _TRAIN, _MERGE))
# Four jobs run at once: others of the kind wait when the first ones fail.
ONE_ALLOCATION = replace(
    ONE_KIND,
    name="one-allocation",
    title="all jobs of one kind of three are short, in one allocation",
    allocations=1,
)
WORKLOADS = (ONE_KIND, EACH_KIND, ONE_ALLOCATION)


def jobs_of(kind: Kind) -> list[Job]:
    chance = random.Random(kind.name)  # noqa: S311 - the same jobs each time
    fits = _spread(_LEAST, _MOST_THAT_FITS, kind.number - kind.short)
    above = _spread(_LEAST_ABOVE, kind.most, kind.short)
    needs = [round(kind.request * part) for part in (*fits, *above)]
    seconds = _spread(*_SECONDS, kind.number)
    chance.shuffle(needs)
    chance.shuffle(seconds)
    paired = zip(needs, seconds, strict=True)
    return [Job(kind, index, *pair) for index, pair in enumerate(paired, start=1)]


def workflow(workload: Workload) -> Row:
    """Its specification."""
    *first, last = workload.kinds
    jobs = [_torc_job(job) for kind in first for job in jobs_of(kind)]
    jobs += [_torc_job(job, after=first) for job in jobs_of(last)]
    walltime = TorcAllocations(
        number=workload.allocations,
        walltime="00:40:00",
        mem="3900M",
        extra=f"--cpus-per-task={CPUS}",
    )
    row = specification(jobs, walltime, mode="slurm", compute_node_wait_for_new_jobs_seconds=90)
    return row | {"name": f"short-requests-{workload.name}"}


def _torc_job(job: Job, after: Sequence[Kind] = ()) -> TorcJob:
    return TorcJob(
        name=job.name,
        command=f"exec {sys.executable} {_PROGRAM} {job.need} {job.seconds:.1f}",
        memory=f"{job.kind.request}m",
        runtime=_RUNTIME,
        after=[f"{kind.name}_{job.index:02}" for kind in after],
    )


def _spread(least: float, most: float, number: int) -> list[float]:
    """Evenly by ratio, both ends included."""
    places = (place / max(1, number - 1) for place in range(number))
    return [least * (most / least) ** place for place in places]
