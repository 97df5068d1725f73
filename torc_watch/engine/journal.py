"""What was decided and how far it was carried out, in SQLite, written before it is done.

A *watch* is one decision of a person to have a workflow looked after; it ends with a verdict. If
its process dies first, or the server stays away, the next watch of the same workflow is the same
watch: its rounds count on, and an unfinished round is finished. Statements are committed one by
one with full synchronisation; watches of other workflows, in other processes, wait for one at most.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter

from torc_watch.core.errors import JournalError
from torc_watch.core.policy import Plan
from torc_watch.core.saga import RoundOutcome, Step

_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS watch (
    id INTEGER PRIMARY KEY,
    server TEXT NOT NULL,
    workflow_id INTEGER NOT NULL,
    created TEXT NOT NULL,
    began TEXT NOT NULL,
    ended TEXT,
    verdict TEXT
);
CREATE INDEX IF NOT EXISTS watch_of_workflow ON watch (server, workflow_id);
CREATE TABLE IF NOT EXISTS round (
    id INTEGER PRIMARY KEY,
    watch_id INTEGER NOT NULL REFERENCES watch (id),
    number INTEGER NOT NULL,
    run_id INTEGER NOT NULL,
    began TEXT NOT NULL,
    ended TEXT,
    outcome TEXT,
    UNIQUE (watch_id, number)
);
CREATE TABLE IF NOT EXISTS step (
    round_id INTEGER NOT NULL REFERENCES round (id),
    name TEXT NOT NULL,
    began TEXT NOT NULL,
    finished TEXT,
    record TEXT,
    PRIMARY KEY (round_id, name)
) WITHOUT ROWID;
"""
_PLAN = TypeAdapter(Plan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which workflow is meant: its creation time tells it from a later one of the same id."""

    server: str
    workflow_id: int
    created: str


@dataclass(slots=True, kw_only=True)
class Round:
    """One round of recovery as far as it got; the recoverer moves it on, step by step."""

    id: int
    number: int
    run_id: int
    begun: set[Step] = field(default_factory=set)
    finished: set[Step] = field(default_factory=set)
    plan: Plan | None = None


@dataclass(slots=True, kw_only=True)
class WatchRecord:
    """The journal's row of one watch: rounds begun so far, and the one not finished, if any."""

    id: int
    rounds_used: int
    open_round: Round | None

    @property
    def is_in_a_round(self) -> bool:
        """Whether there is a plan that was not carried out to its end."""
        return self.open_round is not None and self.open_round.plan is not None


class Journal:
    """Every method raises JournalError when the file cannot be read or written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._database = sqlite3.connect(path, isolation_level=None)
            self._database.row_factory = sqlite3.Row
            with ExitStack() as undone:
                undone.callback(self.close)
                self._prepare()
                undone.pop_all()

    def close(self) -> None:
        self._database.close()

    def begin_watch(self, identity: Identity) -> WatchRecord:
        """The unfinished watch of this workflow, else a new one."""
        key = (identity.server, identity.workflow_id, identity.created)
        row = self._one(
            "SELECT id FROM watch WHERE server = ? AND workflow_id = ? AND created = ?"
            " AND ended IS NULL",
            *key,
        )
        if row is None:
            new = self._write(
                "INSERT INTO watch (server, workflow_id, created, began) VALUES (?, ?, ?, ?)",
                *key,
                _now(),
            )
            return WatchRecord(id=new, rounds_used=0, open_round=None)
        open_round = self._open_round(row["id"])
        ended = self._all(
            "SELECT id FROM round WHERE watch_id = ? AND ended IS NOT NULL", row["id"]
        )
        return WatchRecord(id=row["id"], rounds_used=len(ended), open_round=open_round)

    def end_watch(self, watch_id: int, verdict: str) -> None:
        self._write(
            "UPDATE watch SET ended = ?, verdict = ? WHERE id = ?", _now(), verdict, watch_id
        )

    def begin_round(self, watch_id: int, *, number: int, run_id: int) -> Round:
        row_id = self._write(
            "INSERT INTO round (watch_id, number, run_id, began) VALUES (?, ?, ?, ?)",
            watch_id,
            number,
            run_id,
            _now(),
        )
        return Round(id=row_id, number=number, run_id=run_id)

    def end_round(self, round_: Round, outcome: RoundOutcome) -> None:
        self._write(
            "UPDATE round SET ended = ?, outcome = ? WHERE id = ?", _now(), outcome, round_.id
        )

    def begin_step(self, round_: Round, step: Step) -> None:
        self._write(
            "INSERT OR IGNORE INTO step (round_id, name, began) VALUES (?, ?, ?)",
            round_.id,
            step,
            _now(),
        )
        round_.begun.add(step)

    def finish_step(self, round_: Round, step: Step) -> None:
        self._write(
            "UPDATE step SET finished = ? WHERE round_id = ? AND name = ?", _now(), round_.id, step
        )
        round_.finished.add(step)

    def record_plan(self, round_: Round, plan: Plan) -> None:
        """Fixes the plan of a round; from here on a crash leads to this plan and no other."""
        self._write(
            "UPDATE step SET record = ? WHERE round_id = ? AND name = ?",
            _PLAN.dump_json(plan).decode(),
            round_.id,
            Step.PLAN,
        )
        round_.plan = plan

    def _open_round(self, watch_id: int) -> Round | None:
        row = self._one(
            "SELECT id, number, run_id FROM round WHERE watch_id = ? AND ended IS NULL", watch_id
        )
        if row is None:
            return None
        round_ = Round(id=row["id"], number=row["number"], run_id=row["run_id"])
        steps = self._all("SELECT name, finished, record FROM step WHERE round_id = ?", row["id"])
        try:
            _restore(round_, steps)
        except ValueError as error:
            raise JournalError(
                f"The journal {self._path} holds a plan that this torc-watch cannot read. "
                "Set TORC_WATCHD_HOME to another folder to begin afresh."
            ) from error
        return round_

    def _prepare(self) -> None:
        # A rollback journal and full synchronisation: also right on a network file system, where a
        # write-ahead log is not, and the few writes of a recovery do not notice.
        self._database.execute("PRAGMA journal_mode = TRUNCATE")
        self._database.execute("PRAGMA synchronous = FULL")
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise JournalError(
                f"The journal {self._path} was written by a newer torc-watch (format {version}, "
                f"this one knows {_VERSION}). Upgrade torc-watch, or set TORC_WATCHD_HOME to "
                "another folder."
            )
        if version == 0:  # another process may be making it at this moment: IF NOT EXISTS
            self._database.executescript(
                f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;"
            )

    def _one(self, statement: str, *values: object) -> sqlite3.Row | None:
        return next(iter(self._all(statement, *values)), None)

    def _all(self, statement: str, *values: object) -> list[sqlite3.Row]:
        with self._translated():
            return self._database.execute(statement, values).fetchall()

    def _write(self, statement: str, *values: object) -> int:
        with self._translated():
            return self._database.execute(statement, values).lastrowid or 0

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise JournalError(
                f"The journal {self._path} cannot be used: {error}. Nothing is changed without it. "
                "Make room or set TORC_WATCHD_HOME to another folder, then run the same command "
                "again: it goes on where this one stopped."
            ) from error


def _restore(round_: Round, steps: Iterable[sqlite3.Row]) -> None:
    for step in steps:
        round_.begun.add(Step(step["name"]))
        if step["finished"]:
            round_.finished.add(Step(step["name"]))
        if step["name"] == Step.PLAN and step["record"]:
            round_.plan = _PLAN.validate_json(step["record"])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
