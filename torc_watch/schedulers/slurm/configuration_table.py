"""The configuration of a cluster, as ``scontrol show config`` prints it. Pure."""

import re

from torc_watch.core.errors import SchedulerError

_KILL_WAIT = re.compile(r"^KillWait *= *([0-9]+) sec", re.ASCII | re.MULTILINE)


def parse_kill_wait(text: str) -> int:
    """KillWait, in seconds. Raises SchedulerError where it is not in the answer."""
    if line := _KILL_WAIT.search(text):
        return int(line[1])
    raise SchedulerError(
        "`scontrol show config` does not say KillWait. Check whether this site replaces scontrol "
        "with a program of its own."
    )
