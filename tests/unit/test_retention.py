"""Old files and records are deleted, but not locks in use and unfinished watches."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from torc_watch.core.recovery_round import RoundOutcome, Step
from torc_watch.core.workflow_key import WorkflowIdentity
from torc_watch.daemon.registry import Registry
from torc_watch.daemon.retention import prune
from torc_watch.engine.journal import Journal
from torc_watch.engine.workflow_lock import lock_workflow


def identity(workflow_id: int) -> WorkflowIdentity:
    return WorkflowIdentity(server="s", workflow_id=workflow_id, created="then")


def prune_after(days: float, home: Path) -> None:
    Registry(home / "journal.db", "1").close()
    prune(home, datetime.now(UTC) + timedelta(days=days), "1")


@pytest.mark.parametrize(
    ("name", "days"),
    [
        (".torc-watchd-x7k2", 1),
        ("journal.db.damaged-2026-01-01T00:00:00.000+00:00", 90),
        ("journal.db.damaged-2026-01-01T00:00:00.000+00:00-journal", 90),
        ("spool/rejected/0.json", 30),
        ("spool/drafts/0.json", 1),
        (".status.json.4711", 1),
        ("spool/incoming/0.json", None),
        ("spool/rejected/thesis/chapter", None),
        ("allocations/1/order.json", None),
        ("status.json", None),
        ("daemon.log.5", None),
    ],
)
def test_files_are_deleted_when_they_are_too_old(
    quick_path: Path, name: str, days: int | None
) -> None:
    path = quick_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()

    prune_after((days or 1000) - 0.1, quick_path)
    assert path.exists()

    prune_after((days or 1000) + 0.1, quick_path)
    assert path.exists() == (days is None)


def test_only_unused_locks_are_deleted(quick_path: Path) -> None:
    locks = quick_path / "locks"
    with lock_workflow(locks, identity(1)):
        with lock_workflow(locks, identity(2)):
            pass
        prune_after(29.9, quick_path)
        assert len(list(locks.iterdir())) == 2
        prune_after(30.1, quick_path)
        (kept,) = locks.iterdir()
        assert kept.name.startswith("1-")
    with lock_workflow(locks, identity(2)):
        pass


def test_old_ended_watches_are_deleted_with_their_rounds(quick_path: Path) -> None:
    with closing(Journal(quick_path / "journal.db")) as journal:
        watches = [journal.begin_watch(identity(workflow_id)) for workflow_id in (1, 2)]
        for watch in watches:
            begun = journal.begin_round(watch.id, number=1, run_id=1)
            journal.begin_step(begun, Step.PLAN)
            journal.end_round(begun, RoundOutcome.RESUBMITTED)
        journal.end_watch(watches[1].id, "succeeded")

        prune_after(89.9, quick_path)
        assert rows(quick_path) == [2, 2, 2]

        prune_after(90.1, quick_path)
        assert rows(quick_path) == [1, 1, 1]
        assert journal.begin_watch(identity(1)).past.used == 1


def rows(home: Path) -> list[int]:
    with closing(sqlite3.connect(home / "journal.db")) as database:
        return [
            database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
            for table in ("watch", "round", "step")
        ]
