"""The attempts in the journal from which jobs get their sizes, and the scouts of its plans."""

import sqlite3
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import asdict

from pydantic import TypeAdapter

from torc_watch.core.job_kind import KindKey
from torc_watch.core.kind_history import AttemptEnd, SizedAttempt
from torc_watch.core.recovery_round import Plan
from torc_watch.core.sized_attempts import ScoutStart, scout_starts
from torc_watch.core.workflow_key import WorkflowIdentity
from torc_watch.engine.database import Database

_PLAN = TypeAdapter(Plan)
_MOST_OF_A_KIND = 10_000
_MOST_OF_A_WORKFLOW = 200_000
_LARGEST = 2**63 - 1  # that SQLite stores

_RECORD = """
INSERT OR REPLACE INTO sized_attempt
    (server, workflow_id, created, job_id, run_id, attempt, requirements, template, ending, memory,
    runtime, peak, ran, is_scout)
VALUES (:server, :workflow_id, :created, :job_id, :run_id, :attempt, :requirements, :template,
    :ending, :memory, :runtime, :peak, :ran, :is_scout)
"""
# Those of completed jobs go first: the server has their results. The age is told by runs and
# attempts, which no clock changes.
_BOUND = """
DELETE FROM sized_attempt
WHERE server = :server AND workflow_id = :workflow_id AND created = :created
AND (job_id, run_id, attempt) IN (
    SELECT job_id, run_id, attempt FROM (
        SELECT job_id, run_id, attempt, row_number() OVER (
            PARTITION BY {group} ORDER BY is_scout DESC, ending = 'completed', run_id DESC,
            attempt DESC, job_id DESC
        ) AS place FROM sized_attempt
        WHERE server = :server AND workflow_id = :workflow_id AND created = :created
    ) WHERE place > :most
)
"""
_BOUND_OF_KINDS = _BOUND.format(group="requirements, template")
_BOUND_OF_WORKFLOW = _BOUND.format(group="server")
_UNWATCHED = """
NOT EXISTS (
    SELECT 1 FROM watch WHERE watch.server = sized_attempt.server
    AND watch.workflow_id = sized_attempt.workflow_id AND watch.created = sized_attempt.created
)
"""
ATTEMPTS = "SELECT * FROM sized_attempt WHERE server = ? AND workflow_id = ? AND created = ?"
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
        return attempts_from(self._database.query_all(ATTEMPTS, *identity_values(identity)))

    def scout_starts(self, identity: WorkflowIdentity) -> frozenset[ScoutStart]:
        rows = self._database.query_all(PLANS_WITH_SCOUTS, *identity_values(identity))
        return scout_starts_from(rows)

    def record(self, identity: WorkflowIdentity, attempts: Collection[SizedAttempt]) -> None:
        """In place of what is known of the same attempts: ``merged`` says what is lost by that.

        Of too many the oldest are deleted. Writes nothing where there is none.
        """
        if not attempts:
            return
        workflow = asdict(identity)
        self._database.write_together(
            (_RECORD, ({**workflow, **_values(each)} for each in attempts)),
            (_BOUND_OF_KINDS, [{**workflow, "most": _MOST_OF_A_KIND}]),
            (_BOUND_OF_WORKFLOW, [{**workflow, "most": _MOST_OF_A_WORKFLOW}]),
        )

    def delete_unwatched(self) -> None:
        """Those of workflows of which no watch is left. Writes nothing where there is none."""
        found = f"FROM sized_attempt WHERE {_UNWATCHED}"
        if self._database.query_one(f"SELECT 1 {found} LIMIT 1"):
            self._database.write(f"DELETE {found}")


def identity_values(identity: WorkflowIdentity) -> tuple[str, int, str]:
    return identity.server, identity.workflow_id, identity.created


def attempts_from(rows: Iterable[sqlite3.Row]) -> tuple[SizedAttempt, ...]:
    """Without those that another version of this program has written."""
    kinds: dict[KindKey, KindKey] = {}
    ends = {each.value: each for each in AttemptEnd}
    return tuple(_attempt(row, ends[row["ending"]], kinds) for row in rows if row["ending"] in ends)


def scout_starts_from(rows: Iterable[sqlite3.Row]) -> frozenset[ScoutStart]:
    """From plans, without those that another version of this program has made."""
    found: set[ScoutStart] = set()
    for row in rows:
        with suppress(ValueError):
            found.update(scout_starts(_PLAN.validate_json(row["record"])))
    return frozenset(found)


def _attempt(row: sqlite3.Row, end: AttemptEnd, kinds: dict[KindKey, KindKey]) -> SizedAttempt:
    """Attempts of a kind share their key: there may be very many."""
    kind = KindKey(
        workflow_id=row["workflow_id"],
        requirements=row["requirements"],
        template=row["template"],
    )
    return SizedAttempt(
        kind=kinds.setdefault(kind, kind),
        job_id=row["job_id"],
        run_id=row["run_id"],
        attempt=row["attempt"],
        end=end,
        memory=row["memory"],
        runtime=row["runtime"],
        peak=row["peak"],
        ran=row["ran"],
        is_scout=bool(row["is_scout"]),
    )


def _values(each: SizedAttempt) -> dict[str, object]:
    return {
        "job_id": each.job_id,
        "run_id": each.run_id,
        "attempt": each.attempt,
        "requirements": each.kind.requirements,
        "template": each.kind.template,
        "ending": each.end,
        "memory": _stored(each.memory),
        "runtime": _stored(each.runtime),
        "peak": _stored(each.peak),
        "ran": _stored(each.ran),
        "is_scout": each.is_scout,
    }


def _stored(amount: float | None) -> float | None:
    """None for what no job can have: a round does not fail because a server says such a thing."""
    return None if amount is None or abs(amount) > _LARGEST else amount
