"""What the journal holds of nodes that failed jobs, for commands that only show it."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from torc_watch.core.errors import JournalError
from torc_watch.core.node_incident import NodeIncident, NodeScore, node_scores
from torc_watch.daemon.journal_reader import open_table
from torc_watch.engine.incident_table import incidents_from


def incidents_in(home: Path) -> list[NodeIncident]:
    """Those that were not cleared; none without a journal. Raises JournalError."""
    with open_table(home / "journal.db", "node_incident") as database:
        if database is None:
            return []
        rows = database.execute("SELECT * FROM node_incident WHERE cleared IS NULL")
        return incidents_from(rows.fetchall())


def bad_nodes(home: Path) -> tuple[NodeScore, ...]:
    """The worst first; none where that cannot be known."""
    with suppress(JournalError):
        return tuple(
            each for each in node_scores(incidents_in(home), datetime.now(UTC)) if each.is_bad
        )
    return ()
