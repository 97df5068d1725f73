"""What is known of a failure, fact by fact, and how sure a cause is because of it."""

from dataclasses import dataclass
from enum import StrEnum

from torc_watch.core.cause import Cause


class Source(StrEnum):
    """Who says it, in the order of trust."""

    ALLOCATION = "allocation"  # its end, as the scheduler has it
    STEP = "slurm step"
    SLURMSTEPD = "slurmstepd"  # and srun, in what the job has written
    KERNEL = "kernel"
    OUTPUT = "output"
    EXIT_CODE = "exit code"
    USAGE = "usage"
    SIBLINGS = "siblings"


class Confidence(StrEnum):
    """How sure it is that the cause is the right one."""

    PROVEN = "proven"
    LIKELY = "likely"
    GUESS = "guess"

    @property
    def lowered(self) -> "Confidence":
        return Confidence.LIKELY if self is Confidence.PROVEN else Confidence.GUESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """``text`` is a phrase for users, with the line of the ``file``, if it is from one.

    ``cause`` is what it speaks for, None where it does not say.
    """

    source: Source
    text: str
    file: str | None = None
    cause: Cause | None = None


NO_OUTPUT = Fact(source=Source.OUTPUT, text="it has no output file")
NOT_READ = Fact(source=Source.OUTPUT, text="its output was not read in time")
ALLOCATIONS_NOT_READ = Fact(
    source=Source.OUTPUT, text="the output of allocations was not read in time"
)


def unreadable(file: str, why: str) -> Fact:
    return Fact(source=Source.OUTPUT, text=f"its output cannot be read: {why}", file=file)
