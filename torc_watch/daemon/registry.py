"""The daemon's list of workflows, with the options of each, in the journal."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from pydantic import TypeAdapter

from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.commands import WatchedWorkflow, WatchOptions, WatchState
from torc_watch.engine.database import Database, now
from torc_watch.engine.journal import Journal

_OPTIONS = TypeAdapter(WatchOptions)


class Registry:
    """Every method raises JournalError when the file cannot be read or written.

    ``lease`` names the lease of an active daemon. Opening the registry with it claims the journal:
    daemons with earlier leases can no longer write to it.
    """

    def __init__(self, path: Path, lease: str | None = None) -> None:
        self._lease = lease
        self._database = Database(path, lease)
        if lease is not None:
            self._database.claim(lease)

    def close(self) -> None:
        self._database.close()

    def workflows(self) -> list[WatchedWorkflow]:
        """In the order in which they were added."""
        rows = self._database.query_all("SELECT * FROM entry ORDER BY added, workflow_id")
        return [workflow_from(row) for row in rows]

    def save(self, workflow: WatchedWorkflow) -> None:
        self._database.write(
            "INSERT INTO entry (server, workflow_id, choices, condition, verdict, reason, added)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
            # SQLite before 3.35 requires the columns of the conflict.
            " ON CONFLICT (server, workflow_id) DO UPDATE SET choices = excluded.choices,"
            " condition = excluded.condition, verdict = excluded.verdict, reason = excluded.reason",
            workflow.server,
            workflow.workflow_id,
            _OPTIONS.dump_json(workflow.options, exclude_none=True).decode(),
            workflow.state,
            workflow.verdict,
            workflow.reason,
            now(),
        )

    def end_watches(self, ended: Iterable[WatchedWorkflow]) -> None:
        """Ends their watches in the journal too: after a crash that may not have been done."""
        with self._journal() as journal:
            for each in ended:
                journal.end_unfinished_watches(*each.key, each.verdict, each.reason)

    def _journal(self) -> closing[Journal]:
        return closing(Journal(self._database.path, self._lease))

    def remove(self, key: WorkflowKey) -> None:
        """Also ends its unfinished watch in the journal."""
        with self._journal() as journal:
            journal.end_unfinished_watches(*key)
        self._database.write("DELETE FROM entry WHERE server = ? AND workflow_id = ?", *key)


def workflow_from(row: sqlite3.Row) -> WatchedWorkflow:
    """From a row of the table ``entry``; UNREADABLE if this version cannot read it."""
    key = {"server": row["server"], "workflow_id": row["workflow_id"]}
    try:
        return WatchedWorkflow(
            **key,
            options=_OPTIONS.validate_json(row["choices"]),
            state=WatchState(row["condition"]),
            verdict=row["verdict"] or "",
            reason=row["reason"] or "",
        )
    except ValueError:
        return WatchedWorkflow(
            **key, options=WatchOptions(), state=WatchState.UNREADABLE, reason=_unreadable(**key)
        )


def _unreadable(server: str, workflow_id: int) -> str:
    return (
        f"The options of workflow {workflow_id} were stored by another version of torc-watch, and "
        "this version cannot read them. Upgrade torc-watch, or add the workflow again with the "
        f"options that you want: torc-watchd add {workflow_id} --url {server}"
    )
