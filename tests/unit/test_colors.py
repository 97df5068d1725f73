"""Where output has colors."""

import io
import sys
from typing import TYPE_CHECKING

import pytest

from torc_watch.cli.exit_status import print_error
from torc_watch.render.colors import Color, has_colors, painted

if TYPE_CHECKING:
    from collections.abc import Mapping


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_terminal_has_colors_unless_its_user_forbids_them(
    environment: "Mapping[str, str]", expected: bool
) -> None:
    assert has_colors(Terminal(), environment) is expected


def test_message_of_an_error_is_marked_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for stream, expected in ((Terminal(), "\x1b[31mtorc-watchd:\x1b[0m No."), (io.StringIO(), "")):
        monkeypatch.setattr(sys, "stderr", stream)
        print_error("No.")
        assert stream.getvalue() == f"{expected or 'torc-watchd: No.'}\n"


def test_pipe_has_no_colors() -> None:
    assert not has_colors(io.StringIO(), {"TERM": "xterm"})


@pytest.mark.parametrize(
    ("text", "color", "expected"),
    [
        ("failed", Color.RED, "\x1b[31mfailed\x1b[0m"),
        ("failed", None, "failed"),
        ("", Color.RED, ""),
    ],
)
def test_painted_text(text: str, color: Color | None, expected: str) -> None:
    assert painted(text, color) == expected
