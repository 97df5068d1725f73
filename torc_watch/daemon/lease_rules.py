"""When a daemon may take over a lease: judged by heartbeats, never by clocks."""

from dataclasses import dataclass
from enum import Enum

from torc_watch.host.processes import Liveness, ProcessSpace, liveness


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process that holds the lease or would like to.

    ``boot`` and ``namespace`` are those of its ProcessSpace; ``started`` is the process's start in
    clock ticks since boot, since PIDs are reused. ``patience`` is for how many seconds its
    heartbeat may stand still; it is 0 in the record of a version that did not store it.
    """

    host: str
    boot: str
    namespace: str
    pid: int
    started: int
    version: str
    since: str
    patience: float = 0.0

    @property
    def space(self) -> ProcessSpace:
        return ProcessSpace(self.boot, self.namespace)

    def liveness(self, seen_from: ProcessSpace) -> Liveness:
        """Whether the process is alive; ``seen_from`` is the space of the process that asks."""
        return liveness(self.pid, self.started, self.space, seen_from=seen_from)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """The newest epoch as it was read; ``heartbeat`` is any number that changes with each beat.

    ``holder`` is None when the record cannot be read.
    """

    epoch: int
    heartbeat: int
    holder: Holder | None


RELEASED = 0  # the heartbeat of a lease that its holder released


class LeaseState(Enum):
    HELD = "held"
    VACANT = "vacant"


def lease_state(
    seen: Sighting | None, me: Holder, *, holder: Liveness, unchanged_for: float
) -> LeaseState:
    """Whether ``me`` may take the lease.

    ``holder`` is the liveness of the holder's process. ``unchanged_for`` is for how many seconds
    ``me`` has seen the same heartbeat: a takeover needs the longer patience of the two.
    """
    if seen is None or seen.heartbeat == RELEASED or holder is Liveness.GONE:
        return LeaseState.VACANT
    patience = max(me.patience, seen.holder.patience if seen.holder else 0.0)
    return LeaseState.VACANT if unchanged_for >= patience else LeaseState.HELD
