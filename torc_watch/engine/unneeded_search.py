"""Looks for queued allocations that no job of their workflow needs any more."""

import anyio

from torc_watch.core import intervals
from torc_watch.core.allocation import AllocationState
from torc_watch.core.model import SLURM, Allocation, JobCounts, JobStatus
from torc_watch.engine.messages import PollResult

# Blocked jobs will need them, and a job that is to be initialized may be.
_NEED_ONE = (
    *(JobStatus.UNINITIALIZED, JobStatus.BLOCKED, JobStatus.READY, JobStatus.PENDING),
    JobStatus.UNRECOGNIZED,
)


def unneeded_allocations(poll: PollResult) -> tuple[Allocation, ...]:
    """Those that are unneeded for a while: every job has ended or runs."""
    watch, now = poll.watch, anyio.current_time()
    queued = _queued(poll)
    if not queued or not _is_served(poll.observation.counts):
        watch.unneeded_since = None
        return ()
    if watch.unneeded_since is None:
        watch.unneeded_since = now
    return queued if now - watch.unneeded_since >= intervals.UNSERVED_GRACE else ()


def _is_served(counts: JobCounts | None) -> bool:
    return counts is not None and counts.total > 0 and not counts.of(*_NEED_ONE)


def _queued(poll: PollResult) -> tuple[Allocation, ...]:
    """Those that have not begun, as both the server and Slurm say.

    Each is canceled once: that has no effect on the allocation of another user.
    """
    settings = poll.watch.request.recovery
    if settings is None or not settings.auto_schedule:
        return ()
    return tuple(
        each
        for each, status in poll.observation.allocations
        if each.scheduler_type == SLURM
        and each.status == "pending"
        and status.state is AllocationState.ALIVE
        and status.began is None
        and each.id not in poll.watch.canceled
    )
