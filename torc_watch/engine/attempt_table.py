"""The attempts in the journal from which jobs get their sizes, and the scouts of its plans."""

import sqlite3
from collections.abc import Iterable
from contextlib import suppress

from pydantic import TypeAdapter

from torc_watch.core.job_kind import KindKey
from torc_watch.core.kind_history import AttemptEnd, SizedAttempt
from torc_watch.core.recovery_round import Plan
from torc_watch.core.sized_attempts import AttemptNews, ScoutStart, scout_starts
from torc_watch.core.workflow_key import WorkflowIdentity
from torc_watch.engine.database import Database

_PLAN = TypeAdapter(Plan)
_ENDS = frozenset(AttemptEnd)
_LARGEST = 2**63 - 1  # that SQLite stores

_RECORD = """
INSERT OR REPLACE INTO sized_attempt
    (server, workflow_id, created, job_id, run_id, attempt, requirements, template, ending, memory,
    runtime, peak, ran, is_scout)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_DELETE = """
DELETE FROM sized_attempt WHERE server = ? AND workflow_id = ? AND created = ?
AND job_id = ? AND run_id = ? AND attempt = ?
"""
_UNWATCHED = """
NOT EXISTS (
    SELECT 1 FROM watch WHERE watch.server = sized_attempt.server
    AND watch.workflow_id = sized_attempt.workflow_id AND watch.created = sized_attempt.created
)
"""
ATTEMPTS = """
SELECT ending, requirements, template, job_id, run_id, attempt, memory, runtime, peak, ran, is_scout
FROM sized_attempt WHERE server = ? AND workflow_id = ? AND created = ?
"""
# Of rounds that began to reset jobs: those of others did not start.
PLANS_WITH_SCOUTS = """
SELECT plan.record FROM watch JOIN round ON round.watch_id = watch.id
JOIN step AS plan ON plan.round_id = round.id AND plan.name = 'plan'
JOIN step AS reset ON reset.round_id = round.id AND reset.name = 'reset'
WHERE watch.server = ? AND watch.workflow_id = ? AND watch.created = ?
AND plan.record LIKE '%"is_scout":true%'
"""


class AttemptTable:
    """Every method raises JournalError; those that write raise LeaseLost, for a daemon."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, identity: WorkflowIdentity) -> tuple[SizedAttempt, ...]:
        rows = self._database.query_all(ATTEMPTS, *identity_values(identity))
        return attempts_from(rows, identity.workflow_id)

    def scout_starts(self, identity: WorkflowIdentity) -> frozenset[ScoutStart]:
        rows = self._database.query_all(PLANS_WITH_SCOUTS, *identity_values(identity))
        return scout_starts_from(rows)

    def record(self, identity: WorkflowIdentity, news: AttemptNews) -> None:
        """In one transaction. Writes nothing where there are no news."""
        if news == AttemptNews():
            return
        workflow = identity_values(identity)
        self._database.write_together(
            (_RECORD, ((*workflow, *_values(each)) for each in news.recorded)),
            (_DELETE, ((*workflow, *key) for key in news.deleted)),
        )

    def delete_unwatched(self) -> None:
        """Those of workflows of which no watch is left. Writes nothing where there is none."""
        found = f"FROM sized_attempt WHERE {_UNWATCHED}"
        if self._database.query_one(f"SELECT 1 {found} LIMIT 1"):
            self._database.write(f"DELETE {found}")


def identity_values(identity: WorkflowIdentity) -> tuple[str, int, str]:
    return identity.server, identity.workflow_id, identity.created


def attempts_from(rows: Iterable[sqlite3.Row], workflow_id: int) -> tuple[SizedAttempt, ...]:
    """Without those that another version of this program has written."""
    kinds: dict[tuple[str | None, str], KindKey] = {}  # shared: there may be very many attempts
    return tuple(_attempt(row, workflow_id, kinds) for row in rows if row["ending"] in _ENDS)


def scout_starts_from(rows: Iterable[sqlite3.Row]) -> frozenset[ScoutStart]:
    """From plans, without those that another version of this program has made."""
    found: set[ScoutStart] = set()
    for row in rows:
        with suppress(ValueError):
            found.update(scout_starts(_PLAN.validate_json(row["record"])))
    return frozenset(found)


def _attempt(
    row: sqlite3.Row, workflow_id: int, kinds: dict[tuple[str | None, str], KindKey]
) -> SizedAttempt:
    ending, requirements, template, job_id, run_id, attempt, *amounts, is_scout = row
    memory, runtime, peak, ran = amounts
    kind = kinds.get((requirements, template))
    if kind is None:
        kind = KindKey(workflow_id=workflow_id, requirements=requirements, template=template)
        kinds[requirements, template] = kind
    return SizedAttempt(
        kind=kind,
        job_id=job_id,
        run_id=run_id,
        attempt=attempt,
        end=AttemptEnd(ending),
        memory=memory,
        runtime=runtime,
        peak=peak,
        ran=ran,
        is_scout=bool(is_scout),
    )


def _values(each: SizedAttempt) -> tuple[object, ...]:
    amounts = (_stored(each.memory), _stored(each.runtime), _stored(each.peak), _stored(each.ran))
    kind = each.kind.requirements, each.kind.template
    return (each.job_id, each.run_id, each.attempt, *kind, each.end, *amounts, each.is_scout)


def _stored(amount: float | None) -> float | None:
    """None for what no job can have: a round does not fail because a server says such a thing."""
    return None if amount is None or abs(amount) > _LARGEST else amount
