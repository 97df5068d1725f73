"""The plans that wait for approval, of all workflows, as the journal has them."""

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


def open_proposals(home: Path) -> list[OpenProposal]:
    """In the order in which they were proposed. Raises JournalError."""
    with open_table(home / "journal.db", "proposal") as database:
        if database is None:
            return []
        rows = database.execute(f"{OPEN_PROPOSALS} ORDER BY proposal.id").fetchall()
    newest: dict[WorkflowKey, OpenProposal] = {}
    for row in rows:  # a process may have died before it closed the one before
        for proposal in proposals_from([row]):
            key = WorkflowKey(row["server"], row["workflow_id"])
            newest[key] = OpenProposal(key, proposal)
    return list(newest.values())
