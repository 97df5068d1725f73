"""The table of exit statuses: one for each kind of end, the same in the README."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from torc_watch.cli import exit_status
from torc_watch.core import errors
from torc_watch.core.errors import HookFailed, PlanChanged, TorcWatchError
from torc_watch.core.events import Verdict

ROOT = Path(__file__).parents[2]
TABLE = exit_status.EXIT_STATUSES


def kinds(of: type[TorcWatchError] = TorcWatchError) -> Iterator[type[TorcWatchError]]:
    for kind in of.__subclasses__():
        yield kind
        yield from kinds(kind)


@pytest.mark.parametrize("kind", sorted(kinds(), key=str))
def test_every_error_has_a_status_that_says_what_failed(kind: type[TorcWatchError]) -> None:
    status = exit_status.exit_status(kind("It failed."))

    assert status in TABLE
    if kind is not HookFailed and kind is not PlanChanged:  # a verdict says so, too
        assert status not in {0, 1, *(verdict.exit_status for verdict in Verdict)} - {5}


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.NotFound, 2),
        (errors.ServerFault, 5),
        (errors.WatchHeld, 7),
        (errors.JournalCorrupt, 8),
        (errors.ConfigurationAway, 8),
        (errors.RecordUnreadable, 8),
        (errors.SchedulerUnreachable, 9),
        (errors.ServiceError, 10),
        (errors.SandboxError, 11),
        (errors.PlanChanged, 14),
    ],
)
def test_status_of(kind: type[TorcWatchError], status: int) -> None:
    assert exit_status.exit_status(kind("It failed.")) == status


def test_every_verdict_is_in_the_table() -> None:
    assert {verdict.exit_status for verdict in Verdict} <= TABLE.keys()


def test_readme_has_the_same_table() -> None:
    _, _, section = (ROOT / "README.md").read_text().partition("### Exit status\n")
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", section, re.MULTILINE)

    assert {int(number): text for number, text in rows} == TABLE


def test_statuses_for_cron_are_in_the_table() -> None:
    text = (ROOT / "deploy/README.md").read_text()
    rows = re.findall(r"^\| (\d+) \| .* \|$", text, re.MULTILINE)

    assert {int(number) for number in rows} == {0, 2, 5, 8}


@pytest.mark.parametrize("words", ["list", "watch"])
def test_a_crash_has_a_status_of_its_own(words: str, tmp_path: Path) -> None:
    """As the shell has it: the traceback is kept."""
    program = (
        "import torc_watch.cli.lazy_commands as commands, torc_watch.__main__ as program\n"
        "def broken(self): raise RuntimeError('broken')\n"
        "commands.LazyCommand.load = broken\n"
        "program.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, words],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 70
    assert done.stderr.endswith("RuntimeError: broken\n")


@pytest.mark.parametrize("words", ["config show", "--help", "--version"])
def test_a_reader_who_leaves_is_no_failure_of_a_workflow(tmp_path: Path, words: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "torc_watch", *words.split()],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)

    assert (done.returncode, done.stderr) == (6, "")
