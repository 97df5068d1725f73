"""logs: what the daemon has logged, and logs."""

import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Annotated

import typer

from torc_watch.cli import options, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_INTERVAL = 0.5  # seconds between looks at a log that is followed
_RECENT = 10  # lines with which a log that is followed begins


def logs(
    workflow_id: Annotated[
        int | None,
        typer.Argument(help="Show this workflow only.", min=1, metavar="ID", show_default=False),
    ] = None,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="The last lines, and what comes, until Ctrl-C.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Show the daemon's log.

    From the files that it keeps in its state folder: also on another login node, and where
    `journalctl --user` shows nothing.

    \b
    Examples:
      torc-watchd logs
      torc-watchd logs -f 42
      torc-watchd logs 42 --json
    """
    from torc_watch.config.sources import home

    def readable(line: str) -> "Iterator[str]":
        from torc_watch.logs.log_reader import is_about, sentences

        if workflow_id is None or is_about(line, workflow_id):
            yield from [line] if as_json else sentences(line)

    with running.ending():
        path = home() / "daemon.log"
        if follow:
            _follow(path, readable)
        else:
            _show(path, readable)


def _show(path: "Path", readable: "Callable[[str], Iterator[str]]") -> None:
    from torc_watch.logs.log_reader import all_lines

    has_lines = False
    for line in all_lines(path):
        has_lines = True
        for text in readable(line):
            print(text)
    if not has_lines:
        print(_none_in(path.parent), file=sys.stderr)


def _none_in(folder: "Path") -> str:
    return f"There is no log in {folder}: the daemon has not run yet."


def _follow(path: "Path", readable: "Callable[[str], Iterator[str]]") -> None:
    from torc_watch.logs.log_reader import followed_lines

    waiting: deque[str] = deque(maxlen=_RECENT)

    if not path.exists():
        print(f"{_none_in(path.parent)} It is waited for.", file=sys.stderr)

    def wait() -> None:
        nonlocal waiting
        for text in waiting:
            print(text)
        sys.stdout.flush()
        waiting = deque()
        time.sleep(_INTERVAL)

    for line in followed_lines(path, wait):
        waiting.extend(readable(line))
