"""Signals in the first moments of a command, while its modules are loaded."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PROGRAM = """
import os, signal
import torc_watch.__main__ as entry
load = entry.import_module
def signaled(name):
    os.kill(os.getpid(), signal.{})
    return load(name)
entry.import_module = signaled
entry.main()
"""


def run(folder: Path, words: list[str], name: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(name), *words],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_sighup_before_the_daemon_is_ready_is_obeyed_when_it_is(tmp_path: Path) -> None:
    done = run(tmp_path, ["run", "--once"], "SIGHUP")

    assert done.returncode == 0, done.stderr
    assert "onfiguration" in done.stderr


@pytest.mark.parametrize("words", [["run"], ["list"]])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_stop_before_there_is_something_to_stop_prints_nothing(
    tmp_path: Path, words: list[str], name: str
) -> None:
    done = run(tmp_path, words, name)

    assert done.returncode == -getattr(signal, name)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_closed_terminal_ends_other_commands(tmp_path: Path) -> None:
    assert run(tmp_path, ["list"], "SIGHUP").returncode == -signal.SIGHUP
