"""Where `top` does not start, and what it says then."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from torc_watch.cli import app

PROGRAM = """
import sys
sys.modules["textual"] = None  # as where the extra is not installed
from torc_watch.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["top"], "top needs a terminal for its input and output."),
        (["top", "--json"], "top is for users at a terminal."),
    ],
)
def test_scripts_are_sent_to_list(words: list[str], said: str) -> None:
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 2
    assert said in ended.stderr
    assert "torc-watchd list --json" in ended.stderr


@pytest.mark.parametrize(
    ("terminal", "said"),
    [
        ("dumb", "top cannot draw on this terminal (TERM is dumb)."),
        ("", "top cannot draw on this terminal (TERM is not set)."),
        (
            "xterm",
            "without the extra top. Install it with: pip install 'torc-watch[top]'",
        ),
    ],
)
def test_what_is_missing_is_said(terminal: str, said: str, tmp_path: Path) -> None:
    ours, its = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, "top"],
            stdin=its,
            stdout=its,
            stderr=its,
            env=os.environ | {"TORC_WATCHD_HOME": str(tmp_path), "TERM": terminal},
            timeout=60,
            check=False,
        )
        os.close(its)
        assert said in screen.read(2**16).decode().replace("\r\n", " ")
    assert ended.returncode == 2
