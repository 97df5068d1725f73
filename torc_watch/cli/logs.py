"""logs: the daemon's log."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from torc_watch.cli import options
from torc_watch.config.sources import state_folder
from torc_watch.core.errors import InvalidInput, JournalError
from torc_watch.daemon.watch_history import known_workflows
from torc_watch.logs.log_reader import all_lines, followed_lines, is_about, sentences

_INTERVAL = 0.5  # seconds between checks of a log that is followed
_RECENT = 10  # lines with which a log that is followed begins

Reader = Callable[[str], Iterator[str]]


def logs(
    workflow_id: Annotated[
        int | None,
        typer.Argument(
            help="Show this workflow only.",
            parser=options.workflow_id,
            metavar="ID",
            show_default=False,
            autocompletion=options.complete,
        ),
    ] = None,
    *,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Show the last lines, and new ones until Ctrl-C."),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Show the daemon's log.

    Reads the log files in the state folder: also on another login node, and where
    `journalctl --user` shows nothing.

    \b
    Examples:
      torc-watchd logs
      torc-watchd logs -f 42
      torc-watchd logs 42 --json
    """
    path = state_folder() / "daemon.log"
    read = partial(_readable, workflow_id=workflow_id, as_json=as_json)
    if follow:
        if workflow_id is not None and not _is_known(workflow_id, path.parent):
            print(f"The daemon does not watch workflow {workflow_id} now.", file=sys.stderr)
        _follow(path, read)
    elif not _show(path, read) and workflow_id is not None:
        raise InvalidInput(_nothing_about(workflow_id, path.parent))


def _readable(line: str, *, workflow_id: int | None, as_json: bool) -> Iterator[str]:
    if workflow_id is None or is_about(line, workflow_id):
        yield from [line] if as_json else sentences(line)


def _show(path: Path, read: Reader) -> bool:
    """Whether there was something to show, or no log at all."""
    has_lines = has_shown = False
    for line in all_lines(path):
        has_lines = True
        for text in read(line):
            has_shown = True
            print(text)
    if not has_lines:
        print(_no_log_in(path.parent), file=sys.stderr)
    return has_shown or not has_lines


def _nothing_about(workflow_id: int, folder: Path) -> str:
    if _is_known(workflow_id, folder):
        return f"The daemon has logged nothing about workflow {workflow_id} yet."
    return (
        f"The log in {folder} has nothing about workflow {workflow_id}, and the daemon does not "
        "watch it. List those that it watches: torc-watchd list"
    )


def _is_known(workflow_id: int, folder: Path) -> bool:
    """Also where that cannot be known: the log is read all the same."""
    try:
        return any(key.workflow_id == workflow_id for key in known_workflows(folder))
    except JournalError:
        return True


def _no_log_in(folder: Path) -> str:
    return (
        f"There is no log in {folder}: the daemon has not run yet. "
        "`torc-watchd watch` logs into its output folder."
    )


def _follow(path: Path, read: Reader) -> None:
    if not path.exists():
        print(f"{_no_log_in(path.parent)} Waiting for it.", file=sys.stderr)
    pending: deque[str] = deque(maxlen=_RECENT)

    def show_and_wait() -> None:
        nonlocal pending
        for text in pending:
            print(text)
        sys.stdout.flush()
        pending = deque()
        time.sleep(_INTERVAL)

    for line in followed_lines(path, show_and_wait):
        pending.extend(read(line))
