"""Commands pass through the spool complete, once and in sequence; invalid files are rejected."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from torc_watch.daemon.commands import Action, Command, WatchOptions
from torc_watch.daemon.spool import InvalidFile, PendingCommand, Spool

SERVER = "http://test/torc-service/v1"
COMMAND = Command(
    action=Action.ADD,
    server=SERVER,
    workflow_id=42,
    options=WatchOptions(
        auto_recover=True, memory_multiplier=2.0, recovery_hook=("sh", "-c", "true")
    ),
)
WRITER = """
import sys
from collections.abc import Callable
from pathlib import Path
from torc_watch.daemon.commands import Action, Command
from torc_watch.daemon.spool import Spool
for number in range(50):
    workflow_id = int(sys.argv[2]) * 50 + number + 1
    command = Command(action=Action.ADD, server="http://s", workflow_id=workflow_id)
    Spool(Path(sys.argv[1])).put(command)
"""


def command(action: Action) -> Command:
    return Command(action=action, server=SERVER, workflow_id=42)


def commands(spool: Spool) -> list[Command]:
    """The pending commands of a spool without invalid files."""
    files = spool.pending()
    valid = [file for file in files if isinstance(file, PendingCommand)]
    assert valid == files
    return [file.command for file in valid]


def invalid_file(spool: Spool) -> InvalidFile:
    (invalid,) = [file for file in spool.pending() if isinstance(file, InvalidFile)]
    return invalid


def test_command_is_pending_until_it_is_acknowledged(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    assert spool.pending() == []

    spool.put(COMMAND)

    (pending,) = Spool(tmp_path / "spool").pending()
    assert isinstance(pending, PendingCommand)
    assert pending.command == COMMAND
    assert commands(spool) == [COMMAND]
    spool.acknowledge(pending)
    spool.acknowledge(pending)
    assert spool.pending() == []


def test_commands_keep_their_sequence_when_the_clock_is_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    now = time.time_ns()
    actions = list(Action)
    for hour, action in enumerate(actions):
        monkeypatch.setattr(time, "time_ns", lambda hour=hour: now - hour * 3600 * 10**9)
        spool.put(command(action))

    assert commands(spool) == [command(action) for action in actions]


def test_file_format_does_not_change(tmp_path: Path) -> None:
    """Daemons of other versions read it."""
    spool = Spool(tmp_path)
    spool.put(replace(COMMAND, unset=("max_retries",)))
    (file,) = (tmp_path / "incoming").iterdir()
    assert json.loads(file.read_text()) == {
        "verb": "add",
        "server": SERVER,
        "workflow_id": 42,
        "choices": {
            "auto_recover": True,
            "memory_multiplier": 2.0,
            "recovery_hook": ["sh", "-c", "true"],
        },
        "unset": ["max_retries"],
    }


@pytest.mark.slow
def test_commands_of_many_writers_are_not_lost(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(number)])
        for number in range(4)
    ]
    seen: set[int] = set()
    spool = Spool(tmp_path)
    while any(writer.poll() is None for writer in writers) or spool.pending():
        for pending in spool.pending():
            assert isinstance(pending, PendingCommand)
            seen.add(pending.command.workflow_id)
            spool.acknowledge(pending)

    assert [writer.wait() for writer in writers] == [0] * 4
    assert seen == set(range(1, 201))


def make_text(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text)


def make_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def make_closed(path: Path) -> None:
    path.touch(mode=0)


BAD = {
    "empty": (make_text(""), "does not hold a command"),
    "garbage": (make_text("\0nonsense"), "does not hold a command"),
    "too much": (make_text(" " * 70_000), "is longer than"),
    "no verb": (make_text('{"server": "http://s", "workflow_id": 1}'), "does not hold a command"),
    "strange": (
        make_text('{"verb": "add", "server": "http://s", "workflow_id": 1, "run": "rm"}'),
        "does not hold a command",
    ),
    "too large an id": (
        make_text('{"verb": "add", "server": "http://s", "workflow_id": 9223372036854775808}'),
        "(got 9223372036854775808)",
    ),
    "an id in quotes": (
        make_text('{"verb": "add", "server": "http://s", "workflow_id": "1"}'),
        "valid integer",
    ),
    "an id that is none": (
        make_text('{"verb": "add", "server": "http://s", "workflow_id": true}'),
        "valid integer",
    ),
    "no server": (
        make_text('{"verb": "add", "server": "", "workflow_id": 1}'),
        "--url must be an http or https URL (got '')",
    ),
    "a terminal's server": (
        make_text('{"verb": "add", "server": "http://a\\u001b[2J", "workflow_id": 1}'),
        r"(got 'http://a\x1b[2J')",
    ),
    "nothing to run": (
        make_text(
            '{"verb": "set", "server": "http://s", "workflow_id": 1, "choices":'
            ' {"recovery_hook": [], "output_dir": "a\\u0000"}}'
        ),
        (
            r"--recovery-hook must be a command without NUL characters (got ()). "
            r"--output-dir must be a path without NUL characters (got 'a\x00')."
        ),
    ),
    "deep": (make_text("[" * 60_000), "does not hold a command"),
    "no id": (
        make_text('{"verb": "add", "server": "http://s", "workflow_id": 0}'),
        "A workflow ID must be between 1 and 2^63 - 1 (got 0).",
    ),
    "no interval": (
        make_text(
            '{"verb": "set", "server": "http://s", "workflow_id": 1, "choices":'
            ' {"poll_interval": -1, "memory_multiplier": 0.1, "runtime_multiplier": 1,'
            ' "max_retries": -3}}'
        ),
        (
            "--max-retries must be at least 0 (got -3). "
            "--memory-multiplier must be greater than 1 and finite (got 0.1). "
            "--runtime-multiplier must be greater than 1 and finite (got 1). "
            "--poll-interval must be greater than 0 s (got -1 s)."
        ),
    ),
    "link": (make_link, "cannot be opened"),
    "pipe": (os.mkfifo, "is not a regular file"),
    "folder": (Path.mkdir, "is not a regular file"),
    "closed": (make_closed, "cannot be opened: Permission denied"),
}


@pytest.mark.parametrize(("make", "problem"), BAD.values(), ids=BAD)
def test_invalid_file_is_rejected_and_kept(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], object],
    problem: str,
) -> None:
    enforce_modes(monkeypatch)
    spool = Spool(tmp_path)
    spool.put(COMMAND)
    make(tmp_path / "incoming" / "0.json")

    invalid, valid = spool.pending()

    assert isinstance(invalid, InvalidFile)
    assert problem in invalid.problem
    assert isinstance(valid, PendingCommand)
    assert valid.command == COMMAND
    assert spool.reject(invalid).parent == tmp_path / "rejected"
    assert commands(spool) == [COMMAND]


def enforce_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Applies file modes also to tests that run as root."""
    opened = os.open

    def strict(path: Path, *arguments: int) -> int:
        if Path(path).exists() and not Path(path).stat().st_mode & 0o700:
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments)

    monkeypatch.setattr(os, "open", strict)


def test_files_of_the_same_name_are_all_rejected(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.put(COMMAND)
    name = "x" * 200
    for number in range(2):
        raise_full = tmp_path / "incoming" / name
        raise_full.mkdir()
        (raise_full / f"file {number}").touch()
        spool.reject(invalid_file(spool))

    assert commands(spool) == [COMMAND]
    assert len(list((tmp_path / "rejected").glob("*/file *"))) == 2


def test_temporary_error_loses_no_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path)
    spool.put(COMMAND)

    def raise_stale(*_: object) -> int:
        raise OSError(116, "Stale file handle")

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", raise_stale)
        with pytest.raises(OSError, match="Stale"):
            spool.pending()
    assert commands(spool) == [COMMAND]


def test_file_that_another_daemon_acknowledged_meanwhile_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    spool.put(COMMAND)

    def raise_missing(*_: object) -> int:
        raise FileNotFoundError

    monkeypatch.setattr(os, "open", raise_missing)
    assert spool.pending() == []


def test_full_disk_leaves_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", raise_full)
    with pytest.raises(OSError, match="No space left"):
        Spool(tmp_path).put(COMMAND)

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
