"""The SQLite database for everything that has to survive a crash.

Each change is a transaction with full synchronization; other processes wait for one at most. A
version of the program reads what every earlier version wrote, and refuses what a later one wrote.
"""

import errno
import socket
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from torc_watch.core.errors import (
    JournalBusy,
    JournalCorrupt,
    JournalError,
    LeaseLost,
    LocksMissing,
)
from torc_watch.core.os_errors import describe_os_error
from torc_watch.host.file_lock import ensure_locks
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
_INCIDENTS_OF_NODES = """
CREATE TABLE node_incident (
    server TEXT NOT NULL,
    workflow_id INTEGER NOT NULL,
    created TEXT NOT NULL,
    run_id INTEGER NOT NULL,
    job_id INTEGER NOT NULL,
    job_name TEXT NOT NULL,
    cluster TEXT NOT NULL,
    node TEXT NOT NULL,
    cause TEXT NOT NULL,
    at TEXT NOT NULL,
    counts INTEGER NOT NULL,
    cleared TEXT,
    PRIMARY KEY (server, workflow_id, created, run_id, job_id)
) WITHOUT ROWID;
"""
_WHY_ROUNDS_ENDED = """
ALTER TABLE round ADD COLUMN reason TEXT;
ALTER TABLE round ADD COLUMN until TEXT
"""
_PLANS_THAT_WAIT = """
CREATE TABLE proposal (
    id INTEGER PRIMARY KEY,
    watch_id INTEGER NOT NULL REFERENCES watch (id),
    plan_id TEXT NOT NULL,
    plan TEXT NOT NULL,
    starts_at TEXT,
    reason TEXT NOT NULL,
    proposed TEXT NOT NULL,
    answer TEXT,
    answered_by TEXT,
    answered TEXT,
    answer_reason TEXT,
    ended TEXT,
    outcome TEXT
);
CREATE INDEX proposal_of_watch ON proposal (watch_id);
CREATE INDEX open_proposal ON proposal (id) WHERE ended IS NULL
"""
_NEWS = """
CREATE TABLE news (
    id INTEGER PRIMARY KEY,
    server TEXT NOT NULL,
    workflow_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    fact TEXT NOT NULL,
    channel TEXT NOT NULL,
    at TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    retired INTEGER NOT NULL DEFAULT 0,
    claimed TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt TEXT,
    sent TEXT,
    failed TEXT,
    problem TEXT
);
CREATE UNIQUE INDEX news_once ON news (server, workflow_id, kind, fact, channel) WHERE NOT retired;
CREATE INDEX news_of_channel ON news (channel, sent)
"""
_SIZES_OF_ATTEMPTS = """
CREATE TABLE sized_attempt (
    server TEXT NOT NULL,
    workflow_id INTEGER NOT NULL,
    created TEXT NOT NULL,
    job_id INTEGER NOT NULL,
    run_id INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    requirements TEXT,
    template TEXT NOT NULL,
    ending TEXT NOT NULL,
    memory INTEGER,
    runtime INTEGER,
    peak INTEGER,
    ran INTEGER,
    is_scout INTEGER NOT NULL,
    PRIMARY KEY (server, workflow_id, created, job_id, run_id, attempt)
) WITHOUT ROWID
"""
# Each brings the next version.
MIGRATIONS = (
    _WATCHES_AND_ROUNDS,
    _WORKFLOWS_OF_THE_DAEMON,
    _WHO_HOLDS_THE_LEASE,
    _WHY_WATCHES_ENDED,
    _INCIDENTS_OF_NODES,
    _WHY_ROUNDS_ENDED,
    _PLANS_THAT_WAIT,
    _NEWS,
    _SIZES_OF_ATTEMPTS,
)
_ERRNO = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_IOERR: errno.EIO,
}
_BUSY_TIMEOUT = 5.0  # seconds to wait for another process that writes


class Database:
    """Every method raises JournalError when the file cannot be read or written.

    ``lease`` is that of the daemon that claimed the file.
    """

    def __init__(self, path: Path, lease: str | None = None) -> None:
        self.path = path
        self._lease = lease
        with self._translate_errors():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._connection = sqlite3.connect(path, _BUSY_TIMEOUT, isolation_level=None)
            self._connection.row_factory = sqlite3.Row
            with ExitStack() as undone:
                undone.callback(self.close)
                self._prepare()
                undone.pop_all()

    def close(self) -> None:
        self._connection.close()

    def query_one(self, statement: str, *values: object) -> sqlite3.Row | None:
        return next(iter(self.query_all(statement, *values)), None)

    def query_all(self, statement: str, *values: object) -> list[sqlite3.Row]:
        with self._translate_errors():
            return self._connection.execute(statement, values).fetchall()

    def write(self, statement: str, *values: object) -> int:
        """The id of the row, where one was inserted. Raises LeaseLost, for a daemon.

        Otherwise a daemon that was suspended and resumed would overwrite what its successor wrote.
        """
        with self._translate_errors(), self._exclusive():
            if self._lease is not None:
                self._ensure_lease()
            return self._connection.execute(statement, values).lastrowid or 0

    def write_all(
        self, statement: str, rows: Iterable[Sequence[object] | Mapping[str, object]]
    ) -> None:
        """The same for each of the rows, in one transaction."""
        self.write_together((statement, rows))

    def write_together(
        self, *changes: tuple[str, Iterable[Sequence[object] | Mapping[str, object]]]
    ) -> None:
        """The same for several statements, one after the other, in one transaction."""
        with self._translate_errors(), self._exclusive():
            if self._lease is not None:
                self._ensure_lease()
            for statement, rows in changes:
                self._connection.executemany(statement, rows)

    def claim(self, lease: str) -> None:
        """Refuses daemons under another lease from now on."""
        with self._translate_errors():
            self._connection.execute("INSERT OR REPLACE INTO tenure VALUES (1, ?)", (lease,))

    def _ensure_lease(self) -> None:
        row = self._connection.execute("SELECT lease FROM tenure").fetchone()
        # No row: the file that we had claimed was replaced.
        if row is None or row["lease"] != self._lease:
            raise LeaseLost("Another torc-watchd of yours has taken over.")

    def _prepare(self) -> None:
        # A rollback journal and full synchronization also work on a network file system, where a
        # write-ahead log does not. What is a local disk here may be exported to another node.
        self._connection.execute("PRAGMA journal_mode = TRUNCATE")
        self._connection.execute("PRAGMA synchronous = FULL")
        if self._version() == len(MIGRATIONS):
            return
        with self._exclusive():
            version = self._version()
            refuse_newer(self.path, version)
            for number, migration in enumerate(MIGRATIONS[version:], start=version + 1):
                for statement in migration.split(";"):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {number}")

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """A transaction for which other writers wait."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # not after a full disk
                self._connection.execute("ROLLBACK")
            raise

    def _version(self) -> int:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        return int(version)

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, OverflowError) as error:
            if missing := missing_locks(error, self.path):
                raise missing from error
            if is_busy(error):
                raise locked_error(self.path) from error
            kind = JournalCorrupt if is_damage(error) else JournalError
            raise kind(
                f"The journal {self.path} cannot be used: "
                f"{describe_os_error(_system_error(error))} "
                "Nothing is changed without it. The daemon resumes by itself; run any other "
                "command again to resume it."
            ) from error


def refuse_newer(path: Path, version: int) -> None:
    """Raises JournalError for a journal of a format that this version of torc-watch lacks."""
    if version > len(MIGRATIONS):
        raise JournalError(
            f"The journal {path} was written by a newer torc-watch (format {version}, this one "
            f"knows {len(MIGRATIONS)}). Upgrade torc-watch, or set TORC_WATCHD_HOME to another "
            "folder."
        )


def check_integrity(path: Path) -> None:
    """Reads the whole file, however long that takes. Raises JournalCorrupt for any damage."""
    with closing(Database(path)) as database:
        for row in database.query_all("PRAGMA quick_check(1)"):
            if row[0] != "ok":
                raise JournalCorrupt(f"The journal {path} is damaged: {row[0]}.")


def set_damaged_aside(path: Path) -> Path:
    """Renames a damaged file, for the user to inspect; its new name. Raises OSError."""
    kept = path.with_name(f"{path.name}.damaged-{now()}")
    path.rename(kept)
    for suffix in ("-journal", "-wal"):  # they belong to it: the rest of an interrupted change
        with suppress(FileNotFoundError):
            path.with_name(f"{path.name}{suffix}").rename(f"{kept}{suffix}")
    return kept


def locked_error(path: Path) -> JournalBusy:
    """The error for a journal that another process keeps locked."""
    who, how = "a process that is not visible from here, perhaps on another login node", "kill"
    if pids := " ".join(map(str, lockers_of(path))):
        who, how = f"process {pids} on {socket.gethostname()}", f"kill -KILL {pids}"
    return JournalBusy(
        f"The journal {path} is locked by {who}. Nothing is changed until it is free. If that "
        f"process is suspended, resume or end it ({how}): its committed changes are not lost."
    )


def missing_locks(error: Exception, path: Path) -> LocksMissing | None:
    """The error behind SQLite's where the journal cannot be locked because nothing there can.

    SQLite takes that for another process's lock, or for a disk that does not answer.
    """
    if _error_code(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM):
        return None
    try:
        ensure_locks(path.parent)
    except LocksMissing as missing:
        return LocksMissing(missing.errno, missing.strerror, str(path))
    except OSError:  # so nothing is known of its locks
        return None
    return None


def is_busy(error: Exception) -> bool:
    """Whether another process kept the database locked for the whole timeout."""
    return _error_code(error) == sqlite3.SQLITE_BUSY


def has_hot_journal(error: Exception) -> bool:
    """Whether an interrupted change must be rolled back, which needs permission to write."""
    code = error.sqlite_errorcode if isinstance(error, sqlite3.Error) else None
    return code == sqlite3.SQLITE_READONLY_ROLLBACK


def _system_error(error: Exception) -> OSError:
    """The operating system's error behind SQLite's."""
    if isinstance(error, OSError):
        return error
    return OSError(_ERRNO.get(_error_code(error) or 0, 0), str(error))


def is_damage(error: Exception) -> bool:
    """Whether the file is damaged, or no journal."""
    return _error_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _error_code(error: Exception) -> int | None:
    """SQLite's primary error code; None for other errors."""
    code = error.sqlite_errorcode if isinstance(error, sqlite3.Error) else None
    return None if code is None else code & 0xFF


def now() -> str:
    """ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
