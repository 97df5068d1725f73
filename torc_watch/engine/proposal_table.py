"""The plans that wait for the user's approval, and the answers, in the journal.

A daemon, a foreground watch and `approve` read and write the same row: an answer is one
transaction, of which the first counts. It is there before `approve` ends, whether anything watches
the workflow or not, and stays until the plan is carried out, or another takes its place.
"""

import sqlite3
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from pydantic import TypeAdapter

from torc_watch.core.approval import PlanAnswer, Proposal
from torc_watch.core.recovery_round import Plan
from torc_watch.engine.database import Database, now

_PLAN = TypeAdapter(Plan)
_APPROVED, _REJECTED = "approved", "rejected"
# The newest: a process may have died before it closed the one before.
OPEN_PROPOSALS = """
SELECT proposal.*, watch.server, watch.workflow_id FROM proposal
JOIN watch ON watch.id = proposal.watch_id
WHERE proposal.ended IS NULL AND watch.ended IS NULL
"""


class ProposalEnd(StrEnum):
    CARRIED_OUT = "carried_out"
    REPLACED = "replaced"  # by another plan
    WITHDRAWN = "withdrawn"  # there is nothing to approve any more


class ProposalTable:
    """Every method raises JournalError; those that write raise LeaseLost, for a daemon."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open_of(self, watch_id: int) -> Proposal | None:
        """The one that waits; None also where another version of torc-watch made its plan."""
        rows = self._database.query_all(
            f"{OPEN_PROPOSALS} AND watch_id = ? ORDER BY proposal.id DESC LIMIT 1", watch_id
        )
        return next(iter(proposals_from(rows)), None)

    def propose(
        self, watch_id: int, plan: Plan, *, plan_id: str, starts_at: datetime | None, reason: str
    ) -> Proposal:
        """In place of the one that waits, if any."""
        self.close(watch_id, ProposalEnd.REPLACED)
        proposed = now()
        row_id = self._database.write(
            "INSERT INTO proposal (watch_id, plan_id, plan, starts_at, reason, proposed)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            watch_id,
            plan_id,
            _PLAN.dump_json(plan).decode(),
            starts_at.isoformat() if starts_at else None,
            reason,
            proposed,
        )
        return Proposal(
            id=row_id,
            plan_id=plan_id,
            plan=plan,
            starts_at=starts_at,
            reason=reason,
            proposed_at=datetime.fromisoformat(proposed),
        )

    def answer(self, proposal: Proposal, answer: PlanAnswer) -> Proposal | None:
        """The proposal with the answer that counts: the first. None if it does not wait any more.

        Another user, or another terminal, may have answered, or another plan have taken its place.
        """
        self._database.write(
            "UPDATE proposal SET answer = ?, answered_by = ?, answered = ?, answer_reason = ?"
            " WHERE id = ? AND answer IS NULL AND ended IS NULL",
            _APPROVED if answer.approves else _REJECTED,
            answer.by,
            answer.at.isoformat(),
            answer.reason,
            proposal.id,
        )
        rows = self._database.query_all(f"{OPEN_PROPOSALS} AND proposal.id = ?", proposal.id)
        return next(iter(proposals_from(rows)), None)

    def answered(self) -> frozenset[int]:
        """The rows of all that wait no longer for an answer, but for what follows from it."""
        rows = self._database.query_all(
            "SELECT id FROM proposal WHERE ended IS NULL AND answer IS NOT NULL"
        )
        return frozenset(row["id"] for row in rows)

    def close(self, watch_id: int, end: ProposalEnd) -> None:
        """Writes nothing where no plan waits."""
        waiting = "SELECT 1 FROM proposal WHERE watch_id = ? AND ended IS NULL LIMIT 1"
        if self._database.query_one(waiting, watch_id) is None:
            return
        self._database.write(
            "UPDATE proposal SET ended = ?, outcome = ? WHERE watch_id = ? AND ended IS NULL",
            now(),
            end,
            watch_id,
        )


def proposals_from(rows: Iterable[sqlite3.Row]) -> list[Proposal]:
    """Of the table ``proposal``, without those that another version of torc-watch wrote."""
    return [each for row in rows if (each := _proposal(row)) is not None]


def _proposal(row: sqlite3.Row) -> Proposal | None:
    try:
        return Proposal(
            id=row["id"],
            plan_id=row["plan_id"],
            plan=_PLAN.validate_json(row["plan"]),
            starts_at=datetime.fromisoformat(row["starts_at"]) if row["starts_at"] else None,
            reason=row["reason"],
            proposed_at=datetime.fromisoformat(row["proposed"]),
            answer=_answer(row),
        )
    except ValueError:
        return None


def _answer(row: sqlite3.Row) -> PlanAnswer | None:
    if row["answer"] is None:
        return None
    return PlanAnswer(
        approves=row["answer"] == _APPROVED,
        by=row["answered_by"],
        at=datetime.fromisoformat(row["answered"]),
        reason=row["answer_reason"],
    )
