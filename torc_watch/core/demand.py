"""What the jobs ask for that a round starts, for each row under which allocations are submitted."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from torc_watch.core.cause import Cause
from torc_watch.core.model import (
    ON_JOBS_READY,
    Dependent,
    Job,
    JobStatus,
    Requirements,
    SchedulerConfig,
)
from torc_watch.core.recovery_round import Adjustment, Retry, Skip
from torc_watch.core.scheduler_rows import SchedulerRows
from torc_watch.core.situation import Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Jobs that will want to run, and the most that any of them asks for.

    ``jobs`` is how many of them may run at once.
    """

    jobs: int
    num_cpus: int
    memory: int
    num_gpus: int = 0
    num_nodes: int = 1
    runtime: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What was decided: the jobs to retry, those left alone, and how many run again besides.

    ``without_room`` are waiting jobs, by id, that no node can run.
    """

    retries: Sequence[Retry]
    left_alone: Sequence[Skip]
    without_room: Collection[int] = ()
    adjustments: Sequence[Adjustment]
    repeated: int
    starts_run: bool


_Row = SchedulerConfig | None
_Asked = Requirements | None
_Key = tuple[int, tuple[str, ...]] | None


@dataclass(slots=True)
class _Group:
    """What the jobs under one row ask for, and how many of them are in each layer."""

    row: _Row
    asked: list[Requirements] = field(default_factory=list)
    layers: Counter[int] = field(default_factory=Counter)

    def add(self, asked: _Asked, layer: int) -> None:
        self.layers[layer] += 1
        if asked is not None:
            self.asked.append(asked)

    def demand(self, *, unknown: int = 0) -> Demand:
        return Demand(
            jobs=max(self.layers.values(), default=0) + unknown,
            num_cpus=max((each.num_cpus for each in self.asked), default=1),
            memory=max((each.memory or 0 for each in self.asked), default=0),
            num_gpus=max((each.num_gpus for each in self.asked), default=0),
            num_nodes=max((each.num_nodes for each in self.asked), default=1),
            runtime=max((each.runtime or 0 for each in self.asked), default=0),
        )


def _key(row: _Row) -> _Key:
    """Jobs of one row may have to go to several partitions."""
    return (row.id, row.partitions) if row else None


def demands(
    situation: Situation, choices: Choices, rows: SchedulerRows
) -> list[tuple[_Row, Demand]]:
    """The demand under each row that has any. Together they are an upper bound.

    Every job that has not completed may run, but for those that stay failed, those that no node can
    run, and those for which workers will submit allocations themselves. Those that are known only
    by number count under the main row. Jobs that wait for each other do not run at once: of their
    layers, the largest counts.
    """
    groups: dict[_Key, _Group] = {}
    to_run = list(_jobs_to_run(situation, choices))
    layer_of = _layers({job.id for job, _ in to_run}, situation.dependents or ())
    not_counted = _left_to_workers(situation, choices).union(choices.without_room)
    for job, asked in to_run:
        if job.id not in not_counted:
            row = rows.row_for(job, asked)
            groups.setdefault(_key(row), _Group(row)).add(asked, layer_of.get(job.id, 0))
    unknown = _most_jobs(situation, choices) - len(to_run)
    main = _key(rows.main)
    if not groups or unknown > 0:
        groups.setdefault(main, _Group(rows.main))
    return [
        (group.row, group.demand(unknown=max(0, unknown) if key == main else 0))
        for key, group in groups.items()
    ]


def _layers(job_ids: Collection[int], dependents: Iterable[Dependent]) -> dict[int, int]:
    """The layer of each of these jobs: those of one wait for some of the one before.

    None of those in a cycle, which never run.
    """
    sorter = TopologicalSorter[int](dict.fromkeys(job_ids, ()))
    for each in dependents:
        if each.job_id in job_ids and each.depends_on in job_ids:
            sorter.add(each.job_id, each.depends_on)
    with suppress(CycleError):  # it still gives the others
        sorter.prepare()
    found: dict[int, int] = {}
    layer = 0
    while ready := sorter.get_ready():
        found.update(dict.fromkeys(ready, layer))
        sorter.done(*ready)
        layer += 1
    return found


def demands_of(
    jobs: Iterable[Job], requirements: Mapping[int, Requirements], rows: SchedulerRows
) -> list[tuple[_Row, Demand]]:
    """The demand of these jobs under each row."""
    groups: dict[_Key, _Group] = {}
    for job in jobs:
        asked = requirements.get(job.requirements_id or 0)
        row = rows.row_for(job, asked)
        groups.setdefault(_key(row), _Group(row)).add(asked, 0)
    return [(group.row, group.demand()) for group in groups.values()]


def _jobs_to_run(situation: Situation, choices: Choices) -> Iterator[tuple[Job, _Asked]]:
    """Each job that is known by name, with what it will ask for."""
    raised = {job_id: each.request for each in choices.adjustments for job_id in each.job_ids}
    runs = {retry.job_id for retry in choices.retries}
    runs |= {left.job_id for left in choices.left_alone if left.restarts_anyway}
    for finding in situation.findings:
        if finding.job.id in runs:
            yield finding.job, raised.get(finding.job.id, finding.requirements)
    for suspect in situation.suspects:
        if suspect.job.id in runs:
            yield suspect.job, raised.get(suspect.job.id, suspect.requirements)
    for job in situation.waiting:
        yield job, raised.get(job.id, situation.requirements.get(job.requirements_id or 0))


def _left_to_workers(situation: Situation, choices: Choices) -> set[int]:
    """Jobs of later layers: when all are ready, a worker submits allocations for them.

    A new run arms an action again that waits for one of them.
    """
    blocked = _blocked(situation, choices)
    return {
        job_id
        for action in situation.actions
        if action.trigger == ON_JOBS_READY and (choices.starts_run or not action.is_executed)
        for job_id in action.job_ids & blocked
    }


def _blocked(situation: Situation, choices: Choices) -> set[int]:
    """Waiting jobs that surely depend on one that has yet to run, in a new run if there is one."""
    if not choices.starts_run:
        return {job.id for job in situation.waiting if job.status is JobStatus.BLOCKED}
    waiting = {job.id for job in situation.waiting}
    to_run = waiting | {retry.job_id for retry in choices.retries}
    return waiting & {
        each.job_id for each in situation.dependents or () if each.depends_on in to_run
    }


def _most_jobs(situation: Situation, choices: Choices) -> int:
    counts = situation.counts
    resting = sum(not left.restarts_anyway for left in choices.left_alone)
    ended = counts.of(JobStatus.COMPLETED, JobStatus.DISABLED)
    suspects = sum(retry.cause is Cause.SUSPECT for retry in choices.retries)
    return counts.total - ended - resting + suspects + choices.repeated
