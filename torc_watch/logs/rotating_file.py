"""daemon.log: JSON lines, appended to by all daemons of a person, those that stand by too.

Whoever finds it full renames it, and whoever finds that it was renamed, or removed, goes on in a
new one. Nothing is buffered, so that each line is in one piece between those of others.
"""

import os
from contextlib import suppress
from io import FileIO
from pathlib import Path

from torc_watch.host.file_lock import still_has_name, try_lock

_LARGEST = 10 * 2**20  # bytes of a file
_KEPT = 5  # older files


class DaemonLog:
    """What a full or vanished disk does not take is lost, and costs nothing else."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO | None = None
        self._gap = b""  # before the next line, when there was no room for the whole of the last

    def write(self, line: str) -> None:
        text = self._gap + line.encode() + b"\n"
        with suppress(OSError):
            written = self._current().write(text)
            self._gap = b"" if written == len(text) else b"\n"

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _current(self) -> FileIO:
        if self._file is None or not still_has_name(self._path, self._file):
            self._file = self._reopened()
        if os.fstat(self._file.fileno()).st_size >= _LARGEST:
            with suppress(OSError):  # then it grows
                self._make_room(self._file)
                self._file = self._reopened()
        return self._file

    def _reopened(self) -> FileIO:
        file = FileIO(os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "w")
        self.close()
        return file

    def _make_room(self, file: FileIO) -> None:
        """One of those who find the file full, on whichever login node, does it for all."""
        if not (try_lock(file) and still_has_name(self._path, file)):
            return
        for number in range(_KEPT, 1, -1):
            with suppress(FileNotFoundError):
                self._older(number - 1).replace(self._older(number))
        self._path.replace(self._older(1))

    def _older(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
