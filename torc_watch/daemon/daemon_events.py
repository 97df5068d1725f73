"""Events of the daemon itself, beside the engine's: commands, its lease, its state folder.

The names of events and fields are those in daemon.log: they do not change.
"""

from dataclasses import dataclass
from typing import ClassVar

from torc_watch.core.events import Event
from torc_watch.daemon.commands import Action
from torc_watch.daemon.lease_rules import Holder


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandApplied:
    """The daemon applied a user's command."""

    name: ClassVar = "order.followed"
    workflow_id: int
    verb: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRefused:
    """The command was for a workflow that is not in the daemon's list."""

    name: ClassVar = "order.refused"
    workflow_id: int
    verb: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandUnreadable:
    """A file in the spool is not a valid command; ``kept`` is the path to which it was moved."""

    name: ClassVar = "order.unreadable"
    problem: str
    kept: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTaken:
    """This daemon took the lease and is the active one from now on."""

    name: ClassVar = "lease.taken"
    workflows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseHeldElsewhere:
    """Another daemon is active; this one is on standby. ``holder`` is None if unreadable."""

    name: ClassVar = "lease.held_elsewhere"
    holder: Holder | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseGone:
    """Another daemon has taken over: this one has stopped all its work and is on standby."""

    name: ClassVar = "lease.lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateTrouble:
    """The state folder cannot be read or written; the daemon changes nothing until it can."""

    name: ClassVar = "state.trouble"
    reason: str
    retry_in: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSetAside:
    """The journal is damaged: the daemon renamed it to ``kept`` and starts with an empty one."""

    name: ClassVar = "state.set_aside"
    problem: str
    kept: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlMissing:
    """The daemon has no socket; clients use the spool and status.json, which takes longer."""

    name: ClassVar = "control.missing"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationRead:
    """The daemon reloaded its configuration; ``problem`` says why it kept the old one."""

    name: ClassVar = "configuration.read"
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsSent:
    """So many pieces of news went by a channel, in one message; ``subject`` is the first one's."""

    name: ClassVar = "news.sent"
    channel: str
    news: int
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsFailed:
    """A channel did not send so many pieces of news; ``retry_in`` is None where they are given up.

    Later attempts that fail, too, are not reported.
    """

    name: ClassVar = "news.failed"
    channel: str
    news: int
    reason: str
    retry_in: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsUnwritten:
    """The metrics file cannot be written; the next attempt is in a minute."""

    name: ClassVar = "metrics.unwritten"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequested:
    """The daemon received ``signal``, such as SIGTERM, and stops after the rounds under way."""

    name: ClassVar = "daemon.stopping"
    signal: str


# What concerns one workflow: from its watch, or from the daemon.
WorkflowEvent = Event | CommandApplied | CommandRefused

DaemonEvent = (
    CommandUnreadable
    | StopRequested
    | LeaseTaken
    | LeaseHeldElsewhere
    | LeaseGone
    | StateTrouble
    | StateSetAside
    | ControlMissing
    | ConfigurationRead
    | NewsSent
    | NewsFailed
    | MetricsUnwritten
)
