"""Looks for jobs that workers have claimed and do not start, while nothing of the workflow runs.

A worker of an earlier run, for example, claims jobs of the new one and cannot start them.
"""

import anyio

from torc_watch.core import intervals
from torc_watch.core.allocation import AllocationState
from torc_watch.core.assessment import Observation
from torc_watch.core.model import SLURM, Allocation, JobStatus
from torc_watch.engine.messages import PollResult, StrandedJobs
from torc_watch.torc.client import TorcClient


class StrandedSearch:
    def __init__(self, client: TorcClient) -> None:
        self._client = client

    async def find(self, poll: PollResult) -> StrandedJobs | None:
        """Those that have been claimed for a while, with the allocations to end for their sake.

        They must not be freed while the worker that claimed them lives: it would start them too.
        Raises ServerError.
        """
        watch, now = poll.watch, anyio.current_time()
        jobs = await self._claimed_by_idle_workers(poll)
        if jobs != watch.claimed:
            watch.claimed, watch.claimed_since = jobs, now
        if not jobs or now - watch.claimed_since < intervals.STRANDED_GRACE:
            return None
        watch.claimed = frozenset()
        return StrandedJobs(jobs=len(jobs), allocations=_alive(poll.observation))

    async def _claimed_by_idle_workers(self, poll: PollResult) -> frozenset[int]:
        watch, observation = poll.watch, poll.observation
        if watch.request.recovery is None or not _alive(observation):
            return frozenset()
        counts = observation.counts
        if counts is None or counts.of(JobStatus.RUNNING) or not counts.of(JobStatus.PENDING):
            return frozenset()
        jobs = await self._client.list_jobs(watch.workflow_id, JobStatus.PENDING)
        return frozenset(job.id for job in jobs)


def _alive(observation: Observation) -> tuple[Allocation, ...]:
    """All that are alive if one has begun, and of none it is unknown whether it has ended.

    Jobs are freed when no worker may be left: those that are queued must not take a turn before.
    """
    states = {status.state for _, status in observation.allocations}
    alive = [
        (each, status)
        for each, status in observation.allocations
        if each.scheduler_type == SLURM and status.state is AllocationState.ALIVE
    ]
    if AllocationState.UNKNOWN in states or not any(status.began for _, status in alive):
        return ()
    return tuple(each for each, _ in alive)
