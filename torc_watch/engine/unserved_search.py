"""Looks for ready jobs that none of a workflow's allocations will take, while others run."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio

from torc_watch.core import intervals
from torc_watch.core.allocation import AllocationState
from torc_watch.core.assessment import Observation
from torc_watch.core.model import SLURM, Job, JobCounts, JobStatus
from torc_watch.core.recovery_round import RecoverySettings
from torc_watch.core.scheduler_choice import SchedulerChoice
from torc_watch.engine.journal import Journal
from torc_watch.engine.messages import PollResult, UnservedJobs, UnservedRecord, Watch
from torc_watch.planner.coverage import OpenAllocation, open_allocation, uncovered_jobs
from torc_watch.planner.jobs_left import jobs_left
from torc_watch.torc.client import TorcClient

_STATUSES = (JobStatus.READY, JobStatus.PENDING, JobStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class _Unserved:
    """``has_urgent``: for one of them no allocation has room even before all others that wait."""

    jobs: tuple[Job, ...] = ()
    has_urgent: bool = False


class UnservedSearch:
    def __init__(self, client: TorcClient, journal: Journal) -> None:
        self._client = client
        self._journal = journal

    async def find(self, poll: PollResult) -> UnservedJobs | None:
        """Those that have been there for a while; None also during the cooldown after the last.

        Neither holds where a job was just retried while others run, and no allocation has room for
        it. Asks little while nothing changes. Raises ServerError and JournalError.
        """
        watch, observation = poll.watch, poll.observation
        most = _most_allocations(watch.request.recovery, observation)
        now = anyio.current_time()
        retried = watch.in_place.retried
        if most <= 0 or (now < watch.unserved.not_before and not retried):
            return None
        counts = observation.counts
        if counts is None or not _is_due(watch.unserved, _aspects(observation, counts), now):
            return None
        found = _Unserved()
        if counts.of(JobStatus.READY):
            found = await self._unserved(watch, observation, retried)
        watch.in_place.retried = frozenset()
        if not found.has_urgent and (
            now < watch.unserved.not_before or not _have_waited(watch.unserved, found.jobs, now)
        ):
            return None
        return UnservedJobs(jobs=found.jobs, counts=counts, most=most)

    async def _unserved(
        self, watch: Watch, observation: Observation, retried: Collection[int]
    ) -> _Unserved:
        workflow_id = watch.workflow_id
        jobs = [
            job for status in _STATUSES for job in await self._client.list_jobs(workflow_id, status)
        ]
        requirements = await self._client.list_requirements(workflow_id)
        left = jobs_left(jobs, requirements, (), workflow_id)
        allocations = await self._allocations(watch, observation)
        kept = uncovered_jobs(left.planned, left.running, allocations)
        again = [left.planned[place] for place in kept if left.jobs[place].id in retried]
        return _Unserved(
            jobs=tuple(left.jobs[place] for place in kept),
            has_urgent=any(uncovered_jobs([job], left.running, allocations) for job in again),
        )

    async def _allocations(self, watch: Watch, observation: Observation) -> list[OpenAllocation]:
        """Those of this watch are larger than their rows say, where a raised job needs it."""
        rows = await self._client.list_scheduler_configs(watch.workflow_id, SLURM)
        shapes = {row.id: row for row in rows}
        ours = self._journal.allocations_of(watch.record.id)
        now = datetime.now(UTC)
        return [
            open_allocation(
                ours.get(each.scheduler_id) or shapes.get(each.scheduler_config_id), status, now
            )
            for each, status in observation.allocations
            if status.state is AllocationState.ALIVE
        ]


def after_submission(record: UnservedRecord, unserved: UnservedJobs, now: float) -> None:
    """Begins the cooldown."""
    completed = unserved.counts.of(JobStatus.COMPLETED)
    jobs = frozenset(job.id for job in unserved.jobs)
    was_in_vain = bool(record.jobs) and record.jobs <= jobs
    is_fruitless = was_in_vain or completed == record.completed
    record.fruitless = record.fruitless + 1 if is_fruitless else 0
    record.completed, record.jobs = completed, jobs
    record.not_before = now + intervals.unserved_cooldown(record.fruitless)
    record.since = None


def _most_allocations(settings: RecoverySettings | None, observation: Observation) -> int:
    """How many more may be submitted.

    None while it is not known of one whether it has ended, or one will never start: then nor would
    another.
    """
    if settings is None or not settings.auto_schedule or observation.never_starting:
        return 0
    states = [
        status.state
        for each, status in observation.allocations
        if each.scheduler_type == SLURM and status.state is not AllocationState.GONE
    ]
    if not states or AllocationState.UNKNOWN in states:
        return 0
    if settings.scheduler is SchedulerChoice.LOCAL:
        return 0
    return settings.max_allocations - len(states)


def _aspects(observation: Observation, counts: JobCounts) -> object:
    """What decides, beside time, whether jobs are unserved."""
    allocations = tuple(
        (each.id, status.state, status.began) for each, status in observation.allocations
    )
    return allocations, tuple(counts.of(status) for status in _STATUSES)


def _is_due(record: UnservedRecord, aspects: object, now: float) -> bool:
    is_known = aspects == record.seen and record.since is None
    if is_known and now - record.at < intervals.UNSERVED_INTERVAL:
        return False
    record.seen, record.at = aspects, now
    return True


def _have_waited(record: UnservedRecord, jobs: tuple[Job, ...], now: float) -> bool:
    if not jobs:
        record.since = None
        return False
    if record.since is None:
        record.since = now
    return now - record.since >= intervals.UNSERVED_GRACE
