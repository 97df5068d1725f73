"""The IDs of the workflows in the journal, for completion in a shell: quick to import."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

_PATIENCE = 0.5  # seconds for a process that is writing: somebody waits for the letters to appear
_QUERIES = (
    "SELECT workflow_id FROM watch GROUP BY workflow_id ORDER BY max(id) DESC LIMIT 1000",
    "SELECT workflow_id FROM entry",
)


def journal_ids(home: Path) -> frozenset[int]:
    """Those that were watched here, or are to be watched; none where they cannot be read."""
    path = home / "journal.db"
    with suppress(sqlite3.Error, OSError):
        if path.is_file():
            uri = f"{path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True, timeout=_PATIENCE)) as database:
                return frozenset(_ids(database))
    return frozenset()


def _ids(database: sqlite3.Connection) -> Iterator[int]:
    for query in _QUERIES:
        with suppress(sqlite3.OperationalError):  # there is no such table yet
            yield from (number for (number,) in database.execute(query))
