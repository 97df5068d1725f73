"""A line of output that says why a job failed."""

from dataclasses import dataclass
from enum import IntEnum

from torc_watch.core.cause import Cause, Remedy


class Weight(IntEnum):
    """How far a line can be trusted; more is better."""

    ECHO = 0  # follows from the failure of something else
    HINT = 1  # an error that programs may survive
    FATAL = 2  # the line by which a program ends
    SCHEDULER = 3  # the scheduler itself says it


@dataclass(frozen=True, slots=True, kw_only=True)
class Clue:
    """``says`` is the phrase of the ``rule`` that found the ``line`` in ``file``.

    ``position`` counts characters from the beginning of what was read. ``remedy`` is the rule's
    own, None where that of its cause applies. ``fingerprint`` is the same for lines that differ in
    paths and numbers only, and, unless they are errors of the program, in what is quoted.
    """

    rule: str
    cause: Cause
    weight: Weight
    says: str
    line: str
    file: str
    position: int = 0
    fingerprint: str = ""
    remedy: Remedy | None = None


def leading(clues: tuple[Clue, ...]) -> Clue | None:
    """The one that counts: of the heaviest the first, since later errors follow from it.

    Files are in order of trust: a later one counts only where none before has a clue as heavy. Lack
    of memory comes before all that is as heavy: other errors are handled on the way to it.
    """
    files = list(dict.fromkeys(clue.file for clue in clues))

    def rank(clue: Clue) -> tuple[int, bool, int, int]:
        return -clue.weight, clue.cause is not Cause.OOM, files.index(clue.file), clue.position

    return min(clues, key=rank, default=None)
