"""The nodes that fail jobs, as the journal knows them from all workflows of the user."""

from collections.abc import Collection
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from torc_watch.core.errors import InvalidInput
from torc_watch.core.node_incident import NodeScore, node_scores, short_name
from torc_watch.daemon.node_history import incidents_in
from torc_watch.engine.journal import Journal


def scored_nodes(home: Path) -> tuple[NodeScore, ...]:
    """The worst first. Raises JournalError."""
    return node_scores(incidents_in(home), datetime.now(UTC))


def clear_nodes(home: Path, names: Collection[str] | None) -> tuple[str, ...]:
    """Forgets the incidents of these nodes, of all for None; the names of those that had some.

    Raises InvalidInput for a node without any, and JournalError.
    """
    known = {each.node for each in scored_nodes(home)}
    wanted = known if names is None else set(map(short_name, names))
    if unknown := sorted(wanted - known):
        raise InvalidInput(
            f"Node {unknown[0]} has failed no jobs lately. Which nodes have: torc-watchd nodes"
        )
    cleared = tuple(sorted(wanted))
    if cleared:
        with closing(Journal(home / "journal.db")) as journal:
            journal.incidents.clear(cleared)
    return cleared
