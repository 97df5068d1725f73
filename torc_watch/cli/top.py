"""top: the daemon's workflows on the whole terminal, as they change."""

import curses
import os
import sys
from typing import Annotated

import typer

from torc_watch.cli.extra_packages import module_with_extra
from torc_watch.config.sources import state_folder
from torc_watch.core.errors import InvalidInput
from torc_watch.host.unused_modules import use_module

_FOR_SCRIPTS = "For scripts, or without a terminal: torc-watchd list --json, or list --watch"


def top(
    *,
    as_json: Annotated[bool, typer.Option("--json", hidden=True)] = False,
) -> int:
    """Show the daemon's workflows live, on the whole screen.

    As they change, with progress, failures, allocations, rounds and what happened last. Select one
    with the arrow keys: s shows its status, w why its jobs failed, l the log, p pauses or resumes
    it. ? shows all keys, q quits. Reads what the daemon publishes, as `list` does, and waits for a
    daemon where none runs. Works over SSH and in tmux, and without color where NO_COLOR is set.
    Needs the extra: pip install 'torc-watch[top]'

    \b
    Examples:
      torc-watchd top
      NO_COLOR=1 torc-watchd top
    """
    if as_json:
        raise InvalidInput(f"top is for users at a terminal. {_FOR_SCRIPTS}")
    _refuse_without_terminal()
    _prepare_environment()
    use_module("rich")  # Textual is built on it
    source = module_with_extra("torc_watch.cli.live_source", extra="top", package="textual")
    status: int = source.show(state_folder())
    return status


def _refuse_without_terminal() -> None:
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise InvalidInput(f"top needs a terminal for its input and output. {_FOR_SCRIPTS}")
    terminal = os.environ.get("TERM", "")
    if terminal in ("", "dumb", "unknown"):
        raise InvalidInput(
            f"top cannot draw on this terminal (TERM is {terminal or 'not set'}). {_FOR_SCRIPTS}"
        )


def _prepare_environment() -> None:
    """Textual reads it when it is imported."""
    if not os.environ.get("NO_COLOR"):
        os.environ.pop("NO_COLOR", None)  # https://no-color.org: an empty one forbids nothing
    if not _has_colors():
        os.environ["NO_COLOR"] = "1"
    os.environ.setdefault("TEXTUAL_DISABLE_KITTY_KEY", "1")  # a mode that nothing here needs


def _has_colors() -> bool:
    """As the terminal's description says; True for one that is not described here."""
    try:
        curses.setupterm()
        return curses.tigetnum("colors") > 0
    except curses.error:
        return True
