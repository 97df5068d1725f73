"""Where the daemon logs: daemon.log, and systemd's journal or standard error."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from structlog.typing import EventDict

from torc_watch.daemon.daemon_events import DaemonEvent, WorkflowEvent
from torc_watch.logs.event_logger import Output, event_logger, json_lines, source
from torc_watch.logs.journald import JournalSender
from torc_watch.logs.records import LogLevel, Record, records_of
from torc_watch.logs.rotating_file import RotatingFile


class DaemonOutput:
    """Logs all events of a daemon but those for debugging."""

    def __init__(self, file: RotatingFile, write_record: Callable[[Record], None]) -> None:
        outputs = json_lines(file.write), _records(write_record)
        self._log = event_logger(*outputs, lowest=LogLevel.INFO)

    def report(self, event: WorkflowEvent, server: str) -> None:
        self._log.bind(server=server, workflow_id=event.workflow_id).log(event)

    def announce(self, event: DaemonEvent) -> None:
        self._log.log(event)


def open_daemon_output(home: Path) -> DaemonOutput:
    return DaemonOutput(RotatingFile(home / "daemon.log"), _open_records())


def _records(write: Callable[[Record], None]) -> Output:
    def output(entry: EventDict) -> None:
        for record in records_of(source(entry), entry.get("server")):
            with suppress(OSError):  # a journal that restarts, a terminal that was closed
                write(record)

    return output


def _open_records() -> Callable[[Record], None]:
    """Into the journal when standard error leads there, else lines on standard error."""
    if _stderr_is_the_journal():
        with suppress(OSError):
            return _into(JournalSender())
    return _print


def _stderr_is_the_journal() -> bool:
    status = os.fstat(sys.stderr.fileno())
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _into(journal: JournalSender) -> Callable[[Record], None]:
    def send(record: Record) -> None:
        fields = {
            "MESSAGE": record.message,
            "PRIORITY": str(record.level.value),
            "SYSLOG_IDENTIFIER": "torc-watchd",
        }
        journal.send(fields | record.fields)

    return send


def _print(record: Record) -> None:
    if record.is_of_job:
        return
    line = f"{datetime.now():%H:%M:%S} {record.message}"  # noqa: DTZ005 - for the user here
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is where they are to appear
