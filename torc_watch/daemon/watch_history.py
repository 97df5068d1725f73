"""What the journal and the spool hold of the daemon's workflows and of past watches."""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from torc_watch.core.approval import Proposal
from torc_watch.core.errors import JournalError
from torc_watch.core.os_errors import describe_os_error
from torc_watch.core.recovery_round import Plan, Step
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.commands import Command, Removed, WatchedWorkflow, apply_command
from torc_watch.daemon.journal_reader import open_table
from torc_watch.daemon.registry import workflow_from
from torc_watch.daemon.spool import PendingCommand, Spool
from torc_watch.daemon.status_file import read_status
from torc_watch.engine.proposal_table import proposals_from

_PLAN = TypeAdapter(Plan)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRound:
    """Times are ISO 8601. ``plan`` is None before it was made, and where it cannot be read.

    ``reason`` says why it was not carried out, ``until`` when one is planned again that waits.
    """

    number: int
    run_id: int
    began: str
    ended: str | None
    outcome: str | None
    last_step: str | None
    plan: Plan | None
    reason: str = ""
    until: str | None = None


@dataclass(frozen=True, slots=True)
class PastProposal:
    """A plan that waited for approval; ``ended`` (ISO 8601) and ``outcome`` are None while it does.

    The outcome is ``carried_out``, ``replaced`` by another plan, or ``withdrawn``.
    """

    proposal: Proposal
    ended: str | None
    outcome: str | None


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
    proposals: tuple[PastProposal, ...] = ()

    @property
    def key(self) -> WorkflowKey:
        return WorkflowKey(self.server, self.workflow_id)


@dataclass(frozen=True, slots=True)
class KnownWorkflows:
    """The daemon's list, for those who send it commands.

    ``trouble`` says why the journal cannot be read, else it is empty. Then ``keys`` are those that
    the daemon published and those in the spool, and nothing more is known of the ``workflows``.
    """

    keys: Collection[WorkflowKey]
    workflows: Mapping[WorkflowKey, WatchedWorkflow]
    trouble: str = ""


def workflows_for_commands(home: Path) -> KnownWorkflows:
    """What can be known, also beside a journal that is damaged or locked.

    Raises JournalError if the spool cannot be read.
    """
    commands = _pending_commands(home / "spool")  # first, as in known_workflows
    try:
        workflows = _with(commands, _stored_workflows(home))
    except JournalError as error:
        keys = _published_keys(home) | {command.key for command in commands}
        return KnownWorkflows(keys, {}, str(error))
    return KnownWorkflows(workflows.keys(), workflows)


def known_workflows(home: Path) -> dict[WorkflowKey, WatchedWorkflow]:
    """The daemon's list, as it will be after the commands in the spool.

    Raises JournalError.
    """
    # The spool first: the daemon stores the effect of a command before it deletes its file, and
    # applying a command twice changes nothing more.
    commands = _pending_commands(home / "spool")
    return _with(commands, _stored_workflows(home))


def _stored_workflows(home: Path) -> dict[WorkflowKey, WatchedWorkflow]:
    with open_table(home / "journal.db", "entry") as database:
        rows = database.execute("SELECT * FROM entry") if database else ()
        return {workflow.key: workflow for workflow in map(workflow_from, rows)}


def _with(
    commands: Iterable[Command], workflows: dict[WorkflowKey, WatchedWorkflow]
) -> dict[WorkflowKey, WatchedWorkflow]:
    for command in commands:
        match apply_command(workflows.get(command.key), command):
            case WatchedWorkflow() as workflow:
                workflows[command.key] = workflow
            case Removed():
                del workflows[command.key]
    return workflows


def _published_keys(home: Path) -> set[WorkflowKey]:
    with suppress(JournalError):
        if view := read_status(home):
            return {each.key for each in view.workflows}
    return set()


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
    with open_table(home / "journal.db", "watch") as database:
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
        reason=_value(row, "reason") or "",
        rounds=tuple(_round(database, each) for each in rounds),
        proposals=tuple(_proposals(database, row["id"])),
    )


def _proposals(database: sqlite3.Connection, watch_id: int) -> Iterator[PastProposal]:
    """None where an earlier version of this program had no such table."""
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'proposal'").fetchone():
        return
    query = "SELECT * FROM proposal WHERE watch_id = ? ORDER BY id"
    for row in database.execute(query, (watch_id,)).fetchall():
        for proposal in proposals_from([row]):
            yield PastProposal(proposal, row["ended"], row["outcome"])


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
        reason=_value(row, "reason") or "",
        until=_value(row, "until"),
    )


def _value(row: sqlite3.Row, column: str) -> str | None:
    """None where an earlier version of this program had no such column."""
    return row[column] if column in row.keys() else None  # noqa: SIM118 - a Row


def _plan(record: str | None) -> Plan | None:
    try:
        return _PLAN.validate_json(record) if record else None
    except ValueError:  # stored by another version of this program
        return None
