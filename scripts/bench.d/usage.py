"""CPU time and memory of running processes, from the kernel."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_MEMORY = re.compile(r"^(Rss|Pss): +(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds of CPU so far, without children, and MiB of memory now.

    ``resident`` counts shared memory for each process; ``proportional`` divides it among the
    processes that share it.
    """

    cpu: float
    resident: float
    proportional: float

    @classmethod
    def of(cls, pids: Iterable[int]) -> Self:
        """The sum of the processes. Raises an OSError if a process has ended."""
        each = [(_cpu_seconds(pid), _memory(pid)) for pid in pids]
        return cls(
            cpu=sum(cpu for cpu, _ in each),
            resident=sum(memory["Rss"] for _, memory in each),
            proportional=sum(memory["Pss"] for _, memory in each),
        )


def _cpu_seconds(pid: int) -> float:
    # The second field, the name, is in parentheses and may contain spaces.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = fields[11:13]
    return (int(user) + int(system)) * _TICK


def _memory(pid: int) -> dict[str, float]:
    """Rss and Pss in MiB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {name: int(kib) / 1024 for name, kib in _MEMORY.findall(text)}
