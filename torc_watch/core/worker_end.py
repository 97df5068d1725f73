"""How a worker ended: what the scheduler says of its allocation, as far as it concerns a job."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from torc_watch.core import units
from torc_watch.core.allocation import AllocationStatus, EndCause
from torc_watch.core.cause import Cause
from torc_watch.core.model import Allocation, ComputeNode

# A worker of Torc begins to stop its jobs 90 seconds before the end of its allocation. Slurm takes
# some more to kill what is left.
_STOPS_JOBS_WITHIN = timedelta(seconds=120)
# A requeued allocation waits two minutes before its next life; the clocks of nodes differ by less.
_CLOCKS_DIFFER_BY = timedelta(seconds=60)
_TAKES_JOBS_ALONG = frozenset(
    {EndCause.TIME_LIMIT, EndCause.NODE_FAILURE, EndCause.PREEMPTED, EndCause.CANCELED}
)
_NOT_THE_JOBS_FAULT = frozenset(
    {EndCause.NODE_FAILURE, EndCause.PREEMPTED, EndCause.CANCELED, EndCause.LOST}
)
_PREDICATES = {
    EndCause.OUT_OF_MEMORY: "ran out of memory",
    EndCause.NODE_FAILURE: "lost a node that failed",
    EndCause.PREEMPTED: "was preempted",
    EndCause.CANCELED: "was canceled",
    EndCause.FAILED: "failed",
    EndCause.LOST: "is no longer known to its scheduler",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEnd:
    """``status`` is that of the worker's allocation; both are None for a worker outside of any."""

    node: ComputeNode
    allocation: Allocation | None = None
    status: AllocationStatus | None = None

    @property
    def was_requeued(self) -> bool:
        """Whether the allocation began again since, so that its status is of a later life."""
        began = self.status.began if self.status else None
        started = self.node.started
        return began is not None and started is not None and started + _CLOCKS_DIFFER_BY < began

    @property
    def cause(self) -> EndCause | None:
        """Why the allocation ended, in the life of this worker."""
        return None if self.status is None or self.was_requeued else self.status.cause

    @property
    def ended(self) -> datetime | None:
        """When the allocation ended, or else when its time was over; None if it was requeued."""
        if self.was_requeued:
            return None
        return (self.status.ended if self.status else None) or self.node.limit

    @property
    def is_external(self) -> bool:
        """Whether something ended it for which no job that ran there is to blame."""
        return self.was_requeued or self.cause in _NOT_THE_JOBS_FAULT

    @property
    def interruption(self) -> Cause:
        """What ended a job that this end took along."""
        if self.cause is EndCause.NODE_FAILURE:
            return Cause.NODE
        return Cause.PREEMPTED if self.cause is EndCause.PREEMPTED else Cause.INTERRUPTED

    def may_have_stopped_job(self, completed: datetime | None) -> bool:
        """Whether a job that ended at that time ended because the allocation did."""
        if completed is None:
            return False
        moments = [self.node.limit]
        if self.status is not None and self.cause in _TAKES_JOBS_ALONG:
            moments.append(self.status.ended)
        return any(
            moment is not None and abs(completed - moment) <= _STOPS_JOBS_WITHIN
            for moment in moments
        )

    @property
    def name(self) -> str:
        if self.allocation is None:
            return "no allocation"
        return f"allocation {self.allocation.scheduler_id}"

    @property
    def phrase(self) -> str:
        """What happened, for users, such as ``allocation 7 was preempted``."""
        if self.was_requeued:
            return f"{self.name} was requeued"
        if self.status is None or self.cause is None:
            return "its worker is gone"
        return f"{self.name} {_predicate(self.status, self.cause)}"


def _predicate(status: AllocationStatus, cause: EndCause) -> str:
    if cause is EndCause.TIME_LIMIT:
        return f"ran out of time{_after(status)}"
    if cause is EndCause.CANCELED and status.canceled_by:
        return f"was canceled by {status.canceled_by}"
    return _PREDICATES[cause]


def _after(status: AllocationStatus) -> str:
    if status.began is None or status.ended is None:
        return ""
    return f" after {units.duration_text((status.ended - status.began).total_seconds())}"
