"""The workflow of `scripts/bench cluster-recovery`: 60 jobs of three kinds, a third of which
request less memory than they need.

All jobs of a kind request the same, and a third of each kind needs more than that. Needs and run
times are spread evenly and shuffled, the same way each time.
"""

import random
import sys
from dataclasses import dataclass
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


# In the middle of each of the levels at which `scripts/bench sizing` draws requests: 30-60, 10-30 and
# 60-95 % of the largest need of a kind.
KINDS = (
    Kind(name="align", number=20, request=150, short=7, most=2.4),
    Kind(name="train", number=20, request=120, short=7, most=5.8),
    Kind(name="merge", number=20, request=100, short=6, most=1.3),
)
_FIRST_KINDS, _LAST_KIND = ("align", "train"), "merge"


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


def workflow() -> Row:
    """Its specification; a job of the last kind waits for one of each of the others."""
    jobs = [_torc_job(job) for kind in KINDS for job in jobs_of(kind)]
    walltime = TorcAllocations(
        number=NODES, walltime="00:40:00", mem="3900M", extra=f"--cpus-per-task={CPUS}"
    )
    row = specification(jobs, walltime, mode="slurm", compute_node_wait_for_new_jobs_seconds=90)
    return row | {"name": "short-requests"}


def _torc_job(job: Job) -> TorcJob:
    before = _FIRST_KINDS if job.kind.name == _LAST_KIND else ()
    return TorcJob(
        name=job.name,
        command=f"exec {sys.executable} {_PROGRAM} {job.need} {job.seconds:.1f}",
        memory=f"{job.kind.request}m",
        runtime=_RUNTIME,
        after=[f"{kind}_{job.index:02}" for kind in before],
    )


def _spread(least: float, most: float, number: int) -> list[float]:
    """Evenly by ratio, both ends included."""
    places = (place / max(1, number - 1) for place in range(number))
    return [least * (most / least) ** place for place in places]
