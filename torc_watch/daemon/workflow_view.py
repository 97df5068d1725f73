"""What the daemon shows of itself and of each workflow: values that readers import in a moment."""

from dataclasses import dataclass
from enum import StrEnum

from torc_watch.daemon.lease_rules import Holder


class Phase(StrEnum):
    STARTING = "starting"
    WATCHING = "watching"
    RESTING = "resting"  # nothing runs it, for so short a time that something may yet
    RECOVERING = "recovering"
    WAITING = "waiting"  # for a server, a scheduler or another watch
    PAUSED = "paused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowView:
    """Times are ISO 8601, UTC. ``counts`` has jobs by status, None before they were counted.

    ``name`` is empty before a server said it, ``verdict`` before the watch ended; ``reason`` says
    why it waits or how it ended.
    """

    server: str
    workflow_id: int
    name: str = ""
    phase: Phase = Phase.STARTING
    counts: dict[str, int] | None = None
    round: int = 0
    max_retries: int | None = None
    last_event: str = ""
    last_event_at: str = ""
    next_look: str = ""
    verdict: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonView:
    """``holder`` is the process that acts; ``at`` is when this was true."""

    holder: Holder
    at: str
    workflows: tuple[WorkflowView, ...]
