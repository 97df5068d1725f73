"""The journal for commands that only show it: neither creates nor changes the file."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from torc_watch.core.errors import JournalError
from torc_watch.core.os_errors import describe_os_error
from torc_watch.core.recovery_round import Plan, Step
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.commands import Command, Removed, WatchedWorkflow, apply_command
from torc_watch.daemon.registry import workflow_from
from torc_watch.daemon.spool import PendingCommand, Spool
from torc_watch.engine.database import has_hot_journal, is_busy, locked_error

_PLAN = TypeAdapter(Plan)
_CUT_OFF = (
    "a process was killed while it changed the journal, or one on another login node, whose locks "
    "are not visible here, is changing it. Try again; the next torc-watchd run or watch repairs it."
)
_BUSY_TIMEOUT = 10.0  # seconds to wait for a process that is writing


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
    """``ended`` and ``verdict`` are None while it is running; ``reason`` may be empty."""

    server: str
    workflow_id: int
    began: str
    ended: str | None
    verdict: str | None
    reason: str
    rounds: tuple[PastRound, ...]

    @property
    def key(self) -> WorkflowKey:
        return WorkflowKey(self.server, self.workflow_id)


def known_workflows(home: Path) -> dict[WorkflowKey, WatchedWorkflow]:
    """The daemon's list, as it will be after the commands in the spool.

    Raises JournalError.
    """
    # The spool first: the daemon stores the effect of a command before it deletes its file, and
    # applying a command twice changes nothing more.
    commands = _pending_commands(home / "spool")
    with _open_journal(home / "journal.db", "entry") as database:
        rows = database.execute("SELECT * FROM entry") if database else ()
        workflows = {workflow.key: workflow for workflow in map(workflow_from, rows)}
    for command in commands:
        match apply_command(workflows.get(command.key), command):
            case WatchedWorkflow() as workflow:
                workflows[command.key] = workflow
            case Removed():
                del workflows[command.key]
    return workflows


def _pending_commands(folder: Path) -> list[Command]:
    try:
        files = Spool(folder).pending()
    except OSError as error:
        raise JournalError(
            f"The spool {folder} cannot be read: {describe_os_error(error)}"
        ) from error
    return [file.command for file in files if isinstance(file, PendingCommand)]


def watches_of(home: Path, workflow_id: int) -> list[PastWatch]:
    """The watches of all workflows with this ID, on all servers, oldest first."""
    with _open_journal(home / "journal.db", "watch") as database:
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
    known = [name for name in records if name in list(Step)]  # other versions have other steps
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
    except ValueError:  # stored by another version of this program
        return None


@contextmanager
def _open_journal(path: Path, table: str) -> Iterator[sqlite3.Connection | None]:
    """None if the file or the table does not exist. Raises JournalError."""
    try:
        if not _exists(path):
            yield None
            return
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_TIMEOUT)) as database:
            database.row_factory = sqlite3.Row
            found = database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,))
            yield database if found.fetchone() else None
    except (sqlite3.Error, OSError) as error:
        if is_busy(error):
            raise locked_error(path) from error
        raise JournalError(f"The journal {path} cannot be read: {_reason(error)}") from error


def _exists(path: Path) -> bool:
    """Raises OSError if that is unknown: since Python 3.14 `Path.exists` returns False then."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _reason(error: sqlite3.Error | OSError) -> str:
    if isinstance(error, OSError):
        return describe_os_error(error)
    return _CUT_OFF if has_hot_journal(error) else f"{error}."
