"""A log file that several processes append to, such as daemon.log: active and standby daemons.

The first writer that finds it full renames it; a writer that finds it renamed or removed opens a
new one. Nothing is buffered, so that each line stays in one piece among those of other writers.
"""

import os
from contextlib import suppress
from io import FileIO
from pathlib import Path

from torc_watch.host.file_lock import still_has_name, try_lock

_MAX_SIZE = 10 * 2**20  # bytes of a file
_BACKUPS = 5  # older files that are kept


class RotatingFile:
    """A full disk or missing folder loses lines and raises nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO | None = None
        self._gap = b""  # written first, after a line for which there was not enough room

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
            self._file = self._reopen()
        if os.fstat(self._file.fileno()).st_size >= _MAX_SIZE:
            with suppress(OSError):  # then the file grows
                self._rotate(self._file)
                self._file = self._reopen()
        return self._file

    def _reopen(self) -> FileIO:
        file = FileIO(os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "w")
        self.close()
        return file

    def _rotate(self, file: FileIO) -> None:
        """Done by one of the writers that find the file full, on any login node, for all."""
        if not (try_lock(file) and still_has_name(self._path, file)):
            return
        for number in range(_BACKUPS, 1, -1):
            with suppress(FileNotFoundError):
                self._backup(number - 1).replace(self._backup(number))
        self._path.replace(self._backup(1))

    def _backup(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
