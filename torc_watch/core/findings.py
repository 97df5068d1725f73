"""Why one job failed."""

from dataclasses import dataclass
from datetime import datetime

from torc_watch.core.cause import REMEDIES, Cause, Remedy
from torc_watch.core.clue import Clue
from torc_watch.core.fact import ALLOCATIONS_NOT_READ, NOT_READ, Confidence, Fact
from torc_watch.core.model import Job, Requirements


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """``reason`` is a phrase for the user that says what was observed.

    ``clue`` is the line of output that proves the cause, if one does, and ``contradictions`` are
    those that speak for another. ``ended`` is when the attempt did. ``fingerprint`` is what it has
    in common with failures for the same reason, None where nothing is known of that. ``node`` is
    the name of the node that it ran on, as the scheduler has it. ``facts`` are all that is known,
    in the order of trust.
    """

    job: Job
    cause: Cause
    reason: str
    requirements: Requirements | None
    peak_memory: int | None = None
    ran: float | None = None  # seconds
    run_id: int | None = None  # of its result, None without one
    ended: datetime | None = None
    clue: Clue | None = None
    contradictions: tuple[Clue, ...] = ()
    fingerprint: str | None = None
    node: str | None = None
    confidence: Confidence = Confidence.LIKELY
    facts: tuple[Fact, ...] = ()

    @property
    def was_read(self) -> bool:
        """Whether there was time to read what the job and allocations have written."""
        return NOT_READ not in self.facts and ALLOCATIONS_NOT_READ not in self.facts

    @property
    def remedy(self) -> Remedy:
        """That of the rule, unless something else than its line was to blame."""
        clue = self.clue
        own = clue.remedy if clue and clue.cause is self.cause else None
        return own or REMEDIES[self.cause]
