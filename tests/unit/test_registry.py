"""The daemon's list of workflows, also in a journal of an earlier version."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from torc_watch.core.workflow_key import WorkflowIdentity
from torc_watch.daemon.commands import WatchedWorkflow, WatchOptions, WatchState
from torc_watch.daemon.registry import Registry
from torc_watch.engine.database import MIGRATIONS
from torc_watch.engine.journal import Journal

WORKFLOW = WatchedWorkflow(
    server="http://a/torc-service/v1",
    workflow_id=42,
    options=WatchOptions(max_retries=5, recovery_hook=("sh", "-c", "true"), output_dir="/scratch"),
    state=WatchState.WATCHED,
)
OF_ANOTHER_SERVER = replace(WORKFLOW, server="http://b/torc-service/v1", options=WatchOptions())


@pytest.fixture
def path(quick_path: Path) -> Path:
    return quick_path / "journal.db"


def stored(path: Path) -> list[WatchedWorkflow]:
    with closing(Registry(path)) as registry:
        return registry.workflows()


def test_workflows_are_stored_until_they_are_removed(path: Path) -> None:
    ended = replace(WORKFLOW, state=WatchState.ENDED, verdict="stuck", reason="Nothing runs.")
    with closing(Registry(path)) as registry:
        registry.save(WORKFLOW)
        registry.save(OF_ANOTHER_SERVER)
        registry.save(ended)

    assert stored(path) == [ended, OF_ANOTHER_SERVER]

    with closing(Registry(path)) as registry:
        registry.remove(WORKFLOW.key)
        registry.remove(WORKFLOW.key)

    assert stored(path) == [OF_ANOTHER_SERVER]


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_journal_of_an_earlier_version_is_migrated(path: Path, version: int) -> None:
    with closing(sqlite3.connect(path)) as database:
        for migration in MIGRATIONS[:version]:
            database.executescript(migration)
        database.execute(
            "INSERT INTO watch (server, workflow_id, created, began) VALUES ('s', 7, 'then', "
            "'2026-01-01T00:00:00.000+00:00')"
        )
        database.execute(f"PRAGMA user_version = {version}")
        database.commit()

    assert stored(path) == []
    with closing(Registry(path, "1")) as registry:
        registry.save(WORKFLOW)
    assert stored(path) == [WORKFLOW]

    with closing(Journal(path)) as journal:
        watch = journal.begin_watch(WorkflowIdentity(server="s", workflow_id=7, created="then"))
        journal.end_watch(watch.id, "stuck", "Nothing runs.")
    assert watch.id == 1


@pytest.mark.parametrize(
    "written_by_another",
    ["""choices = '{"max_retries": "many"}'""", "choices = 'yaml'", "condition = 'asleep'"],
)
def test_row_of_another_version_affects_one_workflow(path: Path, written_by_another: str) -> None:
    with closing(Registry(path)) as registry:
        registry.save(WORKFLOW)
        registry.save(OF_ANOTHER_SERVER)
    with closing(sqlite3.connect(path)) as database:
        database.execute(
            f"UPDATE entry SET {written_by_another} WHERE server = ?",  # noqa: S608
            (WORKFLOW.server,),
        )
        database.commit()

    unreadable, other = stored(path)

    assert other == OF_ANOTHER_SERVER
    assert unreadable.key == WORKFLOW.key
    assert unreadable.state is WatchState.UNREADABLE
    assert "torc-watchd add 42" in unreadable.reason
