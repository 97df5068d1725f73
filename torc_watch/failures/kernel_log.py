"""What the kernel of a node says of processes that it killed for their memory."""

import re
from contextlib import suppress
from datetime import datetime

from torc_watch.core.memory_kill import MemoryKill

_TIME = re.compile(r"^\[(\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4})\]")  # of dmesg --ctime
# Of a kernel since 4.19, of an older one, and of one that kills all of a cgroup together.
_CGROUP = re.compile(r"oom-kill:.*?\btask_memcg=([^,\s]*)|\bTasks? in (\S+)")
_STEP = re.compile(r"/job_(\d+)/step_(\w+)")
_KILLED = re.compile(r"\bKilled process (\d+) \((.*?)\)(?:[ ,]|$)")
_LONGEST_LINE = 1000  # characters that are looked at; the kernel's own lines are shorter
_MAX_LINE = 300  # characters of a line that is quoted


def memory_kills(text: str, file: str) -> tuple[MemoryKill, ...]:
    """The kills in cgroups of Slurm's steps, in their order; those of other processes are none."""
    found: list[MemoryKill] = []
    step = ""
    for whole in text.splitlines():
        line = whole[:_LONGEST_LINE]
        if cgroup := _CGROUP.search(line):
            place = _STEP.search(cgroup[1] or cgroup[2] or "")
            step = f"{place[1]}.{place[2]}" if place else ""
        killed = _KILLED.search(line)
        if killed and step:
            found.append(
                MemoryKill(
                    step=step,
                    pid=int(killed[1]),
                    process=killed[2],
                    line=line.strip()[:_MAX_LINE],
                    file=file,
                    at=_time_of(line),
                )
            )
    return tuple(found)


def _time_of(line: str) -> datetime | None:
    """Nodes have the time zone of the machine on which this runs."""
    if stamp := _TIME.match(line):
        with suppress(ValueError):
            return datetime.strptime(stamp[1], "%a %b %d %H:%M:%S %Y").astimezone()
    return None
