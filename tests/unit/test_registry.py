"""What the daemon knows survives it, also one that was written by an earlier version."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from torc_watch.daemon.commands import WatchedWorkflow, WatchOptions, WatchState
from torc_watch.daemon.registry import Registry
from torc_watch.engine.database import MIGRATIONS
from torc_watch.engine.journal import Identity, Journal

ENTRY = WatchedWorkflow(
    server="http://a/torc-service/v1",
    workflow_id=42,
    choices=WatchOptions(max_retries=5, recovery_hook=("sh", "-c", "true"), output_dir="/scratch"),
    condition=WatchState.WATCHED,
)
OF_ANOTHER_SERVER = replace(ENTRY, server="http://b/torc-service/v1", choices=WatchOptions())


@pytest.fixture
def path(quick_path: Path) -> Path:
    return quick_path / "journal.db"


def kept(path: Path) -> list[WatchedWorkflow]:
    with closing(Registry(path)) as registry:
        return registry.entries()


def test_what_is_kept_is_found_again(path: Path) -> None:
    ended = replace(ENTRY, condition=WatchState.ENDED, verdict="stuck", reason="Nothing runs.")
    with closing(Registry(path)) as registry:
        registry.keep(ENTRY)
        registry.keep(OF_ANOTHER_SERVER)
        registry.keep(ended)

    assert kept(path) == [ended, OF_ANOTHER_SERVER]

    with closing(Registry(path)) as registry:
        registry.forget(ENTRY.server, ENTRY.workflow_id)
        registry.forget(ENTRY.server, ENTRY.workflow_id)

    assert kept(path) == [OF_ANOTHER_SERVER]


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_a_journal_of_an_earlier_version_is_kept(path: Path, version: int) -> None:
    with closing(sqlite3.connect(path)) as database:
        for migration in MIGRATIONS[:version]:
            database.executescript(migration)
        database.execute(
            "INSERT INTO watch (server, workflow_id, created, began) VALUES ('s', 7, 'then', '')"
        )
        database.execute(f"PRAGMA user_version = {version}")
        database.commit()

    assert kept(path) == []
    with closing(Registry(path, "1")) as registry:
        registry.keep(ENTRY)
    assert kept(path) == [ENTRY]

    with closing(Journal(path)) as journal:
        watch = journal.begin_watch(Identity(server="s", workflow_id=7, created="then"))
        journal.end_watch(watch.id, "stuck", "Nothing runs.")
    assert watch.id == 1


@pytest.mark.parametrize(
    "written_by_another",
    ["""choices = '{"max_retries": "many"}'""", "choices = 'yaml'", "condition = 'asleep'"],
)
def test_what_another_version_kept_concerns_one_workflow(
    path: Path, written_by_another: str
) -> None:
    with closing(Registry(path)) as registry:
        registry.keep(ENTRY)
        registry.keep(OF_ANOTHER_SERVER)
    with closing(sqlite3.connect(path)) as database:
        database.execute(
            f"UPDATE entry SET {written_by_another} WHERE server = ?",  # noqa: S608
            (ENTRY.server,),
        )
        database.commit()

    unreadable, other = kept(path)

    assert other == OF_ANOTHER_SERVER
    assert (unreadable.server, unreadable.workflow_id) == (ENTRY.server, 42)
    assert unreadable.condition is WatchState.UNREADABLE
    assert "torc-watchd add 42" in unreadable.reason
