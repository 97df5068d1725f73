"""Walltimes of allocations: what their jobs need, and what the worker needs beside them."""

from torc_watch.core.allocation_plan import HEAD_ROOM

MINUTE = 60
# Several waves of short jobs share an allocation up to this long: longer ones wait longer in the
# queue, and many short ones spend their time on starting.
USUAL_WALLTIME = 4 * 3600
# Seconds of an allocation in which no job may count on running. Enough in both modes: where Slurm
# runs the jobs, Torc keeps a minute and rounds down to whole ones, and where its worker does, that
# begins to stop them up to two minutes before the end.
MARGIN = HEAD_ROOM


def whole_minutes(seconds: int) -> int:
    """Rounded up, at least one."""
    return max(1, -(-seconds // MINUTE)) * MINUTE
