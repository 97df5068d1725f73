"""The plans that wait for approval, of all workflows, as the journal has them."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from torc_watch.core.approval import Proposal
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.journal_reader import open_table
from torc_watch.engine.proposal_table import OPEN_PROPOSALS, proposals_from


@dataclass(frozen=True, slots=True)
class OpenProposal:
    """A workflow, of which a watch waits, and the plan."""

    key: WorkflowKey
    proposal: Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableProposal:
    """The same where another version of torc-watch made the plan; times are ISO 8601."""

    key: WorkflowKey
    plan_id: str
    reason: str
    proposed_at: str


def open_proposals(home: Path) -> list[OpenProposal]:
    """Those that can be read. Raises JournalError."""
    return [each for each in waiting_proposals(home) if isinstance(each, OpenProposal)]


def waiting_proposals(home: Path) -> list[OpenProposal | UnreadableProposal]:
    """In the order in which they were proposed. Raises JournalError."""
    with open_table(home / "journal.db", "proposal") as database:
        if database is None:
            return []
        rows = database.execute(f"{OPEN_PROPOSALS} ORDER BY proposal.id").fetchall()
    # A process may have died before it closed the one before.
    newest = {WorkflowKey(row["server"], row["workflow_id"]): row for row in rows}
    return [_waiting(key, row) for key, row in newest.items()]


def _waiting(key: WorkflowKey, row: sqlite3.Row) -> OpenProposal | UnreadableProposal:
    for proposal in proposals_from([row]):
        return OpenProposal(key, proposal)
    return UnreadableProposal(
        key=key, plan_id=row["plan_id"], reason=row["reason"], proposed_at=row["proposed"]
    )
