"""The log file of one watch, in the output folder of its workflow."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO


class WatchLog:
    """Appends lines to one file. A full disk loses lines and never stops the watch."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._has_complained = False

    def write(self, line: str) -> None:
        try:
            print(line, file=self._file, flush=True)
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        if not self._has_complained:
            self._has_complained = True
            print(  # noqa: T201 - the log itself cannot be written
                f"The log {self._file.name} cannot be written: {error.strerror}. "
                "The watch continues without it.",
                file=sys.stderr,
            )


def watch_log_path(output_dir: Path, workflow_id: int) -> Path:
    return output_dir / f"watch_{socket.gethostname()}_{workflow_id}.log"


@contextmanager
def open_watch_log(output_dir: Path, workflow_id: int) -> Iterator[WatchLog]:
    """The log of one workflow on this host. Raises OSError when its folder cannot be made."""
    output_dir.mkdir(parents=True, exist_ok=True)
    path = watch_log_path(output_dir, workflow_id)
    file = path.open("a", encoding="utf-8")
    try:
        yield WatchLog(file)
    finally:
        with suppress(OSError):  # lines that a full disk refused were reported before
            file.close()
            if path.stat().st_size == 0:  # the watch was refused and logged nothing
                path.unlink()
