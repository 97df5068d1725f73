"""Events as records for people and journald: a sentence, a level and journal fields each."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from uuid import UUID, uuid5

from torc_watch.core import events
from torc_watch.core.events import Verdict
from torc_watch.daemon import daemon_events
from torc_watch.daemon.daemon_events import DaemonEvent, WorkflowEvent
from torc_watch.daemon.lease_rules import Holder
from torc_watch.render.terminal_text import printable
from torc_watch.render.transcript import Transcript

_NAMESPACE = UUID("6f1d3c5e-0b7a-4f0e-9a64-2f5f0a6c9c11")


class LogLevel(IntEnum):
    """With syslog's numbers, which are journald's PRIORITY: the lower the more severe."""

    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6
    DEBUG = 7


_LEVELS: dict[type[WorkflowEvent | DaemonEvent], LogLevel] = {
    events.OutputUnread: LogLevel.WARNING,
    events.SuspectsFound: LogLevel.WARNING,
    events.WatchCrashed: LogLevel.ERROR,
    events.PollFailed: LogLevel.WARNING,
    events.WatchPostponed: LogLevel.WARNING,
    events.RecoveryAbandoned: LogLevel.WARNING,
    events.OrphansFound: LogLevel.WARNING,
    events.OrphanProcessesEnded: LogLevel.WARNING,
    events.RemnantsEnded: LogLevel.WARNING,
    events.RemnantsUnclear: LogLevel.WARNING,
    events.AllocationFailed: LogLevel.WARNING,
    events.AllocationUnstartable: LogLevel.WARNING,
    events.AllocationsUnclear: LogLevel.WARNING,
    events.SubmissionCutShort: LogLevel.WARNING,
    events.SigtermLeadRefused: LogLevel.WARNING,
    events.WorkflowFailed: LogLevel.WARNING,
    events.WorkflowStalled: LogLevel.WARNING,
    daemon_events.CommandRefused: LogLevel.WARNING,
    daemon_events.CommandUnreadable: LogLevel.WARNING,
    daemon_events.StateTrouble: LogLevel.ERROR,
    daemon_events.StateSetAside: LogLevel.ERROR,
    daemon_events.LeaseGone: LogLevel.WARNING,
    daemon_events.ControlMissing: LogLevel.WARNING,
    daemon_events.NewsFailed: LogLevel.WARNING,
    daemon_events.MetricsUnwritten: LogLevel.WARNING,
    daemon_events.LeaseTaken: LogLevel.NOTICE,
    daemon_events.StopRequested: LogLevel.NOTICE,
    daemon_events.LeaseHeldElsewhere: LogLevel.NOTICE,
    events.RecoveryPlanned: LogLevel.NOTICE,
    events.RecoveryInitiated: LogLevel.NOTICE,
    events.RetryPostponed: LogLevel.NOTICE,
    events.PlanProposed: LogLevel.NOTICE,
    events.PlanApproved: LogLevel.NOTICE,
    events.JobsUnserved: LogLevel.NOTICE,
    events.AllocationsUnneeded: LogLevel.NOTICE,
    events.JobsStranded: LogLevel.WARNING,
    events.AllocationSubmitted: LogLevel.NOTICE,
    events.SigtermLeadSet: LogLevel.NOTICE,
    events.WorkflowSucceeded: LogLevel.NOTICE,
    events.JobsCounted: LogLevel.DEBUG,
    events.AllocationsCounted: LogLevel.DEBUG,
    events.Polled: LogLevel.DEBUG,
    events.PollDeferred: LogLevel.DEBUG,
}
_MAX_SUBJECT = 200
_MAX_REASON = 500
_OutsideEvent = daemon_events.NewsSent | daemon_events.NewsFailed | daemon_events.MetricsUnwritten
_GOOD_VERDICTS = (Verdict.SUCCEEDED, Verdict.RESUBMITTED)


@dataclass(frozen=True, slots=True)
class Record:
    """``fields`` are those of the journal, by their names there.

    One that ``is_of_job`` says of one job, for searches in the journal, what those before it say
    of several.
    """

    level: LogLevel
    message: str
    fields: dict[str, str]
    is_of_job: bool = False


def level_of(event: WorkflowEvent | DaemonEvent) -> LogLevel:
    if isinstance(event, events.WatchEnded):
        return LogLevel.NOTICE if event.verdict in _GOOD_VERDICTS else LogLevel.ERROR
    if isinstance(event, daemon_events.ConfigurationRead) and event.problem:
        return LogLevel.WARNING
    return _LEVELS.get(type(event), LogLevel.INFO)


def message_id(event_name: str) -> str:
    """The journal's MESSAGE_ID of all events of that name; the same in every version."""
    return uuid5(_NAMESPACE, event_name).hex


def records_of(event: WorkflowEvent | DaemonEvent, server: str | None) -> Iterator[Record]:
    """``server`` is the URL of the workflow's; None for an event of the daemon itself."""
    if isinstance(event, DaemonEvent):
        yield record_of_daemon(event)
    else:
        yield from _records_of_workflow(event, server or "")


def _records_of_workflow(event: WorkflowEvent, server: str) -> Iterator[Record]:
    fields = {
        "EVENT": event.name,
        "MESSAGE_ID": message_id(event.name),
        "TORC_SERVER": server,
        "WORKFLOW_ID": str(event.workflow_id),
        **_journal_fields(event),
    }
    for message in filter(None, map(str.strip, _lines(event))):
        yield Record(level_of(event), f"[{event.workflow_id}] {message}", fields)
    if isinstance(event, events.RecoveryPlanned):
        for retry in event.plan.retries:
            message = f"{printable(retry.job_name)} is retried: {printable(retry.reason)}"
            of_job = fields | {"JOB_ID": str(retry.job_id)}
            text = f"[{event.workflow_id}] {message}"
            yield Record(LogLevel.INFO, text, of_job, is_of_job=True)


def record_of_daemon(event: DaemonEvent) -> Record:
    fields = {"EVENT": event.name, "MESSAGE_ID": message_id(event.name)}
    if isinstance(event, _OutsideEvent):
        return Record(level_of(event), _sentence_of_outside(event), fields)
    return Record(level_of(event), _sentence(event), fields)


def _lines(event: WorkflowEvent) -> Iterator[str]:
    match event:
        case events.WatchPostponed():
            yield f"{event.reason} Retrying in {event.retry_in:.0f}s."
        case daemon_events.CommandApplied():
            yield f"{event.verb}: done."
        case daemon_events.CommandRefused():
            add = f"torc-watchd add {event.workflow_id}"
            yield f"{event.verb}: refused, not in the daemon's list. Add it first: {add}"
        case events.WatchStarted():  # the daemon always counts: nobody asked for it
            yield from Transcript().lines(replace(event, show_job_counts=False))
        case events.AllocationSubmitted():
            kind = event.scheduler.capitalize()
            yield f"Submitted {kind} allocation {event.scheduler_id} ({event.token})"
        case events.WatchEnded(verdict=Verdict.SUCCEEDED):
            yield f"Ended: succeeded. {event.reason}"
        case events.WatchEnded():
            yield f"Ended: {event.verdict.label}."
            yield from Transcript().lines(event)
        case _:
            yield from Transcript().lines(event)


def _journal_fields(event: WorkflowEvent) -> dict[str, str]:
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
        case daemon_events.CommandUnreadable():
            words = f"Invalid command in the spool. {event.problem} It was moved to {event.kept}."
        case daemon_events.LeaseTaken():
            words = f"This torc-watchd is active. Workflows: {event.workflows}."
        case daemon_events.LeaseHeldElsewhere():
            words = f"Standing by: {_holder_text(event.holder)}."
        case daemon_events.LeaseGone():
            words = "Another torc-watchd of yours has taken over. Standing by."
        case daemon_events.StateTrouble():
            words = f"{event.reason} Retrying in {event.retry_in:.0f}s."
        case daemon_events.StateSetAside():
            words = (
                f"{event.problem} It was moved to {event.kept}, and the list of workflows is lost. "
                "Add them again: torc-watchd add ID"
            )
        case daemon_events.ControlMissing():
            words = f"No control socket: {event.reason} Commands take effect some seconds later."
        case daemon_events.ConfigurationRead():
            kept = f"The configuration was not reloaded: {event.problem}"
            words = kept if event.problem else "The configuration was reloaded."
        case daemon_events.StopRequested():
            words = f"Stopping on {event.signal}, after the rounds in progress."
    return words


def _sentence_of_outside(event: _OutsideEvent) -> str:
    """Of what leaves the daemon: news and metrics."""
    match event:
        case daemon_events.MetricsUnwritten():
            return event.reason
        case daemon_events.NewsSent(news=1):
            return f"News sent by {event.channel}: {printable(event.subject, _MAX_SUBJECT)}"
        case daemon_events.NewsSent():
            return f"News sent by {event.channel}: a digest of {event.news}"
    reason = printable(event.reason, _MAX_REASON)
    if event.retry_in is None:
        return f"{event.news} news given up, which {event.channel} did not send: {reason}"
    return f"News not sent by {event.channel}: {reason} Retrying in {event.retry_in:.0f}s."


def _holder_text(holder: Holder | None) -> str:
    if holder is None:
        return "the record of the active daemon cannot be read"
    return (
        f"the daemon on {holder.host} holds the lease (process {holder.pid}, since {holder.since})"
    )
