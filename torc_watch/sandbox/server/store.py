"""The database: one SQLite connection, held by one process.

Values travel as SQLite has them; every statement is composed from names of this package's own
tables and columns, and values are always bound.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from torc_watch.core.errors import SandboxError
from torc_watch.host.file_lock import try_lock
from torc_watch.sandbox.server.schema import SCHEMA

Row = dict[str, Any]
# How long somebody else who writes to the database, by hand, may hold up the whole server.
_SECONDS_FOR_OTHERS = 0.2


def without_nulls(row: Mapping[str, Any]) -> Row:
    """What a row says; Torc leaves out what is NULL."""
    return {name: value for name, value in row.items() if value is not None}


class Store:
    """Not safe for threads: the server runs in one event loop and each call is short."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what happens inside, or nothing of it when an exception leaves it."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk has ended it already
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Inside a transaction: undo only what happens inside when an exception leaves it."""
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
        """The first column of the first row, or None where there is no row."""
        found = self._connection.execute(sql, values).fetchone()
        return None if found is None else found[0]

    def column(self, sql: str, *values: Any) -> list[Any]:
        return [row[0] for row in self._connection.execute(sql, values)]

    def execute(self, sql: str, *values: Any) -> int:
        """Run a statement; the number of rows that it changed."""
        return self._connection.execute(sql, values).rowcount

    def insert(self, table: str, values: Mapping[str, Any]) -> int:
        """Add a row; its id. A None is left to the column's default."""
        given = without_nulls(values)
        cursor = self._connection.execute(_insertion(table, list(given)), list(given.values()))
        assert cursor.lastrowid is not None  # noqa: S101  # an INSERT always has one
        return cursor.lastrowid

    def insert_many(
        self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> None:
        self._connection.executemany(_insertion(table, columns), rows)

    def update(self, table: str, row_id: int, values: Mapping[str, Any]) -> None:
        """Change the columns of ``values`` that are not None, as Torc's updates do."""
        given = without_nulls(values)
        if given:
            assignments = ", ".join(f"{name} = ?" for name in given)
            sql = f"UPDATE {table} SET {assignments} WHERE id = ?"  # noqa: S608
            self._connection.execute(sql, [*given.values(), row_id])

    def next_id(self, table: str) -> int:
        """The id that the next row of ``table`` gets."""
        used = self.value("SELECT seq FROM sqlite_sequence WHERE name = ?", table)
        return 1 if used is None else int(used) + 1


@contextmanager
def open_store(directory: Path) -> Iterator[Store]:
    """Open ``directory/torc.db``, made where it is missing, for this process alone.

    Raises SandboxError when another process has it, or it cannot be made or read.
    """
    with _held(directory), closing(_connected(directory / "torc.db")) as connection:
        yield Store(connection)


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    descriptor = _open_lock(directory)
    try:
        _lock(descriptor, directory)
        yield
    finally:
        os.close(descriptor)


def _open_lock(directory: Path) -> int:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        return os.open(directory / "torc.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(directory, error) from error


def _lock(descriptor: int, directory: Path) -> None:
    try:
        is_ours = try_lock(descriptor)
    except OSError as error:  # a file system without locks
        raise _unusable(directory, error) from error
    if not is_ours:
        raise SandboxError(
            f"Another server runs on {directory}. Stop it, or choose another directory."
        )


def _unusable(directory: Path, error: OSError) -> SandboxError:
    return SandboxError(
        f"The server's directory {directory} cannot be used: {error}. Choose another one."
    )


def _connected(path: Path) -> sqlite3.Connection:
    try:
        with ExitStack() as undone:
            connection = sqlite3.connect(path, timeout=_SECONDS_FOR_OTHERS, isolation_level=None)
            undone.callback(connection.close)
            _prepare(connection)
            undone.pop_all()
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


def _insertion(table: str, columns: Sequence[str]) -> str:
    places = ", ".join("?" for _ in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608
