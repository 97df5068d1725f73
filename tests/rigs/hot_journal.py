"""A journal as a process leaves it that is killed in the middle of a write."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

FILES = ("journal.db", "journal.db-journal")
_ROWS = 200  # more than one page, so that SQLite writes some before the transaction ends


def cut_off_a_write(home: Path) -> None:
    """Leaves in ``home`` the rollback journal of a change that has reached ``journal.db`` in part.

    The change adds rows to the table ``watch``, whose verdict is 'cut off'.
    """
    kept = home / "kept"
    kept.mkdir()
    with closing(sqlite3.connect(home / FILES[0], isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = TRUNCATE")
        database.execute("PRAGMA cache_size = 1")
        database.execute("BEGIN IMMEDIATE")
        for number in range(_ROWS):
            database.execute(
                "INSERT INTO watch (server, workflow_id, created, began, verdict)"
                " VALUES (?, 42, '', '', 'cut off')",
                (f"http://{number}.{'x' * 200}",),
            )
        for name in FILES:
            shutil.copy(home / name, kept / name)
        database.execute("ROLLBACK")
    for name in FILES:
        (kept / name).replace(home / name)
    kept.rmdir()
