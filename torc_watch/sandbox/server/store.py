"""The database: one SQLite connection, used by one process.

Values have SQLite's types. Statements only contain names of this package's own tables and columns;
values are always bound.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from torc_watch.core.errors import SandboxError
from torc_watch.host.file_lock import try_lock
from torc_watch.sandbox.server.schema import ADDED_COLUMNS, SCHEMA

Row = dict[str, Any]
# Seconds for which another process that writes to the database may block the server.
_BUSY_TIMEOUT = 0.2


def without_nulls(row: Mapping[str, Any]) -> Row:
    """A row without its NULL columns, which Torc omits."""
    return {name: value for name, value in row.items() if value is not None}


class Store:
    """Not thread-safe: the server runs in one event loop, and each call is short."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all changes inside, or none after an exception."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk may have ended the transaction
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Within a transaction: after an exception, undo only the changes inside."""
        self._connection.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK TO part")
            raise
        finally:
            self._connection.execute("RELEASE part")

    def rows(self, sql: str, *values: Any) -> list[Row]:
        cursor = self._connection.execute(sql, values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def row(self, sql: str, *values: Any) -> Row | None:
        return next(iter(self.rows(sql, *values)), None)

    def value(self, sql: str, *values: Any) -> Any:
        """The first column of the first row; None if there is no row."""
        found = self._connection.execute(sql, values).fetchone()
        return None if found is None else found[0]

    def column(self, sql: str, *values: Any) -> list[Any]:
        return [row[0] for row in self._connection.execute(sql, values)]

    def execute(self, sql: str, *values: Any) -> int:
        """Run a statement; returns the number of changed rows."""
        return self._connection.execute(sql, values).rowcount

    def insert(self, table: str, values: Mapping[str, Any]) -> int:
        """Add a row; returns its id. None selects the column's default."""
        given = without_nulls(values)
        cursor = self._connection.execute(_insertion(table, list(given)), list(given.values()))
        assert cursor.lastrowid is not None  # noqa: S101  # an INSERT always has one
        return cursor.lastrowid

    def insert_many(
        self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> None:
        self._connection.executemany(_insertion(table, columns), rows)

    def update(self, table: str, row_id: int, values: Mapping[str, Any]) -> None:
        """Update the columns whose value is not None, as Torc does."""
        given = without_nulls(values)
        if given:
            assignments = ", ".join(f"{name} = ?" for name in given)
            sql = f"UPDATE {table} SET {assignments} WHERE id = ?"  # noqa: S608
            self._connection.execute(sql, [*given.values(), row_id])

    def next_id(self, table: str) -> int:
        """The id that the next row of ``table`` will get."""
        used = self.value("SELECT seq FROM sqlite_sequence WHERE name = ?", table)
        return 1 if used is None else int(used) + 1


@contextmanager
def open_store(directory: Path) -> Iterator[Store]:
    """Open ``directory/torc.db`` exclusively; creates it if it is missing.

    Raises SandboxError if another process uses it, or it cannot be created or read.
    """
    with _locked(directory), closing(_connect(directory / "torc.db")) as connection:
        yield Store(connection)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    descriptor = _open_lock_file(directory)
    try:
        _acquire(descriptor, directory)
        yield
    finally:
        os.close(descriptor)


def _open_lock_file(directory: Path) -> int:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        return os.open(directory / "torc.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(directory, error) from error


def _acquire(descriptor: int, directory: Path) -> None:
    try:
        is_ours = try_lock(descriptor)
    except OSError as error:  # a file system without locks
        raise _unusable(directory, error) from error
    if not is_ours:
        raise SandboxError(
            f"Another server uses the directory {directory}. Stop it, or choose another directory."
        )


def _unusable(directory: Path, error: OSError) -> SandboxError:
    return SandboxError(
        f"The server's directory {directory} cannot be used: {error}. Choose another one."
    )


def _connect(path: Path) -> sqlite3.Connection:
    try:
        with ExitStack() as on_error:
            connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT, isolation_level=None)
            on_error.callback(connection.close)
            _prepare(connection)
            on_error.pop_all()
            return connection
    except sqlite3.Error as error:
        raise SandboxError(
            f"The server's database {path} cannot be used: {error}. Move it away, or choose "
            "another directory."
        ) from error


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.executescript(SCHEMA)
    for table, column, declaration in ADDED_COLUMNS:
        if column not in (row[1] for row in connection.execute(f"PRAGMA table_info({table})")):
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {declaration}")


def _insertion(table: str, columns: Sequence[str]) -> str:
    places = ", ".join("?" for _ in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608
