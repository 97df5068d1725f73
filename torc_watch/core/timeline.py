"""When and where the attempts of jobs ran, in all runs of a workflow."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property

from torc_watch.core.model import Allocation, ComputeNode, Job, JobResult, JobStatus
from torc_watch.core.node_hours import worker_span

_UNKNOWN_NODE = ""


class AttemptState(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # also terminated or canceled
    RUNNING = "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSpan:
    """``worker_id`` and ``node`` are None and empty where the server does not say where it ran."""

    job: Job
    run_id: int
    state: AttemptState
    began: datetime
    ended: datetime
    worker_id: int | None = None
    node: str = _UNKNOWN_NODE

    @property
    def seconds(self) -> float:
        return (self.ended - self.began).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpan:
    """``allocation`` is the scheduler's number, None outside of allocations."""

    node: str
    began: datetime
    ended: datetime
    is_alive: bool
    allocation: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLane:
    """What ran on one node; its name is empty for attempts of which that is not known."""

    node: str
    workers: tuple[WorkerSpan, ...]
    attempts: tuple[AttemptSpan, ...]

    def count(self, state: AttemptState) -> int:
        return sum(each.state is state for each in self.attempts)

    @property
    def allocations(self) -> tuple[int, ...]:
        numbers = (each.allocation for each in self.workers)
        return tuple(sorted({number for number in numbers if number is not None}))


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The ``lanes`` are in the order in which nodes began to work.

    ``undated`` is how many attempts have no time on the server.
    """

    lanes: tuple[NodeLane, ...] = ()
    undated: int = 0

    @cached_property
    def attempts(self) -> tuple[AttemptSpan, ...]:
        return tuple(attempt for lane in self.lanes for attempt in lane.attempts)

    @cached_property
    def workers(self) -> tuple[WorkerSpan, ...]:
        return tuple(worker for lane in self.lanes for worker in lane.workers)

    @cached_property
    def _spans(self) -> list[tuple[datetime, datetime]]:
        attempts = [(each.began, each.ended) for each in self.attempts]
        return attempts + [(each.began, each.ended) for each in self.workers]

    @cached_property
    def bounds(self) -> tuple[datetime, datetime] | None:
        """The first start and the last end of a worker or an attempt; None without any."""
        spans = self._spans
        return (min(spans)[0], max(ended for _, ended in spans)) if spans else None

    @cached_property
    def without_workers(self) -> float:
        """For how many seconds, between the first start and the last end, nothing was there."""
        if self.bounds is None:
            return 0.0
        gaps, until = 0.0, self.bounds[0]
        for began, ended in sorted(self._spans):
            gaps += max(0.0, (began - until).total_seconds())
            until = max(until, ended)
        return gaps


def timeline_of(
    jobs: Iterable[Job],
    results: Iterable[JobResult],
    workers: Sequence[ComputeNode],
    allocations: Iterable[Allocation],
    now: datetime,
    *,
    running_on: Mapping[int, int] | None = None,
) -> Timeline:
    """``results`` are those of all runs. Jobs that run count until ``now``.

    ``running_on`` has the worker of jobs that run, by their IDs, as far as that is known.
    """
    by_id = {job.id: job for job in jobs}
    nodes = {worker.id: worker.hostname for worker in workers}
    spans: dict[str, list[AttemptSpan]] = defaultdict(list)
    undated = 0
    for result in results:
        job, ended = by_id.get(result.job_id), result.completed
        if job is None or ended is None:
            undated += job is not None
            continue
        span = _ended_span(job, result, ended, nodes)
        spans[span.node].append(span)
    for job in by_id.values():
        if job.status is JobStatus.RUNNING and job.started is not None:
            worker = (running_on or {}).get(job.id)
            node = nodes.get(worker or 0, _UNKNOWN_NODE)
            spans[node].append(_running_span(job, job.started, now, worker, node))
    return Timeline(lanes=_lanes(spans, workers, allocations, now), undated=undated)


def _ended_span(
    job: Job, result: JobResult, ended: datetime, nodes: Mapping[int, str]
) -> AttemptSpan:
    has_succeeded = result.status is JobStatus.COMPLETED
    return AttemptSpan(
        job=job,
        run_id=result.run_id,
        state=AttemptState.SUCCEEDED if has_succeeded else AttemptState.FAILED,
        began=ended - timedelta(seconds=max(0.0, result.exec_seconds)),
        ended=ended,
        worker_id=result.compute_node_id,
        node=nodes.get(result.compute_node_id or 0, _UNKNOWN_NODE),
    )


def _running_span(
    job: Job, began: datetime, now: datetime, worker: int | None, node: str
) -> AttemptSpan:
    return AttemptSpan(
        job=job,
        run_id=0,
        state=AttemptState.RUNNING,
        began=began,
        ended=max(began, now),
        worker_id=worker,
        node=node,
    )


def _lanes(
    spans: Mapping[str, Sequence[AttemptSpan]],
    workers: Iterable[ComputeNode],
    allocations: Iterable[Allocation],
    now: datetime,
) -> tuple[NodeLane, ...]:
    numbers = {each.id: each.scheduler_id for each in allocations}
    there: dict[str, list[WorkerSpan]] = defaultdict(list)
    for worker in workers:
        if worker.started is not None:
            there[worker.hostname].append(_worker(worker, numbers, now))
    lanes = [
        NodeLane(
            node=node,
            workers=tuple(sorted(there.get(node, ()), key=lambda each: each.began)),
            attempts=tuple(sorted(spans.get(node, ()), key=lambda each: each.began)),
        )
        for node in {**there, **spans}
    ]
    return tuple(sorted(lanes, key=_beginning))


def _worker(worker: ComputeNode, numbers: Mapping[int, int], now: datetime) -> WorkerSpan:
    began, ended = worker_span(worker, now)
    return WorkerSpan(
        node=worker.hostname,
        began=began,
        ended=ended,
        is_alive=not worker.has_ended,
        allocation=numbers.get(worker.allocation_id or 0),
    )


def _beginning(lane: NodeLane) -> tuple[bool, datetime, str]:
    """Attempts of which the node is not known come last."""
    begun = [each.began for each in lane.workers] + [each.began for each in lane.attempts]
    return lane.node == _UNKNOWN_NODE, min(begun), lane.node
