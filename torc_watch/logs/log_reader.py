"""The daemon's log, read back: JSON lines, over the files that they were rotated into."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any, BinaryIO, get_args

from pydantic import TypeAdapter, ValidationError

from torc_watch.core.errors import JournalError
from torc_watch.core.events import Verdict
from torc_watch.core.os_errors import what_is_wrong
from torc_watch.daemon.daemon_events import DaemonEvent, WorkflowEvent
from torc_watch.logs.records import record_of_daemon, records_of_workflow
from torc_watch.render.terminal_text import printable
from torc_watch.render.time_text import local_time

_KINDS = {kind.name: kind for kind in (*get_args(WorkflowEvent), *get_args(DaemonEvent))}
_VERDICTS = {verdict.label: verdict for verdict in Verdict}
_FRAME = ("timestamp", "level", "event", "server")  # what a line has beside the event's own fields


def all_lines(path: Path) -> Iterator[str]:
    """What is there, the oldest first. Raises JournalError."""
    older = [file for file in path.parent.glob(f"{path.name}.*") if file.suffix[1:].isdecimal()]
    with _translated(path):
        for name in [*sorted(older, key=lambda file: -int(file.suffix[1:])), path]:
            if file := _opened(name):
                with file:
                    yield from _whole_lines(file)


def followed_lines(path: Path, wait: Callable[[], None]) -> Iterator[str]:
    """What is in the newest file, and what is written from now on, also into those that follow it.

    Never ends: ``wait`` is called whenever there is nothing new. Raises JournalError.
    """
    with _translated(path):
        while True:
            if file := _opened(path):
                with file:
                    yield from _until_rotated(path, file, wait)
            else:
                wait()


def is_about(line: str, workflow_id: int) -> bool:
    return bool(_values(line).get("workflow_id") == workflow_id)


def sentences(line: str) -> Iterator[str]:
    """A line for people; what another version of this program wrote, as it is."""
    values = _values(line)
    if "event" not in values or "timestamp" not in values:
        yield printable(line)
        return
    when = local_time(values["timestamp"])
    try:
        messages = _messages(values)
    except (ValidationError, KeyError):
        rest = (f"{name}={value}" for name, value in values.items() if name not in _FRAME)
        messages = [printable(" ".join((values["event"], *rest)))]
    for message in messages:
        yield f"{when} {message}"


def _messages(values: dict[str, Any]) -> list[str]:
    kind = _KINDS[values["event"]]
    fields = {name: value for name, value in values.items() if name not in _FRAME}
    if "verdict" in fields:
        fields["verdict"] = _VERDICTS[fields["verdict"]]
    event = _reader(kind).validate_python(fields)
    if isinstance(event, get_args(DaemonEvent)):
        return [record_of_daemon(event).message]
    return [record.message for record in records_of_workflow(event, values["server"])]


@cache
def _reader(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _values(line: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except ValueError:  # cut off by a full disk
        return {}
    return values if isinstance(values, dict) else {}


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JournalError(f"The log {path} cannot be read: {what_is_wrong(error)}") from error


def _opened(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def _until_rotated(path: Path, file: BinaryIO, wait: Callable[[], None]) -> Iterator[str]:
    while is_at(path, file):
        yield from _whole_lines(file)
        wait()
    yield from _whole_lines(file)  # nobody writes there any more


def _whole_lines(file: BinaryIO) -> Iterator[str]:
    """Up to the end; what is being written of a line is left for the next time."""
    while True:
        before = file.tell()
        line = file.readline()
        if not line.endswith(b"\n"):
            file.seek(before)
            return
        yield line.decode(errors="replace").rstrip()


def is_at(path: Path, file: IO[bytes]) -> bool:
    """Whether the file that was opened still has its name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
