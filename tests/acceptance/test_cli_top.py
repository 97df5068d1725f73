"""The live view on a real terminal."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.conftest import COMMAND
from tests.rigs.tmux import TmuxScreen, skip_without_tmux

if TYPE_CHECKING:
    from tests.acceptance.conftest import Site

_COLOR = re.compile(r"\x1b\[(?:[0-9]+;)*(?:3[0-8]|4[0-8]|9[0-7])[;m]")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def screen() -> Iterator[TmuxScreen]:
    skip_without_tmux()
    with TemporaryDirectory() as folder:
        screen = TmuxScreen(Path(folder) / "tmux")
        yield screen
        screen.close()


def test_workflow_from_its_addition_to_its_pause(failed: "Site", screen: TmuxScreen) -> None:
    with TemporaryDirectory() as runtime:
        variables = {"XDG_RUNTIME_DIR": runtime, "NO_COLOR": "1"}
        screen.start([*COMMAND, "top"], failed.folder, failed.environment(variables))
        screen.until("The daemon has never run", "torc-watchd service install", "q quit")
        added = failed.run("add", "1", "-p", "1", "--auto-recover", "--approve", **variables)
        assert added.returncode == 0, added.stderr
        screen.until(">  1  added", "add waits for the daemon")

        daemon = failed.start("run", **variables)
        screen.until("approval", "waits for approval of plan", "a approve")
        screen.press("a")
        screen.until("Approve plan ", "3 jobs", "of workflow 1 (ordinary)?")
        screen.press("y")
        screen.until("Approved plan ")
        screen.until("1 workflow: 1 succeeded", "ordinary", "██████████", "4/4", "1/3")
        screen.press("s")
        screen.until(
            "Status: workflow 1 (ordinary)", "Round 1, after run 1: resubmitted", "completed=4"
        )
        screen.press("q", "w")
        screen.until("Why jobs failed: workflow 1", "No job of workflow 1 has failed.")
        screen.press("q", "l")
        screen.until("The daemon's log: workflow 1", "Workflow completed successfully")
        screen.press("q", "h")
        screen.until("History: workflow 1", "Ended: succeeded")
        screen.press("q", "p")
        screen.until("Resume workflow 1 (ordinary)?  y yes, any other key no")
        screen.press("y")
        screen.until("Workflow 1 resumed (http://")

        daemon.process.send_signal(signal.SIGTERM)
        screen.until("The daemon is not running")
        screen.resize(40, 10)
        shown = screen.until("The daemon is not running", ">  1  ordinary")
        assert max(map(len, shown.splitlines())) <= 40
        assert not _COLOR.search(screen.text(with_colors=True))
        screen.press("C-c")
        screen.until("ended with 130")


@pytest.mark.parametrize("terminal", ["dumb", "vt100"])
def test_simple_terminal(site: "Site", screen: TmuxScreen, terminal: str) -> None:
    command = ["env", f"TERM={terminal}", *COMMAND, "top"]
    screen.start(command, site.folder, site.environment({}))
    if terminal == "dumb":
        screen.until("cannot draw on this terminal (TERM is dumb)", "list --json", "ended with 2")
        return
    screen.until("The daemon has never run")
    assert not _COLOR.search(screen.text(with_colors=True))
    screen.press("q")
    screen.until("ended with 0")
