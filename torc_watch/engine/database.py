"""The database in which everything is kept that has to survive a crash.

Changes are committed one by one with full synchronisation; other processes wait for one at most.
A version of the program reads what every earlier one wrote, and refuses what a later one did.
"""

import errno
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from torc_watch.core.errors import JournalBusy, JournalCorrupt, JournalError, LeaseLost
from torc_watch.core.os_errors import describe_os_error
from torc_watch.host.processes import lockers_of

_WATCHES_AND_ROUNDS = """
CREATE TABLE watch (
    id INTEGER PRIMARY KEY,
    server TEXT NOT NULL,
    workflow_id INTEGER NOT NULL,
    created TEXT NOT NULL,
    began TEXT NOT NULL,
    ended TEXT,
    verdict TEXT
);
CREATE INDEX watch_of_workflow ON watch (server, workflow_id);
CREATE TABLE round (
    id INTEGER PRIMARY KEY,
    watch_id INTEGER NOT NULL REFERENCES watch (id),
    number INTEGER NOT NULL,
    run_id INTEGER NOT NULL,
    began TEXT NOT NULL,
    ended TEXT,
    outcome TEXT,
    UNIQUE (watch_id, number)
);
CREATE TABLE step (
    round_id INTEGER NOT NULL REFERENCES round (id),
    name TEXT NOT NULL,
    began TEXT NOT NULL,
    finished TEXT,
    record TEXT,
    PRIMARY KEY (round_id, name)
) WITHOUT ROWID;
"""
_WORKFLOWS_OF_THE_DAEMON = """
CREATE TABLE entry (
    server TEXT NOT NULL,
    workflow_id INTEGER NOT NULL,
    choices TEXT NOT NULL,
    condition TEXT NOT NULL,
    added TEXT NOT NULL,
    verdict TEXT,
    reason TEXT,
    PRIMARY KEY (server, workflow_id)
) WITHOUT ROWID;
"""
_WHO_HOLDS_THE_LEASE = """
CREATE TABLE tenure (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    lease TEXT NOT NULL
);
"""
_WHY_WATCHES_ENDED = "ALTER TABLE watch ADD COLUMN reason TEXT"
# Each brings the next version.
MIGRATIONS = (
    _WATCHES_AND_ROUNDS,
    _WORKFLOWS_OF_THE_DAEMON,
    _WHO_HOLDS_THE_LEASE,
    _WHY_WATCHES_ENDED,
)
_MEANT = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_IOERR: errno.EIO,
}
_SECONDS = 5.0  # to wait for whoever is writing


class Database:
    """Every method raises JournalError when the file cannot be read or written.

    ``lease`` is that of a daemon, under which the file was claimed.
    """

    def __init__(self, path: Path, lease: str | None = None) -> None:
        self.path = path
        self._lease = lease
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._database = sqlite3.connect(path, _SECONDS, isolation_level=None)
            self._database.row_factory = sqlite3.Row
            with ExitStack() as undone:
                undone.callback(self.close)
                self._prepare()
                undone.pop_all()

    def close(self) -> None:
        self._database.close()

    def one(self, statement: str, *values: object) -> sqlite3.Row | None:
        return next(iter(self.all(statement, *values)), None)

    def all(self, statement: str, *values: object) -> list[sqlite3.Row]:
        with self._translated():
            return self._database.execute(statement, values).fetchall()

    def write(self, statement: str, *values: object) -> int:
        """The id of the row, where one was inserted. Raises LeaseLost, for a daemon.

        A daemon that was stopped, and goes on, would write over what its successor wrote.
        """
        with self._translated(), self._alone():
            if self._lease is not None:
                self._ensure_ours()
            return self._database.execute(statement, values).lastrowid or 0

    def claim(self, lease: str) -> None:
        """From now on daemons under another lease are refused."""
        with self._translated():
            self._database.execute("INSERT OR REPLACE INTO tenure VALUES (1, ?)", (lease,))

    def _ensure_ours(self) -> None:
        row = self._database.execute("SELECT lease FROM tenure").fetchone()
        if row is None or row["lease"] != self._lease:  # none: in place of the file we had claimed
            raise LeaseLost("Another torc-watchd of yours has taken over.")

    def _prepare(self) -> None:
        # A rollback journal and full synchronisation: also right on a network file system, where a
        # write-ahead log is not. What is a local disk here may be a network's to another node.
        self._database.execute("PRAGMA journal_mode = TRUNCATE")
        self._database.execute("PRAGMA synchronous = FULL")
        if self._version() == len(MIGRATIONS):
            return
        with self._alone():
            version = self._version()
            if version > len(MIGRATIONS):
                raise JournalError(
                    f"The journal {self.path} was written by a newer torc-watch (format {version}, "
                    f"this one knows {len(MIGRATIONS)}). Upgrade torc-watch, or set "
                    "TORC_WATCHD_HOME to another folder."
                )
            for number, migration in enumerate(MIGRATIONS[version:], start=version + 1):
                for statement in migration.split(";"):
                    self._database.execute(statement)
                self._database.execute(f"PRAGMA user_version = {number}")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Other processes wait for us."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:  # not after a full disk
                self._database.execute("ROLLBACK")
            raise

    def _version(self) -> int:
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        return int(version)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, OverflowError) as error:
            if is_busy(error):
                raise locked(self.path) from error
            kind = JournalCorrupt if _is_damage(error) else JournalError
            raise kind(
                f"The journal {self.path} cannot be used: {describe_os_error(_of_the_system(error))} "
                "Nothing is changed without it. All goes on where it stopped: the daemon by "
                "itself, any other command when it is run again."
            ) from error


def check(path: Path) -> None:
    """Reads all of it, as long as that takes. Raises JournalCorrupt for any damage."""
    with closing(Database(path)) as state:
        for row in state.all("PRAGMA quick_check(1)"):
            if row[0] != "ok":
                raise JournalCorrupt(f"The journal {path} is damaged: {row[0]}.")


def set_aside(path: Path) -> Path:
    """Renames a damaged file, for somebody to look at; its new name. Raises OSError."""
    kept = path.with_name(f"{path.name}.damaged-{now()}")
    path.rename(kept)
    for suffix in ("-journal", "-wal"):  # what is left of a change that was cut off belongs to it
        with suppress(FileNotFoundError):
            path.with_name(f"{path.name}{suffix}").rename(f"{kept}{suffix}")
    return kept


def locked(path: Path) -> JournalBusy:
    """What to say of a journal in the middle of somebody's change that does not end."""
    who, how = "a process that cannot be seen from here, perhaps on another login node", "kill"
    if pids := " ".join(map(str, lockers_of(path))):
        who, how = f"process {pids} on {socket.gethostname()}", f"kill -KILL {pids}"
    return JournalBusy(
        f"The journal {path} is locked by {who}. Nothing is changed until it is free. If that "
        f"process was stopped, let it go on or end it ({how}): what it did is not lost."
    )


def is_busy(error: Exception) -> bool:
    """Whether another process has locked the database, and kept it so while we waited."""
    return _code_of(error) == sqlite3.SQLITE_BUSY


def has_hot_journal(error: Exception) -> bool:
    """Whether there is half a change, which only those who may write can undo."""
    code = error.sqlite_errorcode if isinstance(error, sqlite3.Error) else None
    return code == sqlite3.SQLITE_READONLY_ROLLBACK


def _of_the_system(error: Exception) -> OSError:
    """The error of the system that SQLite means."""
    if isinstance(error, OSError):
        return error
    return OSError(_MEANT.get(_code_of(error) or 0, 0), str(error))


def _is_damage(error: Exception) -> bool:
    return _code_of(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _code_of(error: Exception) -> int | None:
    """SQLite's, without what it may say in addition; None of errors that are not its own."""
    code = error.sqlite_errorcode if isinstance(error, sqlite3.Error) else None
    return None if code is None else code & 0xFF


def now() -> str:
    """ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
