"""The journal for commands that only show it: neither creates nor changes the file."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from torc_watch.core.errors import JournalBusy, JournalCorrupt, JournalError
from torc_watch.core.os_errors import describe_os_error
from torc_watch.engine.database import (
    has_hot_journal,
    is_busy,
    is_damage,
    locked_error,
    missing_locks,
    refuse_newer,
)

_BUSY_TIMEOUT = 10.0  # seconds to wait for a process that is writing
_ATTEMPTS = 3  # to copy a file that others may be changing


@contextmanager
def open_journal(path: Path) -> Iterator[sqlite3.Connection | None]:
    """None if the file does not exist.

    Where a process was killed while it changed the journal, this is a copy without that change:
    whoever changes the journal next restores the file itself, under the locks that this needs.
    Raises JournalError, JournalBusy and JournalCorrupt.
    """
    try:
        if not _exists(path):
            yield None
        elif is_cut_off(path):
            with TemporaryDirectory(prefix="torc-watchd-") as folder:
                _copy(path, Path(folder) / path.name)
                with closing(_connect(Path(folder) / path.name, "rw")) as database:
                    yield database
        else:
            with closing(_connect(path, "ro")) as database:
                yield database
    except (sqlite3.Error, OSError) as error:
        raise _translated(error, path) from error


@contextmanager
def open_table(path: Path, table: str) -> Iterator[sqlite3.Connection | None]:
    """None if the journal or its table does not exist. Raises as open_journal does."""
    with open_journal(path) as database:
        if database is None:
            yield None
            return
        found = database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,))
        yield database if found.fetchone() else None


def check_readable(database: sqlite3.Connection, path: Path) -> None:
    """Reads the whole journal, however long that takes.

    Raises JournalCorrupt for any damage, and JournalError if a newer version wrote it.
    """
    (problem,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if problem != "ok":
        raise _damaged(path, f"{problem}.")
    (version,) = database.execute("PRAGMA user_version").fetchone()
    refuse_newer(path, int(version))


def is_cut_off(path: Path) -> bool:
    """Whether a change of the journal was interrupted, and is not undone yet.

    Raises sqlite3.Error and OSError.
    """
    with closing(_connect(path, "ro")) as database:
        try:
            database.execute("SELECT 1 FROM sqlite_master")
        except sqlite3.Error as error:
            if has_hot_journal(error):
                return True
            raise
    return False


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=_BUSY_TIMEOUT
    )
    database.row_factory = sqlite3.Row
    return database


def _copy(path: Path, copy: Path) -> None:
    """Copies the file, and what SQLite keeps beside it to undo a change. Raises JournalBusy."""
    undo, copied_undo = (each.with_name(f"{each.name}-journal") for each in (path, copy))
    for _ in range(_ATTEMPTS):
        before = _state(path), _state(undo)
        shutil.copyfile(path, copy)
        shutil.copyfile(undo, copied_undo)
        if (_state(path), _state(undo)) == before:
            return
    # A process on another login node, whose locks are not visible here.
    raise JournalBusy(f"Another process is changing the journal {path}. Try again.")


def _state(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _exists(path: Path) -> bool:
    """Raises OSError if that is unknown: since Python 3.14 `Path.exists` returns False then."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _translated(error: sqlite3.Error | OSError, path: Path) -> JournalError:
    if missing := missing_locks(error, path):
        return missing
    if is_busy(error):
        return locked_error(path)
    reason = describe_os_error(error) if isinstance(error, OSError) else f"{error}."
    if is_damage(error):
        return _damaged(path, reason)
    return JournalError(f"The journal {path} cannot be read: {reason}")


def _damaged(path: Path, reason: str) -> JournalCorrupt:
    return JournalCorrupt(
        f"The journal {path} is damaged: {reason} The next daemon renames it and begins an empty "
        "one: torc-watchd run"
    )
