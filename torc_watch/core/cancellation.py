"""Allocations that a user canceled: the workflow is then handed over, not recovered.

A user who cancels an allocation means it. One who asks for recovery afterwards means that.
"""

from collections.abc import Iterable
from datetime import datetime

from torc_watch.core.allocation import AllocationStatus, EndCause
from torc_watch.core.model import Allocation

EndedAllocation = tuple[Allocation, AllocationStatus]


def canceled_since(ended: Iterable[EndedAllocation], since: datetime) -> list[EndedAllocation]:
    """Those that were canceled after the user asked for the watch, at the time ``since``.

    Slurm has whole seconds: what may have been afterwards counts as that.
    """
    since = since.replace(microsecond=0)
    return [
        (allocation, status)
        for allocation, status in ended
        if status.cause is EndCause.CANCELED and (status.ended is None or status.ended >= since)
    ]


def handover_reason(workflow_id: int, canceled: list[EndedAllocation]) -> str:
    """What happened and what to do; ``canceled`` is not empty."""
    numbers = ", ".join(str(allocation.scheduler_id) for allocation, _ in canceled)
    subject = f"Allocation {numbers} was" if len(canceled) == 1 else f"Allocations {numbers} were"
    users = sorted({status.canceled_by for _, status in canceled if status.canceled_by})
    by = f" by {' and '.join(users)}" if users else ""
    return (
        f"{subject} canceled{by}, so workflow {workflow_id} is not recovered by itself. "
        f"`torc-watchd recover {workflow_id}` submits allocations for the jobs that are left, and "
        f"`torc-watchd resume {workflow_id}` goes on watching as well."
    )
