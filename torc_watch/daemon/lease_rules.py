"""When a lease may be taken from whoever holds it: judged by heartbeats, never by clocks."""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process that holds the lease or would like to.

    ``boot`` and ``namespace`` say from where its number ``pid`` can be looked up; ``started`` is
    the process's start in clock ticks since boot, since numbers are reused. ``patience`` is for how
    many seconds its heartbeat may stand still, 0 in the record of a version that did not say so.
    """

    host: str
    boot: str
    namespace: str
    pid: int
    started: int
    version: str
    since: str
    patience: float = 0.0

    def shares_processes_with(self, other: "Holder") -> bool:
        return (self.boot, self.namespace) == (other.boot, other.namespace)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """The newest epoch as it was seen; ``heartbeat`` is any number that changes with each beat.

    ``holder`` is None when the record cannot be read.
    """

    epoch: int
    heartbeat: int
    holder: Holder | None


RELEASED = 0  # the heartbeat of a lease that its holder gave back


class LeaseState(Enum):
    HELD = "held"
    VACANT = "vacant"


def judge(
    seen: Sighting | None, me: Holder, *, is_running: bool, unchanged_for: float
) -> LeaseState:
    """Whether the lease may be taken.

    ``is_running`` says whether the holder's process was found, and counts only where the holder's
    processes can be looked up from here. ``unchanged_for`` is for how many seconds we have seen the
    same heartbeat: nobody is taken for gone sooner than either of us agrees to.
    """
    if seen is None or seen.heartbeat == RELEASED:
        return LeaseState.VACANT
    if seen.holder is not None and seen.holder.shares_processes_with(me) and not is_running:
        return LeaseState.VACANT
    patience = max(me.patience, seen.holder.patience if seen.holder else 0.0)
    return LeaseState.VACANT if unchanged_for >= patience else LeaseState.HELD
