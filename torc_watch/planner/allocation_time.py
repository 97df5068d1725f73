"""Walltimes of allocations: what their jobs need, and what the worker needs beside them."""

from torc_watch.core.allocation_plan import HEAD_ROOM
from torc_watch.planner.workload import Workload

MINUTE = 60
# Several waves of short jobs share an allocation up to this long: longer ones wait longer in the
# queue, and many short ones spend their time on starting.
USUAL_WALLTIME = 4 * 3600
# Torc starts the workers of large allocations spread over a minute.
_STAGGERED_START = 60


def whole_minutes(seconds: int) -> int:
    """Rounded up, at least one."""
    return max(1, -(-seconds // MINUTE)) * MINUTE


def margin(workload: Workload) -> int:
    """Seconds of an allocation in which no job may count on running.

    Enough in both modes: where Slurm runs the jobs, Torc keeps a minute and rounds down to whole
    ones, and where its worker does, that begins to stop them up to two minutes before the end.
    """
    return HEAD_ROOM + (_STAGGERED_START if workload.starts_worker_on_each_node else 0)
