"""What was decided and how far it was carried out, written before it is done.

A *watch* is one request of the user to watch a workflow; it ends with a verdict. If its process
dies first, crashes, or the server stays unreachable, the next watch of the same workflow continues
it: it counts the same rounds, and finishes an unfinished one.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter

from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.approval import Proposal
from torc_watch.core.errors import RecordUnreadable
from torc_watch.core.recovery_round import (
    PastRounds,
    Plan,
    RoundOutcome,
    Step,
    limited_retries,
    retries_in_place,
    uses_round,
)
from torc_watch.core.workflow_key import WorkflowIdentity
from torc_watch.engine.attempt_table import AttemptTable
from torc_watch.engine.database import Database, now
from torc_watch.engine.incident_table import IncidentTable
from torc_watch.engine.proposal_table import ProposalEnd, ProposalTable

_PLAN = TypeAdapter(Plan)
_NUMBERS = TypeAdapter(dict[str, int])
_ENDED = TypeAdapter(frozenset[int])
_REMOVED = "removed"  # not a verdict: by the user


@dataclass(slots=True, kw_only=True)
class Round:
    """One round of recovery and its progress, which the recoverer updates step by step.

    ``reason`` is why it was not carried out, ``until`` when it is planned again that was postponed.
    """

    id: int
    number: int
    run_id: int
    begun: set[Step] = field(default_factory=set)
    finished: set[Step] = field(default_factory=set)
    plan: Plan | None = None
    reason: str = ""
    until: datetime | None = None


@dataclass(slots=True, kw_only=True)
class WatchRecord:
    """The journal's row of one watch: the rounds that ended, and the open one, if any.

    ``proposal`` is the plan that waits for the user's approval.
    ``began`` is when a user asked for the watch: a later process that continues it keeps that time.
    """

    id: int
    began: datetime
    past: PastRounds
    open_round: Round | None
    proposal: Proposal | None = None

    @property
    def has_unfinished_plan(self) -> bool:
        """Whether the open round has its plan, which the next watch must carry out."""
        return self.open_round is not None and self.open_round.plan is not None


class Journal:
    """Every method raises JournalError when the file cannot be read or written.

    ``lease`` is that of a daemon. Once another daemon has it, writing raises LeaseLost.
    """

    def __init__(self, path: Path, lease: str | None = None) -> None:
        self._database = Database(path, lease)
        self.attempts = AttemptTable(self._database)
        self.incidents = IncidentTable(self._database)
        self.proposals = ProposalTable(self._database)

    def close(self) -> None:
        self._database.close()

    def begin_watch(self, identity: WorkflowIdentity) -> WatchRecord:
        """The unfinished watch of this workflow, else a new one. Raises RecordUnreadable."""
        key = (identity.server, identity.workflow_id, identity.created)
        row = self._database.query_one(
            "SELECT id, began FROM watch WHERE server = ? AND workflow_id = ? AND created = ?"
            " AND ended IS NULL",
            *key,
        )
        if row is None:
            began = now()
            new = self._database.write(
                "INSERT INTO watch (server, workflow_id, created, began) VALUES (?, ?, ?, ?)",
                *key,
                began,
            )
            return WatchRecord(
                id=new,
                began=datetime.fromisoformat(began),
                past=PastRounds(began=datetime.fromisoformat(began)),
                open_round=None,
            )
        open_round = self._open_round(row["id"], identity.workflow_id)
        return WatchRecord(
            id=row["id"],
            began=datetime.fromisoformat(row["began"]),
            past=self._past_rounds(row["id"], datetime.fromisoformat(row["began"])),
            open_round=open_round,
            proposal=self.proposals.open_of(row["id"]),
        )

    def end_watch(self, watch_id: int, verdict: str, reason: str = "") -> None:
        self._database.write(
            "UPDATE watch SET ended = ?, verdict = ?, reason = ? WHERE id = ?",
            now(),
            verdict,
            reason,
            watch_id,
        )
        self.proposals.close(watch_id, ProposalEnd.WITHDRAWN)

    def delete_ended(self, before: str) -> None:
        """Removes watches that ended before that time, ISO 8601 in UTC, with their rounds."""
        for (watch_id,) in self._database.query_all("SELECT id FROM watch WHERE ended < ?", before):
            # In this order: after an interruption the rest is still found.
            self._database.write(
                "DELETE FROM step WHERE round_id IN (SELECT id FROM round WHERE watch_id = ?)",
                watch_id,
            )
            self._database.write("DELETE FROM round WHERE watch_id = ?", watch_id)
            self._database.write("DELETE FROM proposal WHERE watch_id = ?", watch_id)
            self._database.write("DELETE FROM watch WHERE id = ?", watch_id)
        self.attempts.delete_unwatched()

    def end_unfinished_watches(
        self, server: str, workflow_id: int, verdict: str = _REMOVED, reason: str = ""
    ) -> None:
        """Ends the watches of a workflow, by default a removed one: its next watch is a new one.

        A watch with an unfinished plan stays open: the next watch must finish that round.
        """
        unfinished = self._database.query_all(
            "SELECT id FROM watch WHERE server = ? AND workflow_id = ? AND ended IS NULL",
            server,
            workflow_id,
        )
        for row in unfinished:
            with suppress(RecordUnreadable):
                round_ = self._open_round(row["id"], workflow_id)
                if round_ is not None and round_.plan is not None:
                    continue
            self.end_watch(row["id"], verdict, reason)

    def begin_round(self, watch_id: int, *, number: int, run_id: int) -> Round:
        row_id = self._database.write(
            "INSERT INTO round (watch_id, number, run_id, began) VALUES (?, ?, ?, ?)",
            watch_id,
            number,
            run_id,
            now(),
        )
        return Round(id=row_id, number=number, run_id=run_id)

    def end_round(self, round_: Round, outcome: RoundOutcome) -> None:
        self._database.write(
            "UPDATE round SET ended = ?, outcome = ?, reason = ?, until = ? WHERE id = ?",
            now(),
            outcome,
            round_.reason,
            round_.until.isoformat() if round_.until else None,
            round_.id,
        )

    def begin_step(self, round_: Round, step: Step) -> None:
        self._database.write(
            "INSERT OR IGNORE INTO step (round_id, name, began) VALUES (?, ?, ?)",
            round_.id,
            step,
            now(),
        )
        round_.begun.add(step)

    def finish_step(self, round_: Round, step: Step) -> None:
        self._database.write(
            "UPDATE step SET finished = ? WHERE round_id = ? AND name = ?", now(), round_.id, step
        )
        round_.finished.add(step)

    def record_plan(self, round_: Round, plan: Plan) -> None:
        """Fixes the plan of a round; after a crash the round continues with this plan."""
        self._database.write(
            "UPDATE step SET record = ? WHERE round_id = ? AND name = ?",
            _PLAN.dump_json(plan).decode(),
            round_.id,
            Step.PLAN,
        )
        round_.plan = plan

    def record_allocations(self, round_: Round, numbers: Mapping[str, int]) -> None:
        """The scheduler's number of each token of the round's plan that it took."""
        self._database.write(
            "UPDATE step SET record = ? WHERE round_id = ? AND name = ?",
            _NUMBERS.dump_json(dict(numbers)).decode(),
            round_.id,
            Step.ALLOCATE,
        )

    def record_ended(self, round_: Round, numbers: Iterable[int]) -> None:
        """The scheduler's numbers of the allocations that the round cancels, before it does."""
        self._database.write(
            "UPDATE step SET record = ? WHERE round_id = ? AND name = ?",
            _ENDED.dump_json(frozenset(numbers)).decode(),
            round_.id,
            Step.ORPHANS,
        )

    def ended_in(self, watch_id: int) -> frozenset[int]:
        """The scheduler's numbers of the allocations that rounds of a watch canceled."""
        rows = self._database.query_all(
            "SELECT record FROM round JOIN step ON step.round_id = round.id"
            " WHERE watch_id = ? AND name = ? AND record IS NOT NULL",
            watch_id,
            Step.ORPHANS,
        )
        return frozenset().union(*(_ENDED.validate_json(row["record"]) for row in rows))

    def allocations_of(self, watch_id: int) -> dict[int, AllocationSpec]:
        """What was submitted in the rounds of a watch, by the scheduler's numbers."""
        rows = self._database.query_all(
            "SELECT plan.record AS plan, step.record AS numbers FROM round"
            " JOIN step AS plan ON plan.round_id = round.id AND plan.name = ?"
            " JOIN step ON step.round_id = round.id AND step.name = ?"
            " WHERE watch_id = ? AND step.record IS NOT NULL ORDER BY number",
            Step.PLAN,
            Step.ALLOCATE,
            watch_id,
        )
        found: dict[int, AllocationSpec] = {}
        for row in rows:
            with suppress(ValueError):  # of another version
                specs = {each.token: each for each in _PLAN.validate_json(row["plan"]).allocations}
                numbers = _NUMBERS.validate_json(row["numbers"])
                found |= {number: specs[token] for token, number in numbers.items()}
        return found

    def _past_rounds(self, watch_id: int, began: datetime) -> PastRounds:
        ended = self._database.query_all(
            "SELECT outcome FROM round WHERE watch_id = ? AND ended IS NOT NULL", watch_id
        )
        plans = self._ended_plans(watch_id)
        counted = sum(uses_round(None, row["outcome"]) for row in ended)
        free = sum(
            uses_round(None, outcome) and not uses_round(plan, outcome) for plan, outcome in plans
        )
        return PastRounds(
            ended=len(ended),
            used=counted - free,
            completed=_completed(plan for plan, _ in plans),
            retried=tuple(
                retry for plan, outcome in plans for retry in limited_retries(plan, outcome)
            ),
            in_place=tuple(job_id for plan, _ in plans for job_id in retries_in_place(plan)),
            began=began,
        )

    def _ended_plans(self, watch_id: int) -> list[tuple[Plan, str]]:
        """Plans and outcomes of the rounds that have ended, in order, as far as readable."""
        rows = self._database.query_all(
            "SELECT record, outcome FROM round JOIN step ON step.round_id = round.id"
            " WHERE watch_id = ? AND ended IS NOT NULL AND name = ? AND record IS NOT NULL"
            " ORDER BY number",
            watch_id,
            Step.PLAN,
        )
        plans: list[tuple[Plan, str]] = []
        for row in rows:
            with suppress(ValueError):  # of another version
                plans.append((_PLAN.validate_json(row["record"]), row["outcome"]))
        return plans

    def _open_round(self, watch_id: int, workflow_id: int) -> Round | None:
        row = self._database.query_one(
            "SELECT id, number, run_id FROM round WHERE watch_id = ? AND ended IS NULL", watch_id
        )
        if row is None:
            return None
        round_ = Round(id=row["id"], number=row["number"], run_id=row["run_id"])
        steps = self._database.query_all(
            "SELECT name, finished, record FROM step WHERE round_id = ?", row["id"]
        )
        try:
            _restore(round_, steps)
        except ValueError as error:
            raise RecordUnreadable(
                f"Workflow {workflow_id} is in a round of recovery whose plan another version of "
                "torc-watch made, and this one cannot read. Upgrade torc-watch, or start over: "
                f"torc-watchd remove {workflow_id}, and add it again."
            ) from error
        return round_


def _completed(plans: Iterable[Plan]) -> int | None:
    counts = [plan.completed for plan in plans if plan.is_at_rest]
    return counts[-1] if counts else None


def _restore(round_: Round, steps: Iterable[sqlite3.Row]) -> None:
    for step in steps:
        round_.begun.add(Step(step["name"]))
        if step["finished"]:
            round_.finished.add(Step(step["name"]))
        if step["name"] == Step.PLAN and step["record"]:
            round_.plan = _PLAN.validate_json(step["record"])
