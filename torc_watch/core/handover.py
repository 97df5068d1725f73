"""What an evidence pack has: its files, what is left out of it, and how much room each may take."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from torc_watch.core.explanation import FailureGroup
from torc_watch.core.findings import Finding
from torc_watch.core.units import KIB, MIB

DEFAULT_SIZE = 50 * MIB
SMALLEST_SIZE = MIB
MOST_JOBS = 100  # of which there are logs
_LARGEST_HEAD = 64 * KIB
_LARGEST_TAIL = 256 * KIB
_SMALLEST = 2 * KIB
_FILES_OF_A_JOB = 3  # its output, and a share of the logs of its allocation
_SHARE_OF_ROWS = 4  # one in so many bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedFile:
    """``about`` says what is in it. ``note`` says what of it is left out, or is empty."""

    name: str
    size: int
    about: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """``redacted`` counts secrets that were taken out, by kind."""

    files: tuple[PackedFile, ...]
    left_out: tuple[LeftOut, ...] = ()
    redacted: dict[str, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def chosen_failures(groups: Sequence[FailureGroup], most: int = MOST_JOBS) -> tuple[Finding, ...]:
    """Of each reason the first, then of each the second, and so on: ``most`` in all."""
    rounds = zip_longest(*(group.findings for group in groups))
    chosen = [finding for each in rounds for finding in each if finding is not None]
    return tuple(chosen[:most])


def ends_of_logs(room: int, jobs: int) -> tuple[int, int]:
    """The bytes of the beginning and of the end of each log, where there are so many ``jobs``."""
    each = room // max(1, jobs * _FILES_OF_A_JOB)
    head = min(_LARGEST_HEAD, max(_SMALLEST, each // 5))
    return head, min(_LARGEST_TAIL, max(_SMALLEST, each - head))


def room_of_rows(room: int) -> int:
    return room // _SHARE_OF_ROWS


def lines_that_fit(lines: Sequence[str], room: int) -> Iterator[str]:
    """The last ones, in their order."""
    used = 0
    first = len(lines)
    while first and used + len(lines[first - 1].encode()) + 1 <= room:
        first -= 1
        used += len(lines[first].encode()) + 1
    yield from lines[first:]
