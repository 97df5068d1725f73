"""What was done, for those who only look: reads the journal, and neither creates nor changes it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from torc_watch.core.errors import JournalError
from torc_watch.core.os_errors import describe_os_error
from torc_watch.core.policy import Plan
from torc_watch.core.steps import Step
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.commands import Command, Removed, WatchedWorkflow, follow
from torc_watch.daemon.registry import entry_of
from torc_watch.daemon.spool import Spool
from torc_watch.engine.database import has_hot_journal, is_busy, locked_error

_PLAN = TypeAdapter(Plan)
_CUT_OFF = (
    "a process ended in the middle of a change to it, or one on a login node whose locks are not "
    "seen here is making one. Try again; the next torc-watchd run, or watch, puts it right."
)
_SECONDS = 10.0  # to wait for whoever is writing


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRound:
    """Times are ISO 8601. ``plan`` is None before it was made, and where it cannot be read."""

    number: int
    run_id: int
    began: str
    ended: str | None
    outcome: str | None
    last_step: str | None
    plan: Plan | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastWatch:
    """``ended`` and ``verdict`` are None while it goes on; ``reason`` may be empty."""

    server: str
    workflow_id: int
    began: str
    ended: str | None
    verdict: str | None
    reason: str
    rounds: tuple[PastRound, ...]


def known_workflows(home: Path) -> dict[WorkflowKey, WatchedWorkflow]:
    """Those that the daemon looks after, as they are when it has seen what waits for it.

    Raises JournalError.
    """
    # The spool first: what is taken in meanwhile is in the journal before it leaves the spool, and
    # following it twice changes nothing more.
    orders = _waiting(home / "spool")
    path = home / "journal.db"
    with _opened(path, "entry") as database:
        rows = database.execute("SELECT * FROM entry") if database else ()
        entries = {(row["server"], row["workflow_id"]): entry_of(row) for row in rows}
    for order in orders:
        key = order.server, order.workflow_id
        match follow(entries.get(key), order):
            case WatchedWorkflow() as entry:
                entries[key] = entry
            case Removed():
                del entries[key]
    return entries


def _waiting(folder: Path) -> list[Command]:
    try:
        contents = [delivery.content for delivery in Spool(folder).deliveries()]
    except OSError as error:
        raise JournalError(
            f"The spool {folder} cannot be read: {describe_os_error(error)}"
        ) from error
    return [content for content in contents if not isinstance(content, str)]


def watches_of(home: Path, workflow_id: int) -> list[PastWatch]:
    """On all servers, the first one first."""
    with _opened(home / "journal.db", "watch") as database:
        if database is None:
            return []
        rows = database.execute(
            "SELECT * FROM watch WHERE workflow_id = ? ORDER BY id", (workflow_id,)
        )
        return [_watch(database, row) for row in rows.fetchall()]


def _watch(database: sqlite3.Connection, row: sqlite3.Row) -> PastWatch:
    rounds = database.execute(
        "SELECT * FROM round WHERE watch_id = ? ORDER BY number", (row["id"],)
    ).fetchall()
    return PastWatch(
        server=row["server"],
        workflow_id=row["workflow_id"],
        began=row["began"],
        ended=row["ended"],
        verdict=row["verdict"],
        reason=(row["reason"] or "") if "reason" in row.keys() else "",  # noqa: SIM118 - a Row
        rounds=tuple(_round(database, each) for each in rounds),
    )


def _round(database: sqlite3.Connection, row: sqlite3.Row) -> PastRound:
    steps = database.execute(
        "SELECT name, record FROM step WHERE round_id = ? ORDER BY began", (row["id"],)
    ).fetchall()
    records = {step["name"]: step["record"] for step in steps}
    known = [name for name in records if name in list(Step)]  # another version may have others
    return PastRound(
        number=row["number"],
        run_id=row["run_id"],
        began=row["began"],
        ended=row["ended"],
        outcome=row["outcome"],
        last_step=max(known, key=list(Step).index, default=None),
        plan=_plan(records.get(Step.PLAN)),
    )


def _plan(record: str | None) -> Plan | None:
    try:
        return _PLAN.validate_json(record) if record else None
    except ValueError:  # of another version of this program
        return None


@contextmanager
def _opened(path: Path, table: str) -> Iterator[sqlite3.Connection | None]:
    """None where nothing was ever kept, in that table. Raises JournalError."""
    try:
        if not _is_there(path):
            yield None
            return
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=_SECONDS)) as database:
            database.row_factory = sqlite3.Row
            found = database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,))
            yield database if found.fetchone() else None
    except (sqlite3.Error, OSError) as error:
        if is_busy(error):
            raise locked_error(path) from error
        raise JournalError(f"The journal {path} cannot be read: {_reason(error)}") from error


def _is_there(path: Path) -> bool:
    """Raises OSError where that cannot be told, which since Python 3.14 is a no of `exists`."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _reason(error: sqlite3.Error | OSError) -> str:
    if isinstance(error, OSError):
        return describe_os_error(error)
    return _CUT_OFF if has_hot_journal(error) else f"{error}."
