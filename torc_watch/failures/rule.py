"""One rule: which line of output proves which cause."""

from dataclasses import dataclass

from torc_watch.core.cause import Cause, Remedy
from torc_watch.core.clue import Weight

LINE = "line"  # a pattern's group of this name is the line that is quoted, of several


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """``pattern`` is in RE2's syntax, and is searched from the beginning of each line.

    ``says`` is a phrase for users, ``example`` a line that it matches. ``remedy`` takes the place
    of the one that belongs to the cause.
    """

    name: str
    cause: Cause
    pattern: str
    says: str
    weight: Weight = Weight.FATAL
    example: str = ""
    remedy: Remedy | None = None
