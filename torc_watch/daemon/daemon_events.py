"""What the daemon reports beside the engine's events: commands, its lease, its state folder."""

from dataclasses import dataclass
from typing import ClassVar

from torc_watch.core.events import Event
from torc_watch.daemon.commands import Action
from torc_watch.daemon.lease_rules import Holder


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandApplied:
    """What a person asked of the daemon was taken in."""

    name: ClassVar = "order.followed"
    workflow_id: int
    verb: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRefused:
    """The order was for a workflow that the daemon does not know."""

    name: ClassVar = "order.refused"
    workflow_id: int
    verb: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandUnreadable:
    """Something in the spool is no order; ``kept`` is where it was put aside."""

    name: ClassVar = "order.unreadable"
    problem: str
    kept: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTaken:
    """From now on this daemon acts for its user."""

    name: ClassVar = "lease.taken"
    workflows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseHeldElsewhere:
    """Another daemon acts; this one stands by. ``holder`` is None when its record is unreadable."""

    name: ClassVar = "lease.held_elsewhere"
    holder: Holder | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseGone:
    """Another daemon has taken over: this one has stopped all it did, and stands by."""

    name: ClassVar = "lease.lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateTrouble:
    """The state folder does not answer as it should; nothing is changed until it does."""

    name: ClassVar = "state.trouble"
    reason: str
    retry_in: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSetAside:
    """The state is damaged: it was renamed to ``kept``, and nothing is known any more."""

    name: ClassVar = "state.set_aside"
    problem: str
    kept: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlMissing:
    """Nobody can poke or follow this daemon; the spool and status.json do as well, a bit later."""

    name: ClassVar = "control.missing"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationRead:
    """It was asked to read the configuration again; ``problem`` is why the old one stays."""

    name: ClassVar = "configuration.read"
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAsked:
    """It is to end: by ``signal``, as SIGTERM. Rounds under way come to their end first."""

    name: ClassVar = "daemon.stopping"
    signal: str


# What concerns one workflow: from its watch, or from the daemon.
WorkflowEvent = Event | CommandApplied | CommandRefused

DaemonEvent = (
    CommandUnreadable
    | StopAsked
    | LeaseTaken
    | LeaseHeldElsewhere
    | LeaseGone
    | StateTrouble
    | StateSetAside
    | ControlMissing
    | ConfigurationRead
)
