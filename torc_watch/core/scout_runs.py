"""Which scouts run now: those that failed like them wait for what they need."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from torc_watch.core.job_kind import KindKey, kind_key
from torc_watch.core.kind_history import AttemptEnd, SizedAttempt
from torc_watch.core.model import Job, JobStatus, Requirements
from torc_watch.core.sized_attempts import ScoutStart, key_of
from torc_watch.core.sizing_policy import ScoutRun

_UNENDED = (JobStatus.BLOCKED, JobStatus.READY, JobStatus.PENDING, JobStatus.RUNNING)


def started_scouts(
    starts: Iterable[ScoutStart], attempts: Iterable[SizedAttempt], run_id: int
) -> frozenset[int]:
    """The IDs of the jobs that were started as scouts in this run and have not failed since."""
    ended = set(map(key_of, attempts))
    in_run = {(job_id, run) for job_id, run, _ in ended}
    return frozenset(
        each.job_id
        for each in starts
        if each.run_id == run_id
        and (
            (each.job_id, run_id) not in in_run
            if each.attempt is None
            else (each.job_id, run_id, each.attempt) not in ended
        )
    )


def scout_runs(
    scouts: Iterable[Job],
    rows: Mapping[int, Requirements],
    attempts: Collection[SizedAttempt],
    *,
    workflow_id: int,
    now: datetime,
) -> dict[KindKey, ScoutRun]:
    """By their kinds. ``now`` is by the clock of the server, as are the times of jobs.

    One that waits for a worker has not run. ``rows`` are those of requirements, by their IDs.
    """
    found: dict[KindKey, ScoutRun] = {}
    for job in scouts:
        if job.status in _UNENDED:
            key = kind_key(workflow_id, job, rows.get(job.requirements_id or 0))
            found[key] = ScoutRun(
                job_id=job.id,
                job_name=job.name,
                ran=(now - job.started).total_seconds() if job.started else 0.0,
                killed_after=_longest(key, attempts),
            )
    return found


def _longest(key: KindKey, attempts: Iterable[SizedAttempt]) -> float:
    """How long one of the others ran at most until it lacked memory."""
    killed = (
        each.ran or 0.0
        for each in attempts
        if each.kind == key and each.end is AttemptEnd.OUT_OF_MEMORY and not each.is_scout
    )
    return max(killed, default=0.0)
