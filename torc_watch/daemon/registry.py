"""The workflows that the daemon looks after, and what was asked for each."""

import sqlite3
from contextlib import closing
from pathlib import Path

from pydantic import TypeAdapter

from torc_watch.core.errors import RecordUnreadable
from torc_watch.daemon.commands import WatchedWorkflow, WatchOptions, WatchState
from torc_watch.engine.database import Database, now
from torc_watch.engine.journal import Journal

_CHOICES = TypeAdapter(WatchOptions)


class Registry:
    """Every method raises JournalError when the file cannot be read or written.

    ``lease`` is that of a daemon that acts from now on: no earlier one can write any more, here or
    into the journal.
    """

    def __init__(self, path: Path, lease: str | None = None) -> None:
        self._lease = lease
        self._state = Database(path, lease)
        if lease is not None:
            self._state.claim(lease)

    def close(self) -> None:
        self._state.close()

    def entries(self) -> list[WatchedWorkflow]:
        """In the order in which they were added."""
        rows = self._state.query_all("SELECT * FROM entry ORDER BY added, workflow_id")
        return [entry_of(row) for row in rows]

    def keep(self, entry: WatchedWorkflow) -> None:
        self._state.write(
            "INSERT INTO entry (server, workflow_id, choices, condition, verdict, reason, added)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
            # Named, which SQLite before 3.35 asks for.
            " ON CONFLICT (server, workflow_id) DO UPDATE SET choices = excluded.choices,"
            " condition = excluded.condition, verdict = excluded.verdict, reason = excluded.reason",
            entry.server,
            entry.workflow_id,
            _CHOICES.dump_json(entry.choices, exclude_none=True).decode(),
            entry.condition,
            entry.verdict,
            entry.reason,
            now(),
        )

    def forget(self, server: str, workflow_id: int) -> None:
        with closing(Journal(self._state.path, self._lease)) as journal:
            journal.end_removed_watches(server, workflow_id)
        self._state.write(
            "DELETE FROM entry WHERE server = ? AND workflow_id = ?", server, workflow_id
        )


def _choices(row: sqlite3.Row) -> WatchOptions:
    try:
        return _CHOICES.validate_json(row["choices"])
    except ValueError as error:
        raise _unreadable(row) from error


def entry_of(row: sqlite3.Row) -> WatchedWorkflow:
    """Of a row of the table ``entry``, as far as this version can read it."""
    key = {"server": row["server"], "workflow_id": row["workflow_id"]}
    try:
        return WatchedWorkflow(
            **key,
            choices=_choices(row),
            condition=_condition(row),
            verdict=row["verdict"] or "",
            reason=row["reason"] or "",
        )
    except RecordUnreadable as error:
        condition = WatchState.UNREADABLE
        return WatchedWorkflow(
            **key, choices=WatchOptions(), condition=condition, reason=str(error)
        )


def _condition(row: sqlite3.Row) -> WatchState:
    try:
        return WatchState(row["condition"])
    except ValueError as error:
        raise _unreadable(row) from error


def _unreadable(row: sqlite3.Row) -> RecordUnreadable:
    number, server = row["workflow_id"], row["server"]
    return RecordUnreadable(
        f"What was chosen for workflow {number} was kept by another version of torc-watch, and "
        "cannot be read by this one. Upgrade torc-watch, or add the workflow again with what you "
        f"want: torc-watchd add {number} --url {server}"
    )
