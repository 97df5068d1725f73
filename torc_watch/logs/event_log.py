"""JSON lines for machines: every event of the engine, in the output folder of its workflow."""

import dataclasses
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import structlog

from torc_watch.core.events import Verdict
from torc_watch.daemon.daemon_events import DaemonEvent, WorkflowEvent


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return value.label if isinstance(value, Verdict) else str(value)


_RENDERER = structlog.wrap_logger(
    structlog.ReturnLogger(),
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.JSONRenderer(default=_plain, sort_keys=False),
    ],
)


def json_line(event: WorkflowEvent | DaemonEvent, **more: str) -> str:
    """One event with its fields; ``more`` are further ones."""
    fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    line: str = _RENDERER.info(event.name, **more, **fields)
    return line


class EventLog:
    """Appends to one file. A full disk costs the log its lines, never the watch its life."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._has_complained = False

    def write(self, event: WorkflowEvent) -> None:
        try:
            print(json_line(event), file=self._file, flush=True)
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        if not self._has_complained:
            self._has_complained = True
            print(  # noqa: T201 - the log itself is what cannot be written
                f"The log {self._file.name} cannot be written: {error.strerror}. Going on without.",
                file=sys.stderr,
            )


@contextmanager
def open_log(output_dir: Path, workflow_id: int) -> Iterator[EventLog]:
    """The log of one workflow on this host. Raises OSError when its folder cannot be made."""
    output_dir.mkdir(parents=True, exist_ok=True)
    path = output_dir / f"watch_{socket.gethostname()}_{workflow_id}.log"
    file = path.open("a", encoding="utf-8")
    try:
        yield EventLog(file)
    finally:
        with suppress(OSError):  # what a full disk could not take was complained about before
            file.close()
            if path.stat().st_size == 0:  # a watch that was refused has nothing to tell
                path.unlink()
