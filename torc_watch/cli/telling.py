"""Where the daemon says what happens: to systemd's journal, to a file, to whoever looks on."""

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from torc_watch.daemon.daemon_events import DaemonEvent, WorkflowEvent
from torc_watch.logs.event_log import json_line
from torc_watch.logs.journald import JournalSender
from torc_watch.logs.records import (
    LogLevel,
    Record,
    level_of,
    record_of_daemon,
    records_of_workflow,
)
from torc_watch.logs.rotating_file import DaemonLog


class Telling:
    """``records`` takes what people read, ``lines`` what machines do."""

    def __init__(self, records: Callable[[Record], None], file: DaemonLog) -> None:
        self._records = records
        self._file = file

    def report(self, event: WorkflowEvent, server: str) -> None:
        if level_of(event) is LogLevel.DEBUG:
            return
        self._file.write(json_line(event, server=server))
        self._tell(records_of_workflow(event, server))

    def announce(self, event: DaemonEvent) -> None:
        self._file.write(json_line(event))
        self._tell([record_of_daemon(event)])

    def _tell(self, records: Iterable[Record]) -> None:
        for record in records:
            with suppress(OSError):  # a journal that is restarted, a terminal that was closed
                self._records(record)


def open_records() -> Callable[[Record], None]:
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
    print(f"{datetime.now():%H:%M:%S} {record.message}", file=sys.stderr, flush=True)  # noqa: DTZ005


def open_telling(home: Path) -> Telling:
    return Telling(open_records(), DaemonLog(home / "daemon.log"))
