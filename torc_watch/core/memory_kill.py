"""A process that the kernel killed for its memory."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryKill:
    """``step`` is the one whose cgroup it was in, such as ``7.3``, or ``7.batch``.

    ``process`` is its name as the kernel has it, at most 15 characters. ``at`` is by the clock and
    the time zone of the node, None where the kernel's log has none. ``is_own`` says that the
    process surely was of the job that this is evidence for.
    """

    step: str
    pid: int
    process: str
    line: str
    file: str
    at: datetime | None = None
    is_own: bool = False
