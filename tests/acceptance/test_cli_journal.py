"""Commands beside a journal that a killed daemon left, or that is damaged or locked."""

import shlex
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.rigs.hot_journal import FILES, cut_off_a_write
from torc_watch.cli import app
from torc_watch.core.workflow_key import WorkflowIdentity
from torc_watch.daemon.commands import Command, WatchedWorkflow, WatchOptions, WatchState
from torc_watch.daemon.lease import this_holder
from torc_watch.daemon.registry import Registry
from torc_watch.daemon.spool import PendingCommand, Spool
from torc_watch.daemon.status_file import utc_now, write_status
from torc_watch.daemon.workflow_view import DaemonView, WorkflowView
from torc_watch.engine.journal import Journal

SERVER = "http://127.0.0.1:9/torc-service/v1"  # where no server listens


@pytest.fixture
def home(quick_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder of a daemon that watched workflow 42, and has published that."""
    monkeypatch.chdir(quick_path)
    monkeypatch.setenv("TORC_WATCHD_HOME", str(quick_path / "home"))
    monkeypatch.setenv("TORC_API_URL", SERVER)
    for name in ("XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(quick_path / "nothing"))
    home = quick_path / "home"
    watched = WatchedWorkflow(
        server=SERVER,
        workflow_id=42,
        options=WatchOptions(max_retries=5),
        state=WatchState.WATCHED,
    )
    with closing(Registry(home / "journal.db")) as registry:
        registry.save(watched)
    with closing(Journal(home / "journal.db")) as journal:
        journal.begin_watch(WorkflowIdentity(server=SERVER, workflow_id=42, created="then"))
    view = WorkflowView(server=SERVER, workflow_id=42)
    published = DaemonView(holder=this_holder(), at=utc_now().isoformat(), workflows=(view,))
    write_status(home / "status.json", published)
    return home


def damage(home: Path) -> None:
    (home / "journal.db").write_bytes(b"no database" * 1000)


def given(words: str) -> Result:
    return CliRunner().invoke(app, shlex.split(words))


def waiting(home: Path) -> list[Command]:
    files = Spool(home / "spool").pending()
    return [file.command for file in files if isinstance(file, PendingCommand)]


COMMANDS = ("add 42", "add 43", "set 42 --max-retries 7", "pause 42", "resume 42", "remove 42")


@pytest.mark.parametrize("words", COMMANDS)
def test_a_change_that_was_cut_off_keeps_no_command_back(home: Path, words: str) -> None:
    cut_off_a_write(home)
    before = [(home / name).read_bytes() for name in FILES]

    ended = given(words)

    assert ended.exit_code == 0, ended.stderr
    assert [command.action for command in waiting(home)] == [words.split(maxsplit=1)[0]]
    assert [(home / name).read_bytes() for name in FILES] == before, "no reader's to restore"


def test_history_is_as_before_the_change_that_was_cut_off(home: Path) -> None:
    before = given("history 42")
    cut_off_a_write(home)

    ended = given("history 42")

    assert (ended.exit_code, ended.stdout) == (0, before.stdout)
    assert "cut off" not in ended.stdout
    assert list(home.parent.iterdir()) == [home]


@pytest.mark.parametrize("words", COMMANDS)
def test_a_damaged_journal_keeps_no_command_back(home: Path, words: str) -> None:
    damage(home)

    ended = given(words)

    assert ended.exit_code == 0, ended.stderr
    assert "journal.db is damaged" in ended.stderr
    assert "torc-watchd run" in ended.stderr
    assert [command.action for command in waiting(home)] == [words.split(maxsplit=1)[0]]


def test_without_journal_and_list_the_server_has_to_be_named(home: Path) -> None:
    damage(home)
    (home / "status.json").unlink()

    refused, sent = given("pause 42"), given(f"pause 42 --url {SERVER}")

    assert refused.exit_code not in (0, 2)
    assert "name the workflow's server: --url" in refused.stderr
    assert sent.exit_code == 0, sent.stderr
    assert [command.key for command in waiting(home)] == [(SERVER, 42)]


def lock(home: Path) -> Callable[[], None]:
    database = sqlite3.connect(home / "journal.db", isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    return database.close


def test_a_locked_journal_keeps_no_command_back(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torc_watch.daemon.journal_reader._BUSY_TIMEOUT", 0.0)
    unlock = lock(home)

    ended = given("add 43")
    unlock()

    assert ended.exit_code == 0, ended.stderr
    assert "is locked by" in ended.stderr
    assert [command.workflow_id for command in waiting(home)] == [43]


def test_an_output_folder_stays_where_only_the_list_knows_the_workflow(home: Path) -> None:
    damage(home)

    given("add 42 43")

    assert [command.options.output_dir for command in waiting(home)] == [
        None,
        str(home.parent / "output"),
    ]
