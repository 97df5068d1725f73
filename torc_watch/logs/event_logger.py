"""One structlog pipeline for all events: each at its own level, to one or several outputs.

An entry is structlog's event dict: ``event``, ``level`` and ``timestamp``, what was bound, such as
``server`` and ``workflow_id``, and the event's own fields. An output renders it and writes it.
"""

import dataclasses
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from torc_watch.core.events import Verdict
from torc_watch.daemon.daemon_events import DaemonEvent, WorkflowEvent
from torc_watch.logs.records import LogLevel, level_of

Output = Callable[[EventDict], None]

_SOURCE = "_source"  # the entry's key for the event itself, which no renderer shows


class EventLogger(structlog.BoundLoggerBase):
    """``bind`` returns one whose entries all have the given fields, such as the workflow's id."""

    def log(self, event: WorkflowEvent | DaemonEvent) -> None:
        """Raises what an output raises; outputs after that one do not get the event."""
        self._proxy_to_logger(level_of(event).name.lower(), event.name, **{_SOURCE: event})


def event_logger(*outputs: Output, lowest: LogLevel = LogLevel.DEBUG) -> EventLogger:
    """Events below ``lowest`` are dropped."""
    logger: EventLogger = structlog.wrap_logger(
        _Outputs(outputs),
        processors=[
            _drop_below(lowest),
            structlog.processors.add_log_level,
            _add_fields,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _as_argument,
        ],
        wrapper_class=EventLogger,
    )
    return logger


def json_lines(write: Callable[[str], None]) -> Output:
    """One JSON object per entry, without a newline."""
    return lambda entry: write(_json_line(entry))


def source(entry: EventDict) -> WorkflowEvent | DaemonEvent:
    """The event of an entry, for outputs that render it themselves."""
    event: WorkflowEvent | DaemonEvent = entry[_SOURCE]
    return event


class _Outputs:
    """structlog's innermost logger: it has a method for each level."""

    def __init__(self, outputs: tuple[Output, ...]) -> None:
        self._outputs = outputs

    def write(self, entry: EventDict) -> None:
        for output in self._outputs:
            output(entry)

    debug = info = notice = warning = error = write


def _drop_below(lowest: LogLevel) -> Processor:
    def drop(_: Any, method: str, entry: EventDict) -> EventDict:
        if LogLevel[method.upper()] > lowest:  # syslog counts downwards
            raise structlog.DropEvent
        return entry

    return drop


def _add_fields(_logger: Any, _method: str, entry: EventDict) -> EventDict:
    event = entry[_SOURCE]
    for field in dataclasses.fields(event):
        entry[field.name] = getattr(event, field.name)
    return entry


def _as_argument(
    _logger: Any, _method: str, entry: EventDict
) -> tuple[tuple[EventDict], EventDict]:
    return (entry,), {}


def _json_line(entry: EventDict) -> str:
    shown = {name: value for name, value in entry.items() if name != _SOURCE}
    line = _JSON(None, "", shown)
    return line if isinstance(line, str) else line.decode()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return value.label if isinstance(value, Verdict) else str(value)


_JSON = structlog.processors.JSONRenderer(default=_plain, sort_keys=False)
