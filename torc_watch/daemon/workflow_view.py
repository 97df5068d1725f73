"""What the daemon shows of itself and of each workflow: plain values, quick to import."""

from dataclasses import dataclass
from enum import StrEnum

from torc_watch.core.waiting_plan import WaitingPlan
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.lease_rules import Holder


class Phase(StrEnum):
    STARTING = "starting"
    WATCHING = "watching"
    RESTING = "resting"  # no workers, but for too short a time to call it stuck
    RECOVERING = "recovering"
    WAITING = "waiting"  # for a server, a scheduler, another watch, or what ails its jobs to pass
    PAUSED = "paused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationsView:
    """How many allocations are open; ``details`` say what queued ones wait for.

    There are none where they only wait for their turn.
    """

    running: int = 0
    queued: int = 0
    unclear: int = 0
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowView:
    """Times are ISO 8601, UTC. ``counts`` has jobs by status, None before they were counted.

    ``name`` is empty before the first answer of the server, ``verdict`` before the watch ended;
    ``reason`` says why it waits or how it ended, ``waits_until`` when jobs may run again that have
    to wait for it, empty where none do. ``allocations`` is None before they were counted,
    ``proposal`` is the plan that waits for the user's approval. ``in_place_off`` says why failed
    jobs wait until no others run, empty where they need not, or that is what the user wants. The
    names are the keys of status.json and of the socket: they do not change.
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
    waits_until: str = ""
    allocations: AllocationsView | None = None
    proposal: WaitingPlan | None = None
    in_place_off: str = ""

    @property
    def key(self) -> WorkflowKey:
        return WorkflowKey(self.server, self.workflow_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonView:
    """``holder`` is the process of the daemon; ``at`` is when this was true, ISO 8601."""

    holder: Holder
    at: str
    workflows: tuple[WorkflowView, ...]
