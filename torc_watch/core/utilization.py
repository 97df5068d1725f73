"""What jobs requested and what they used: each job, and jobs alike together.

Memory is in bytes, run time in seconds, and CPU in percent of one CPU, as Torc measures it. A peak
is a lower bound: sampling misses spikes. A peak of 0 was not measured.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from torc_watch.core.job_request import DEFAULT_REQUIREMENTS
from torc_watch.core.model import Job, JobResult, JobStatus, Requirements, StepUsage
from torc_watch.core.recovery_round import DEFAULT_MULTIPLIER
from torc_watch.core.siblings import Kind, kind_of
from torc_watch.core.units import MIB

PERCENT_OF_A_CPU = 100
_MINUTE = 60
_FAR_TOO_MUCH = 2  # times what would have been enough
ENDED_BADLY = (JobStatus.FAILED, JobStatus.TERMINATED)


class ResourceKind(StrEnum):
    MEMORY = "memory"
    CPU = "cpu"
    RUNTIME = "runtime"


class Fit(StrEnum):
    """What the use of jobs says of their request."""

    TOO_LITTLE = "too_little"
    ENOUGH = "enough"
    FAR_TOO_MUCH = "far_too_much"
    NOT_MEASURED = "not_measured"


# What less of a request is not worth a word.
_TRIFLE = {
    ResourceKind.MEMORY: 256 * MIB,
    ResourceKind.CPU: PERCENT_OF_A_CPU,
    ResourceKind.RUNTIME: 600,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedJob:
    """``requirements`` are what the job asks for now, None where that cannot be known."""

    job: Job
    result: JobResult
    requirements: Requirements | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobUse:
    """What a job used at most of what it requested; neither is 0."""

    job: Job
    resource: ResourceKind
    requested: float
    used: float

    @property
    def excess(self) -> float:
        """Percent above what was requested; negative below."""
        return (self.used / self.requested - 1) * 100


@dataclass(frozen=True, slots=True, kw_only=True)
class KindUse:
    """A resource of jobs alike: ``used`` is the most of all, None if none was ``measured``.

    ``over`` is how many used too much. ``enough`` is what would have been requested with some room,
    None if nothing was measured.
    """

    resource: ResourceKind
    requested: float | None
    used: float | None
    measured: int
    over: int
    enough: float | None
    fit: Fit


@dataclass(frozen=True, slots=True, kw_only=True)
class KindOfJobs:
    """``fails`` says that a job alike failed: it never showed how much it needs."""

    name: str
    jobs: int
    fails: bool
    requirements: Requirements
    uses: tuple[KindUse, ...]

    def use_of(self, resource: ResourceKind) -> KindUse:
        return next(use for use in self.uses if use.resource is resource)


@dataclass(frozen=True, slots=True, kw_only=True)
class Utilization:
    """``over`` and ``within`` have each job's resources, ``without_request`` how many jobs have no
    requirements of their own: they are compared with nothing.
    """

    jobs: int
    over: tuple[JobUse, ...]
    within: tuple[JobUse, ...]
    kinds: tuple[KindOfJobs, ...]
    failed: tuple[EndedJob, ...]
    without_request: int


def compare(ended: Sequence[EndedJob], jobs: Iterable[Job], *, tolerance: float) -> Utilization:
    """``tolerance`` is how many percent above the request are no over-use.

    ``jobs`` are all of the workflow: no kind requests too much of which a job has failed.
    """
    with_request = [each for each in ended if _request_of(each) is not None]
    uses = [use for each in with_request for use in uses_of(each)]
    failing = {kind_of(job) for job in jobs if job.status in ENDED_BADLY}
    return Utilization(
        jobs=len(ended),
        over=tuple(use for use in uses if is_over(use, tolerance)),
        within=tuple(use for use in uses if not is_over(use, tolerance)),
        kinds=tuple(_kinds(with_request, failing, tolerance)),
        failed=tuple(each for each in with_request if each.result.status in ENDED_BADLY),
        without_request=len(ended) - len(with_request),
    )


def with_step_peaks(
    results: Iterable[JobResult], steps: Iterable[StepUsage]
) -> Iterator[JobResult]:
    """The results, with what Slurm measured where that is more."""
    peaks = {(step.job_id, step.run_id, step.attempt): step.peak_memory or 0 for step in steps}
    for result in results:
        of_step = peaks.get((result.job_id, result.run_id, result.attempt), 0)
        peak = max(result.peak_memory or 0, of_step)
        yield replace(result, peak_memory=peak or None)


def uses_of(ended: EndedJob) -> Iterator[JobUse]:
    """Of each resource that was requested, and measured."""
    for resource in ResourceKind:
        requested, used = _requested(ended.requirements, resource), measured(ended.result, resource)
        if requested is not None and used is not None:
            yield JobUse(job=ended.job, resource=resource, requested=requested, used=used)


def is_over(use: JobUse, tolerance: float) -> bool:
    return use.used > use.requested and use.excess >= tolerance


def enough_for(resource: ResourceKind, used: float) -> float:
    """What to request for this peak: half as much again, in whole MiB or minutes; whole CPUs."""
    if resource is ResourceKind.CPU:
        return math.ceil(used / PERCENT_OF_A_CPU) * PERCENT_OF_A_CPU
    step = MIB if resource is ResourceKind.MEMORY else _MINUTE
    return math.ceil(used * DEFAULT_MULTIPLIER / step) * step


def measured(result: JobResult, resource: ResourceKind) -> float | None:
    found = {
        ResourceKind.MEMORY: result.peak_memory,
        ResourceKind.CPU: result.peak_cpu,
        ResourceKind.RUNTIME: result.exec_seconds,
    }[resource]
    return found if found and 0 < found < math.inf else None


def _request_of(ended: EndedJob) -> Requirements | None:
    row = ended.requirements
    return None if row is None or row.name == DEFAULT_REQUIREMENTS else row


def _requested(row: Requirements | None, resource: ResourceKind) -> float | None:
    if row is None:
        return None
    return {
        ResourceKind.MEMORY: row.memory,
        ResourceKind.CPU: row.num_cpus * PERCENT_OF_A_CPU,
        ResourceKind.RUNTIME: row.runtime,
    }[resource] or None  # 0 is nothing to compare with


def _kinds(ended: Iterable[EndedJob], failing: set[Kind], tolerance: float) -> Iterator[KindOfJobs]:
    groups: dict[Kind, list[EndedJob]] = {}
    for each in ended:
        groups.setdefault(kind_of(each.job), []).append(each)
    for kind, alike in groups.items():
        row = alike[0].requirements
        assert row is not None  # noqa: S101 - they have a request
        uses = [use for each in alike for use in uses_of(each)]
        yield KindOfJobs(
            name=kind[0] or alike[0].job.name,
            jobs=len({each.job.id for each in alike}),
            fails=kind in failing,
            requirements=row,
            uses=tuple(
                _kind_use(
                    resource,
                    _requested(row, resource),
                    [use for use in uses if use.resource is resource],
                    tolerance,
                    fails=kind in failing,
                )
                for resource in ResourceKind
            ),
        )


def _kind_use(
    resource: ResourceKind,
    requested: float | None,
    uses: Sequence[JobUse],
    tolerance: float,
    *,
    fails: bool,
) -> KindUse:
    used = max((use.used for use in uses), default=None)
    over = sum(is_over(use, tolerance) for use in uses)
    enough = None if used is None else enough_for(resource, used)
    return KindUse(
        resource=resource,
        requested=requested,
        used=used,
        measured=len(uses),
        over=over,
        enough=enough,
        fit=_fit(resource, requested, enough, over=over, fails=fails),
    )


def _fit(
    resource: ResourceKind, requested: float | None, enough: float | None, *, over: int, fails: bool
) -> Fit:
    """A job that failed never showed how much it needs: its kind requests nothing too much."""
    if requested is None or enough is None:
        return Fit.NOT_MEASURED
    if over:
        return Fit.TOO_LITTLE
    is_much = requested >= _FAR_TOO_MUCH * enough and requested - enough >= _TRIFLE[resource]
    return Fit.FAR_TOO_MUCH if is_much and not fails else Fit.ENOUGH
