"""What the journal holds of the attempts of a workflow, for commands that only show its plan."""

from dataclasses import dataclass
from pathlib import Path

from torc_watch.core.kind_history import SizedAttempt
from torc_watch.core.sized_attempts import ScoutStart
from torc_watch.core.workflow_key import WorkflowIdentity
from torc_watch.daemon.journal_reader import open_table
from torc_watch.engine.attempt_table import (
    ATTEMPTS,
    PLANS_WITH_SCOUTS,
    attempts_from,
    identity_values,
    scout_starts_from,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAttempts:
    attempts: tuple[SizedAttempt, ...] = ()
    scouts: frozenset[ScoutStart] = frozenset()


def attempts_of(home: Path, identity: WorkflowIdentity) -> StoredAttempts:
    """None without a journal, or with one of an earlier version. Raises JournalError."""
    with open_table(home / "journal.db", "sized_attempt") as database:
        if database is None:
            return StoredAttempts()
        key = identity_values(identity)
        return StoredAttempts(
            attempts=attempts_from(database.execute(ATTEMPTS, key), identity.workflow_id),
            scouts=scout_starts_from(database.execute(PLANS_WITH_SCOUTS, key)),
        )
