"""The jobs of a workflow on the server that have yet to run. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from torc_watch.core.model import Dependent, Job, JobStatus, Requirements
from torc_watch.planner.job_kinds import DEFAULT_REQUEST, JobRequest, PlannedJob

_LEFT = (JobStatus.UNINITIALIZED, JobStatus.BLOCKED, JobStatus.READY)
_TAKEN = (JobStatus.PENDING, JobStatus.RUNNING)
_FAILED = (
    *(JobStatus.FAILED, JobStatus.TERMINATED, JobStatus.CANCELED),
    JobStatus.PENDING_FAILED,
)
_EXAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsLeft:
    """``planned`` and ``jobs`` are the same jobs, each after those that it waits for.

    ``running`` are those that workers have. ``labeled`` are the IDs of those for which nothing is
    planned because of their labels. ``notes`` are sentences for people.
    """

    planned: tuple[PlannedJob, ...]
    jobs: tuple[Job, ...]
    running: tuple[PlannedJob, ...]
    labeled: frozenset[int]
    notes: tuple[str, ...]


def jobs_left(
    jobs: Sequence[Job],
    requirements: Sequence[Requirements],
    dependents: Sequence[Dependent] | None,
    workflow_id: int,
) -> JobsLeft:
    """What of a workflow wants allocations; ``dependents`` None: too many to be known."""
    labeled = [job for job in jobs if job.labels and job.status in _LEFT]
    left = {job.id: job for job in jobs if job.status in _LEFT and not job.labels}
    open_ids = {job.id for job in jobs if job.status in (*_LEFT, *_TAKEN)}
    before = _before(left, dependents)
    ordered = _in_order(left, before)
    position = {job.id: place for place, job in enumerate(ordered)}
    requests = {row.id: _request(row) for row in requirements}
    planned = tuple(
        PlannedJob(
            example=_name(job),
            request=_request_of(job, requests),
            after=tuple(position[each] for each in before[job.id] if each in position),
            waits=job.status is JobStatus.UNINITIALIZED
            or (dependents is None and job.status is JobStatus.BLOCKED)
            or any(each in open_ids and each not in position for each in before[job.id]),
        )
        for job in ordered
    )
    return JobsLeft(
        planned=planned,
        jobs=ordered,
        running=tuple(
            PlannedJob(example=_name(job), request=_request_of(job, requests))
            for job in jobs
            if job.status in _TAKEN
        ),
        labeled=frozenset(job.id for job in labeled),
        notes=(*_notes(jobs, labeled, workflow_id), *_unreadable(ordered, requirements)),
    )


def _before(
    left: Mapping[int, Job], dependents: Sequence[Dependent] | None
) -> Mapping[int, list[int]]:
    before: defaultdict[int, list[int]] = defaultdict(list)
    for each in dependents or ():
        if each.job_id in left:
            before[each.job_id].append(each.depends_on)
    return before


def _in_order(left: Mapping[int, Job], before: Mapping[int, list[int]]) -> tuple[Job, ...]:
    """Those of a cycle are left out: they never run."""
    sorter: TopologicalSorter[int] = TopologicalSorter(
        {job_id: [each for each in before[job_id] if each in left] for job_id in left}
    )
    with suppress(CycleError):  # it still gives the others
        sorter.prepare()
    ordered: list[Job] = []
    while ready := sorter.get_ready():
        ordered += [left[job_id] for job_id in sorted(ready)]
        sorter.done(*ready)
    return tuple(ordered)


def _request_of(job: Job, requests: Mapping[int, JobRequest]) -> JobRequest:
    return requests.get(job.requirements_id or 0, DEFAULT_REQUEST)


def _request(row: Requirements) -> JobRequest:
    return JobRequest(
        name=row.name,
        num_cpus=max(1, row.num_cpus),
        memory=row.memory or DEFAULT_REQUEST.memory,
        num_gpus=row.num_gpus,
        num_nodes=max(1, row.num_nodes),
        runtime=row.runtime or DEFAULT_REQUEST.runtime,
    )


def _notes(jobs: Sequence[Job], labeled: Sequence[Job], workflow_id: int) -> Iterator[str]:
    if labeled:
        labels = ", ".join(sorted({label for job in labeled for label in job.labels}))
        yield (
            f"{_jobs(labeled)} only go to runners with their labels ({labels}): nothing is planned "
            "for them."
        )
    failed = [job for job in jobs if job.status in _FAILED]
    if failed:
        yield (
            f"{_jobs(failed)} failed or were canceled, and are not planned for. Recover them with: "
            f"torc-watchd recover {workflow_id}"
        )
    new = [job for job in jobs if job.status is JobStatus.UNINITIALIZED]
    if new:
        verb = "is" if len(new) == 1 else "are"
        yield (
            f"{_jobs(new)} {verb} not initialized: no worker takes them before "
            f"`torc workflows reinit {workflow_id}`."
        )


def _unreadable(jobs: Sequence[Job], requirements: Sequence[Requirements]) -> Iterator[str]:
    used = {job.requirements_id for job in jobs}
    for row in requirements:
        if row.id in used and (row.memory is None or row.runtime is None):
            what = "memory" if row.memory is None else "run time"
            default = "1 MiB" if row.memory is None else "1 minute"
            yield (
                f"The {what} of requirements {row.name} cannot be read: their jobs are planned "
                f"with {default}. Correct it on the server."
            )


def _name(job: Job) -> str:
    return f"{job.id} ({job.name})"


def _jobs(jobs: Sequence[Job]) -> str:
    names = ", ".join(map(_name, jobs[:_EXAMPLES]))
    more = ", ..." if len(jobs) > _EXAMPLES else ""
    return f"{len(jobs):,} jobs ({names}{more})" if len(jobs) > 1 else f"Job {names}"
