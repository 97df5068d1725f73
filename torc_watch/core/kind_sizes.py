"""What each kind of job of a workflow needs, by what was measured, and what to request for it.

Memory is in bytes, run time in seconds. All attempts of all runs count that are still known.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from torc_watch.core.job_kind import KindKey, kind_key
from torc_watch.core.job_request import DEFAULT_REQUIREMENTS
from torc_watch.core.kind_history import AttemptEnd, SizedAttempt, measured_amount
from torc_watch.core.model import Job, JobResult, JobStatus, Requirements
from torc_watch.core.row_names import root_name
from torc_watch.core.units import GIB, MIB
from torc_watch.core.utilization import EndedJob

_MEMORY_ROOM = 1.2  # times the largest peak, which is a lower bound
_RUNTIME_ROOM = 1.5  # run times vary with the node, and what is not used is not charged
_SMALL = 4 * GIB  # below, memory is rounded to _FINE, else to _COARSE
_FINE, _COARSE = 64 * MIB, 512 * MIB
_RUNTIME_STEP = 300
_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredNeed:
    """Of the jobs that completed; the quantiles are measured values, None if there is none."""

    measured: int
    p50: int | None = None
    p95: int | None = None
    largest: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KindSizes:
    """``written`` is the row of requirements as the user wrote it, None if the server has it no
    longer; ``requested`` are the distinct amounts of memory and of run time that its jobs request
    now, ascending. ``failed_peak`` is the largest peak of a failed attempt, 0 if none was measured.

    ``failed_node_hours`` is the time of failed attempts, times their nodes;
    ``unused_node_hours`` that of completed ones, times the share of their memory that they left
    unused. A job counts as if it had its nodes for itself.
    """

    key: KindKey
    name: str
    jobs: int
    attempts: int
    failed: int
    lacks_success: bool
    written: Requirements | None
    requested_memory: tuple[int, ...]
    requested_runtime: tuple[int, ...]
    memory: MeasuredNeed
    runtime: MeasuredNeed
    failed_peak: int
    failed_node_hours: float
    unused_node_hours: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowSizes:
    """``unfinished`` are the rows of requirements of jobs that have not ended in any run."""

    kinds: tuple[KindSizes, ...]
    unfinished: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestedRequirements:
    """For a row of the specification. None of what was not measured: it stays as it is.

    Nor is it lowered where it was not measured of each kind of its jobs. ``is_least`` says that a
    job of it has not completed: it may need more.
    """

    name: str
    memory: int | None
    runtime: int | None
    is_least: bool


def kind_sizes(
    workflow_id: int, ended: Iterable[EndedJob], rows: Iterable[Requirements]
) -> tuple[KindSizes, ...]:
    """By the name; jobs without requirements of their own are left out."""
    written = {row.name: row for row in rows}
    groups: defaultdict[KindKey, list[EndedJob]] = defaultdict(list)
    for each in ended:
        if each.requirements is not None and each.requirements.name != DEFAULT_REQUIREMENTS:
            groups[kind_key(workflow_id, each.job, each.requirements)].append(each)
    sizes = (_sizes(key, alike, written) for key, alike in groups.items())
    return tuple(sorted(sizes, key=lambda kind: (kind.name, kind.key.requirements or "")))


def ended_job(attempt: SizedAttempt, job: Job, row: Requirements | None) -> EndedJob:
    """As if the server had its result: it has none of attempts that were retried in the same run.

    ``row`` is what the job requests now. The return code was not recorded, and does not matter.
    """
    is_completed = attempt.end is AttemptEnd.COMPLETED
    result = JobResult(
        job_id=attempt.job_id,
        run_id=attempt.run_id,
        attempt=attempt.attempt,
        status=JobStatus.COMPLETED if is_completed else JobStatus.FAILED,
        return_code=0 if is_completed else 1,
        exec_seconds=attempt.ran or 0.0,
        peak_memory=measured_amount(attempt.peak),
        compute_node_id=None,
    )
    return EndedJob(job=job, result=result, requirements=row)


def unfinished_rows(
    jobs: Iterable[Job], ended: Iterable[EndedJob], rows: Mapping[int, Requirements]
) -> frozenset[str]:
    """As users wrote them. ``rows`` are by ID."""
    done = {each.job.id for each in ended}
    left = (rows.get(job.requirements_id or 0) for job in jobs if job.id not in done)
    return frozenset(root_name(row.name) for row in left if row is not None)


def suggested(sizes: WorkflowSizes) -> tuple[SuggestedRequirements, ...]:
    """One for each row of the specification that jobs have been measured of: kinds that share a
    row get what the largest of them needs.
    """
    groups: defaultdict[str, list[KindSizes]] = defaultdict(list)
    for kind in sizes.kinds:
        groups[kind.key.requirements or ""].append(kind)
    found = (
        _suggestion(name, group, is_unfinished=name in sizes.unfinished)
        for name, group in sorted(groups.items())
    )
    return tuple(each for each in found if each.memory is not None or each.runtime is not None)


def _sizes(
    key: KindKey, alike: Sequence[EndedJob], written: Mapping[str, Requirements]
) -> KindSizes:
    completed = [each for each in alike if each.result.status is JobStatus.COMPLETED]
    jobs = {each.job.id: each for each in alike}
    names = {each.job.name for each in alike}
    rows = {each.requirements for each in jobs.values() if each.requirements is not None}
    failed = [each for each in alike if each.result.status is not JobStatus.COMPLETED]
    return KindSizes(
        key=key,
        name=names.pop() if len(names) == 1 else key.template,
        jobs=len(jobs),
        attempts=len(alike),
        failed=len(failed),
        lacks_success=bool(jobs.keys() - {each.job.id for each in completed}),
        written=written.get(key.requirements or ""),
        requested_memory=tuple(sorted({row.memory for row in rows if row.memory})),
        requested_runtime=tuple(sorted({row.runtime for row in rows if row.runtime})),
        memory=_need(each.result.peak_memory for each in completed),
        runtime=_need(each.result.exec_seconds for each in completed),
        failed_peak=max(
            (measured_amount(each.result.peak_memory) or 0 for each in failed), default=0
        ),
        failed_node_hours=sum(_node_hours(each) for each in failed),
        unused_node_hours=sum(_node_hours(each) * _unused(each) for each in completed),
    )


def _need(values: Iterable[float | None]) -> MeasuredNeed:
    amounts = [measured_amount(value) for value in values]
    known = sorted(amount for amount in amounts if amount is not None)
    if not known:
        return MeasuredNeed(measured=0)
    return MeasuredNeed(
        measured=len(known),
        p50=_quantile(known, 0.5),
        p95=_quantile(known, 0.95),
        largest=known[-1],
    )


def _quantile(known: Sequence[int], share: float) -> int:
    return known[math.ceil(share * len(known)) - 1]


def _node_hours(ended: EndedJob) -> float:
    seconds = measured_amount(ended.result.exec_seconds)
    nodes = ended.requirements.num_nodes if ended.requirements else 1
    return (ended.result.exec_seconds if seconds else 0.0) / _HOUR * max(1, nodes)


def _unused(ended: EndedJob) -> float:
    """The share of the requested memory, 0 if the peak was not measured."""
    peak = measured_amount(ended.result.peak_memory)
    requested = ended.requirements.memory if ended.requirements else None
    return max(0.0, 1 - peak / requested) if peak and requested else 0.0


def _suggestion(
    name: str, kinds: Sequence[KindSizes], *, is_unfinished: bool
) -> SuggestedRequirements:
    unsure = [kind for kind in kinds if is_unfinished or kind.lacks_success]
    written = kinds[0].written  # the same row of all of them
    memory = _enough_memory(
        max(kind.memory.largest or 0 for kind in kinds), written.memory if written else None
    )
    runtime = _enough_runtime(
        max(kind.runtime.largest or 0 for kind in kinds), written.runtime if written else None
    )
    # What failed, or was not measured, needs what it requests now, or more.
    unsure_memory = [*unsure, *(kind for kind in kinds if not kind.memory.measured)]
    unsure_runtime = [*unsure, *(kind for kind in kinds if not kind.runtime.measured)]
    peaks = [_enough_memory(kind.failed_peak, None) or 0 for kind in unsure]
    return SuggestedRequirements(
        name=root_name(name),
        memory=_at_least(
            memory, [*peaks, *(n for kind in unsure_memory for n in kind.requested_memory)]
        ),
        runtime=_at_least(runtime, [n for kind in unsure_runtime for n in kind.requested_runtime]),
        is_least=bool(unsure),
    )


def _at_least(enough: int | None, requested: Iterable[int]) -> int | None:
    return None if enough is None else max(enough, *requested, 0)


def _enough_memory(largest: int, written: int | None) -> int | None:
    if not largest:
        return None
    wanted = largest * _MEMORY_ROOM
    return _up_to(wanted, _FINE if wanted < _SMALL else _COARSE, written)


def _enough_runtime(longest: int, written: int | None) -> int | None:
    return _up_to(longest * _RUNTIME_ROOM, _RUNTIME_STEP, written) if longest else None


def _up_to(wanted: float, step: int, written: int | None) -> int:
    """What the user wrote is not raised where it is enough."""
    rounded = math.ceil(wanted / step) * step
    return written if written is not None and wanted <= written <= rounded else rounded
