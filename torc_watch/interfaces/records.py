"""Events as entries of a log: a sentence each, how much it matters, and what it is about."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID, uuid5

from torc_watch.core import events
from torc_watch.core.events import DaemonEvent, Event, Verdict
from torc_watch.core.lease import Holder
from torc_watch.interfaces.printing import printable
from torc_watch.interfaces.transcript import Transcript

_NAMESPACE = UUID("6f1d3c5e-0b7a-4f0e-9a64-2f5f0a6c9c11")


class Level(IntEnum):
    """As syslog numbers them."""

    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6
    DEBUG = 7


_LEVELS: dict[type[Event | DaemonEvent], Level] = {
    events.WatcherBroke: Level.ERROR,
    events.LookFailed: Level.WARNING,
    events.WatchPostponed: Level.WARNING,
    events.RecoveryAbandoned: Level.WARNING,
    events.OrphansFound: Level.WARNING,
    events.LeftoversEnded: Level.WARNING,
    events.AllocationFailed: Level.WARNING,
    events.WorkflowFailed: Level.WARNING,
    events.WorkflowStalled: Level.WARNING,
    events.OrderRefused: Level.WARNING,
    events.OrderUnreadable: Level.WARNING,
    events.StateTrouble: Level.ERROR,
    events.StateSetAside: Level.ERROR,
    events.LeaseGone: Level.WARNING,
    events.ControlMissing: Level.WARNING,
    events.LeaseTaken: Level.NOTICE,
    events.StopAsked: Level.NOTICE,
    events.LeaseHeldElsewhere: Level.NOTICE,
    events.RecoveryPlanned: Level.NOTICE,
    events.RecoveryInitiated: Level.NOTICE,
    events.AllocationSubmitted: Level.NOTICE,
    events.WorkflowSucceeded: Level.NOTICE,
    events.JobsCounted: Level.DEBUG,
    events.Looked: Level.DEBUG,
    events.LookHeldUp: Level.DEBUG,
}
_GOOD_ENDS = (Verdict.SUCCEEDED, Verdict.RESUBMITTED)


@dataclass(frozen=True, slots=True)
class Record:
    """``fields`` are for systemd's journal, by the names that they have there."""

    level: Level
    message: str
    fields: dict[str, str]


def level_of(event: Event | DaemonEvent) -> Level:
    if isinstance(event, events.WatchEnded):
        return Level.NOTICE if event.verdict in _GOOD_ENDS else Level.ERROR
    if isinstance(event, events.ConfigurationRead) and event.problem:
        return Level.WARNING
    return _LEVELS.get(type(event), Level.INFO)


def message_id(event_name: str) -> str:
    """The journal's MESSAGE_ID of all events of that name, in any version of this program."""
    return uuid5(_NAMESPACE, event_name).hex


def records_of_workflow(event: Event, server: str) -> Iterator[Record]:
    fields = {
        "EVENT": event.name,
        "MESSAGE_ID": message_id(event.name),
        "TORC_SERVER": server,
        "WORKFLOW_ID": str(event.workflow_id),
        **_more(event),
    }
    for message in filter(None, map(str.strip, _lines(event))):
        yield Record(level_of(event), f"[{event.workflow_id}] {message}", fields)
    if isinstance(event, events.RecoveryPlanned):
        for retry in event.plan.retries:
            message = f"{printable(retry.job_name)} runs again: {printable(retry.reason)}"
            of_job = fields | {"JOB_ID": str(retry.job_id)}
            yield Record(Level.INFO, f"[{event.workflow_id}] {message}", of_job)


def record_of_daemon(event: DaemonEvent) -> Record:
    fields = {"EVENT": event.name, "MESSAGE_ID": message_id(event.name)}
    return Record(level_of(event), _sentence(event), fields)


def _lines(event: Event) -> Iterator[str]:
    match event:
        case events.WatchPostponed():
            yield f"{event.reason} Trying again in {event.retry_in:.0f}s."
        case events.OrderFollowed():
            yield f"{event.verb}: done."
        case events.OrderRefused():
            yield f"{event.verb}: not known here. Add it first: torc-watchd add {event.workflow_id}"
        case events.AllocationSubmitted():
            yield f"Submitted {event.scheduler} allocation {event.scheduler_id} ({event.token})"
        case events.WatchEnded(verdict=Verdict.SUCCEEDED):
            yield "Ended: succeeded."
        case events.WatchEnded():
            yield f"Ended: {event.verdict.label}."
            yield from Transcript().lines(event)
        case _:
            yield from Transcript().lines(event)


def _more(event: Event) -> dict[str, str]:
    match event:
        case events.RecoveryPlanned():
            return {"ROUND": str(event.plan.number), "TORC_RUN_ID": str(event.plan.run_id)}
        case events.RecoveryAttempted() | events.RecoveryContinued() | events.RecoveryInitiated():
            return {"ROUND": str(event.number)}
        case events.AllocationSubmitted(scheduler="slurm"):
            return {"SLURM_JOB_ID": str(event.scheduler_id)}
        case _:
            return {}


def _sentence(event: DaemonEvent) -> str:
    words = event.name
    match event:
        case events.OrderUnreadable():
            words = f"Something in the spool {event.problem}: set aside as {event.kept}."
        case events.LeaseTaken():
            words = f"This torc-watchd acts from now on. Workflows: {event.workflows}."
        case events.LeaseHeldElsewhere():
            words = f"Standing by: {holder_text(event.holder)}."
        case events.LeaseGone():
            words = "Another torc-watchd of yours has taken over. Standing by."
        case events.StateTrouble():
            words = f"{event.reason} Trying again in {event.retry_in:.0f}s."
        case events.StateSetAside():
            words = (
                f"{event.problem} It was set aside as {event.kept}; what was added is not known "
                "any more. Add the workflows again: torc-watchd add ID"
            )
        case events.ControlMissing():
            words = f"No control socket: {event.reason} Orders are taken in some seconds later."
        case events.ConfigurationRead():
            kept = f"The configuration stays as it was: {event.problem}"
            words = kept if event.problem else "The configuration was read again."
        case events.StopAsked():
            words = f"Stopping, for {event.signal}: rounds under way end first."
    return words


def holder_text(holder: Holder | None) -> str:
    if holder is None:
        return "the lease is held by somebody whose record cannot be read"
    return f"lease at {holder.host} (process {holder.pid}, since {holder.since})"
