"""Reads the daemon's log: JSON lines, in the current file and those rotated before it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, get_args

from pydantic import TypeAdapter, ValidationError

from torc_watch.core.errors import JournalError
from torc_watch.core.events import Verdict
from torc_watch.core.os_errors import describe_os_error
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.daemon_events import DaemonEvent, WorkflowEvent
from torc_watch.host.file_lock import still_has_name
from torc_watch.logs.records import records_of
from torc_watch.render.terminal_text import printable
from torc_watch.render.time_text import local_time

_KINDS = {kind.name: kind for kind in (*get_args(WorkflowEvent), *get_args(DaemonEvent))}
_VERDICTS = {verdict.label: verdict for verdict in Verdict}
_COMMON = ("timestamp", "level", "event", "server")  # what a line has beside the event's fields


def all_lines(path: Path) -> Iterator[str]:
    """All lines, the oldest first. Raises JournalError."""
    older = [file for file in path.parent.glob(f"{path.name}.*") if file.suffix[1:].isdecimal()]
    with _translated(path):
        for name in [*sorted(older, key=lambda file: -int(file.suffix[1:])), path]:
            if file := _opened(name):
                with file:
                    yield from _whole_lines(file)


def followed_lines(path: Path, wait: Callable[[], None]) -> Iterator[str]:
    """The lines of the current file, and those written from now on, also after rotations.

    Never ends: ``wait`` is called whenever there is no new line. Raises JournalError.
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


def is_of(line: str, key: WorkflowKey) -> bool:
    """Whether it is about this workflow, of this server."""
    if str(key.workflow_id) not in line:
        return False
    values = _values(line)
    return (values.get("workflow_id"), values.get("server")) == (key.workflow_id, key.server)


def sentences(line: str) -> Iterator[str]:
    """A line as sentences; a line that this version does not know is shown as it is."""
    values = _values(line)
    if "event" not in values or "timestamp" not in values:
        yield printable(line)
        return
    when = local_time(values["timestamp"])
    try:
        messages = _messages(values)
    except (ValidationError, KeyError):
        rest = (f"{name}={value}" for name, value in values.items() if name not in _COMMON)
        messages = [printable(" ".join((values["event"], *rest)))]
    for message in messages:
        yield f"{when} {message}"


def _messages(values: dict[str, Any]) -> list[str]:
    kind = _KINDS[values["event"]]
    fields = {name: value for name, value in values.items() if name not in _COMMON}
    if "verdict" in fields:
        fields["verdict"] = _VERDICTS[fields["verdict"]]
    event = _reader(kind).validate_python(fields)
    records = records_of(event, values.get("server"))
    return [record.message for record in records if not record.is_of_job]


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
        raise JournalError(f"The log {path} cannot be read: {describe_os_error(error)}") from error


def _opened(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def _until_rotated(path: Path, file: BinaryIO, wait: Callable[[], None]) -> Iterator[str]:
    while still_has_name(path, file):
        yield from _whole_lines(file)
        wait()
    yield from _whole_lines(file)  # no writer uses it any more


def _whole_lines(file: BinaryIO) -> Iterator[str]:
    """Up to the end; an incomplete last line is left for the next call."""
    while True:
        before = file.tell()
        line = file.readline()
        if not line.endswith(b"\n"):
            file.seek(before)
            return
        yield line.decode(errors="replace").rstrip()
