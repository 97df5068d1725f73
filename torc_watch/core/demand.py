"""What the jobs ask for that a round starts, for each row under which allocations are submitted."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from torc_watch.core.model import ON_JOBS_READY, Job, JobStatus, Requirements, SchedulerConfig
from torc_watch.core.recovery_round import Adjustment, Retry, Skip
from torc_watch.core.scheduler_rows import SchedulerRows
from torc_watch.core.situation import Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Jobs that will want to run, and the most that any of them asks for."""

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


def _key(row: _Row) -> _Key:
    """Jobs of one row may have to go to several partitions."""
    return (row.id, row.partitions) if row else None


def demands(
    situation: Situation, choices: Choices, rows: SchedulerRows
) -> list[tuple[_Row, Demand]]:
    """The demand under each row that has any. Together they are an upper bound.

    Every job that has not completed may run, but for those that stay failed, those that no node can
    run, and those for which workers will submit allocations themselves. Those that are known only
    by number count under the main row.
    """
    groups: dict[_Key, tuple[_Row, list[_Asked]]] = {}
    not_counted = _left_to_workers(situation, choices).union(choices.without_room)
    known = 0
    for job, asked in _jobs_to_run(situation, choices):
        known += 1
        if job.id in not_counted:
            continue
        row = rows.row_for(job, asked)
        groups.setdefault(_key(row), (row, []))[1].append(asked)
    unknown = _most_jobs(situation, choices) - known
    main = _key(rows.main)
    if not groups or unknown > 0:
        groups.setdefault(main, (rows.main, []))
    return [
        (row, _demand(asked, jobs=len(asked) + (max(0, unknown) if key == main else 0)))
        for key, (row, asked) in groups.items()
    ]


def demands_of(
    jobs: Iterable[Job], requirements: Mapping[int, Requirements], rows: SchedulerRows
) -> list[tuple[_Row, Demand]]:
    """The demand of these jobs under each row."""
    groups: dict[_Key, tuple[_Row, list[_Asked]]] = {}
    for job in jobs:
        asked = requirements.get(job.requirements_id or 0)
        row = rows.row_for(job, asked)
        groups.setdefault(_key(row), (row, []))[1].append(asked)
    return [(row, _demand(asked, jobs=len(asked))) for row, asked in groups.values()]


def _jobs_to_run(situation: Situation, choices: Choices) -> Iterator[tuple[Job, _Asked]]:
    """Each job that is known by name, with what it will ask for."""
    raised = {
        job_id: replace(each.base, memory=each.memory, runtime=each.runtime)
        for each in choices.adjustments
        for job_id in each.job_ids
    }
    runs = {retry.job_id for retry in choices.retries}
    runs |= {left.job_id for left in choices.left_alone if left.restarts_anyway}
    for finding in situation.findings:
        if finding.job.id in runs:
            yield finding.job, raised.get(finding.job.id, finding.requirements)
    for job in situation.waiting:
        yield job, situation.requirements.get(job.requirements_id or 0)


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
    return counts.total - ended - resting + choices.repeated


def _demand(asked: Iterable[_Asked], *, jobs: int) -> Demand:
    rows = [row for row in asked if row is not None]
    return Demand(
        jobs=jobs,
        num_cpus=max((row.num_cpus for row in rows), default=1),
        memory=max((row.memory or 0 for row in rows), default=0),
        num_gpus=max((row.num_gpus for row in rows), default=0),
        num_nodes=max((row.num_nodes for row in rows), default=1),
        runtime=max((row.runtime or 0 for row in rows), default=0),
    )
