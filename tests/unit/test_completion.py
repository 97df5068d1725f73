"""Completion of workflow IDs in a shell."""

import shlex
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from torc_watch.cli import app
from torc_watch.cli.completion import workflow_ids
from torc_watch.daemon.commands import Action, Command
from torc_watch.daemon.lease import this_holder
from torc_watch.daemon.spool import Spool
from torc_watch.daemon.status_file import utc_now, write_status
from torc_watch.daemon.workflow_view import DaemonView, Phase, WorkflowView
from torc_watch.engine.database import Database

SERVER = "http://127.0.0.1:9/torc-service/v1"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A daemon watches 42 and 43, was told to add 420, and 7 was once watched here."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("TORC_WATCHD_HOME", str(folder))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "etc"))
    views = (
        WorkflowView(server=SERVER, workflow_id=42, name="a\nb", phase=Phase.WATCHING),
        WorkflowView(server=SERVER, workflow_id=43, phase=Phase.ENDED, verdict="exhausted"),
    )
    view = DaemonView(holder=this_holder(), at=utc_now().isoformat(), workflows=views)
    write_status(folder / "status.json", view)
    Spool(folder / "spool").put(Command(action=Action.ADD, server=SERVER, workflow_id=420))
    Database(folder / "journal.db").close()
    with closing(sqlite3.connect(folder / "journal.db")) as database:
        database.execute(
            "INSERT INTO watch (server, workflow_id, created, began) VALUES ('s', 7, 'c', 'b')"
        )
        database.commit()
    return folder


ALL = [("7", ""), ("42", "a\\nb watching"), ("43", "exhausted"), ("420", "added")]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("incomplete", "expected"),
    [
        ("", ALL),
        ("4", ALL[1:]),
        ("42", [ALL[1], ALL[3]]),
        ("5", []),
        ("x", []),
        ("1-4", [("1-42", ALL[1][1]), ("1-43", ALL[2][1]), ("1-420", ALL[3][1])]),
        ("1-3,7,43", [("1-3,7,43", "exhausted")]),
    ],
)
def test_ids_that_the_daemon_and_the_journal_know(
    incomplete: str, expected: list[tuple[str, str]]
) -> None:
    assert workflow_ids(incomplete) == expected


@pytest.mark.parametrize(
    ("name", "left"),
    [("status.json", [7, 420]), ("journal.db", [42, 43, 420]), ("spool", [7, 42, 43])],
)
@pytest.mark.parametrize("content", [b"", b"?" * 5000])
def test_what_cannot_be_read_is_left_out(
    home: Path, name: str, left: list[int], content: bytes
) -> None:
    (home / name).rename(home / "away")
    (home / name).write_bytes(content)
    assert [int(number) for number, _ in workflow_ids("")] == left


def test_no_state_folder_and_an_invalid_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORC_WATCHD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert workflow_ids("") == []
    assert not (tmp_path / "home").exists()
    (tmp_path / "torc-watchd").mkdir()
    (tmp_path / "torc-watchd/config.toml").write_text("retrys = 1")
    assert workflow_ids("") == []


def completed(words: str) -> list[str]:
    """As bash asks: the words so far are in the environment."""
    asked = f"torc-watchd {words}"
    count = len(shlex.split(asked)) - (not asked.endswith(" "))
    environment = {"COMP_WORDS": asked, "COMP_CWORD": str(count)}
    runner = CliRunner(env=environment | {"_TORC_WATCHD_COMPLETE": "complete_bash"})
    ended = runner.invoke(app, prog_name="torc-watchd")
    assert not ended.stderr
    return ended.stdout.split()


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    "words",
    [
        *("status ", "add 43 ", "watch ", "logs -f ", "history 7,"),
        *("slurm regenerate ", "jobs list ", "reports check-resource-utilization "),
    ],
)
def test_shell_asks_for_ids(words: str) -> None:
    start = "7," if "," in words else ""
    assert completed(words) == [f"{start}{number}" for number in (7, 42, 43, 420)]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("add 42 --sched", ["--scheduler"]),
        ("add 42 --scheduler s", ["slurm"]),
        ("status -", ["--url", "--json", "-h", "--help"]),
        ("st", ["status"]),
        ("jobs list --st", ["--status"]),
        ("jobs list --status fa", ["failed"]),
        ("jobs l", ["list", "logs"]),
    ],
)
def test_options_and_commands_are_completed_too(words: str, expected: list[str]) -> None:
    assert sorted(completed(words)) == sorted(expected)


def test_what_completes_ids_is_quick_to_import(home: Path) -> None:
    program = (
        "import sys; from torc_watch.cli.completion import workflow_ids; workflow_ids('');"
        "heavy = ['anyio', 'httpx', 'pydantic', 'rich', 'torc_watch.core.policy'];"
        "print([name for name in heavy if name in sys.modules])"
    )
    shutil.rmtree(home / "spool")
    words = [sys.executable, "-c", program]
    ended = subprocess.run(words, capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
