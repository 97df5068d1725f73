"""The database of the embedded server: transactions, ids, and a full disk."""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from torc_watch.sandbox.server.store import Row, Store, open_store

FILE = {"workflow_id": 1, "name": "f", "path": "/f"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path) as opened:
        opened.insert("workflow_status", {"run_id": 0})
        opened.insert("workflow", {"status_id": 1, "name": "w", "user": "u", "timestamp": "now"})
        yield opened


def names(store: Store) -> list[str]:
    return store.column("SELECT name FROM file ORDER BY id")


def insert_both(store: Store, *files: Row) -> None:
    with store.transaction():
        for file in files:
            store.insert("file", file)


def test_failed_transaction_changes_nothing(store: Store) -> None:
    with store.transaction():
        store.insert("file", FILE | {"name": "before"})
    with pytest.raises(sqlite3.IntegrityError):
        insert_both(store, FILE, FILE | {"workflow_id": 99})
    assert names(store) == ["before"]


def test_failed_savepoint_keeps_the_rest_of_the_transaction(store: Store) -> None:
    with store.transaction():
        store.insert("file", FILE | {"name": "kept"})
        with suppress(ZeroDivisionError), store.savepoint():
            store.insert("file", FILE | {"name": "lost"})
            raise ZeroDivisionError
    assert names(store) == ["kept"]


def test_writes_succeed_after_a_full_disk(store: Store) -> None:
    full = store.value("PRAGMA page_count")
    store.execute(f"PRAGMA max_page_count = {full}")
    with pytest.raises(sqlite3.OperationalError, match="full"), store.transaction():
        store.insert("file", FILE | {"path": "x" * 100_000})
    store.execute("PRAGMA max_page_count = 100000")
    with store.transaction():
        store.insert("file", FILE)
    assert names(store) == ["f"]


def test_id_of_a_deleted_row_is_not_reused(store: Store) -> None:
    assert store.next_id("file") == 1
    for expected in (1, 2):
        assert store.insert("file", FILE) == expected
    store.execute("DELETE FROM file")
    assert store.next_id("file") == 3
    assert store.insert("file", FILE) == 3


def test_update_keeps_omitted_columns(store: Store) -> None:
    row_id = store.insert("file", FILE)
    store.update("file", row_id, {"name": None, "path": "/g"})
    store.update("file", row_id, {"name": None})
    assert store.row("SELECT name, path, st_mtime FROM file") == {
        "name": "f",
        "path": "/g",
        "st_mtime": None,
    }
    assert store.row("SELECT * FROM file WHERE id = 9") is None


def test_database_without_newer_columns_gets_them(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.execute("ALTER TABLE job DROP COLUMN env")
    with open_store(tmp_path) as store:
        assert "env" in store.column("SELECT name FROM pragma_table_info('job')")
