"""list: all workflows of the daemon."""

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from torc_watch.cli import options, running

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from torc_watch.daemon.workflow_view import DaemonView

_HOME_AND_CLEAR = "\x1b[H\x1b[J"
_INTERVAL = 1.0  # seconds between drawings


def list_workflows(
    *,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Go on showing them until Ctrl-C.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """List the workflows that the daemon looks after.

    From what it publishes: also on another login node, and when it or the server is away. With
    --watch and --json there is a line of JSON each second.

    \b
    Examples:
      torc-watchd list
      torc-watchd list --watch
      torc-watchd list --json
    """
    from torc_watch.config.sources import home
    from torc_watch.daemon.status_file import read_status

    with running.ending():
        folder = home()
        if not watch:
            _show(folder, read_status(folder), as_json=as_json)
    if watch:
        _show_for_ever(folder, as_json=as_json)


def _show(home: "Path", view: "DaemonView | None", *, as_json: bool) -> None:
    from torc_watch.daemon.status_file import utc_now
    from torc_watch.render.daemon_notices import notices
    from torc_watch.render.status_table import status_values, table, terminal_width

    now = utc_now()
    if as_json:
        print(json.dumps(status_values(view, now)))
        return
    for note in notices(home, view, now):
        print(note, file=sys.stderr)
    _print(table(view.workflows if view else (), now, terminal_width()))


def _show_for_ever(home: "Path", *, as_json: bool) -> None:
    from dataclasses import asdict
    from textwrap import wrap

    from torc_watch.daemon.status_file import utc_now
    from torc_watch.ipc.socket_client import socket_paths
    from torc_watch.ipc.status_stream import status_snapshots
    from torc_watch.render.status_table import table, terminal_width

    async def command() -> None:
        async for views, trouble in status_snapshots(
            home, socket_paths(home, os.environ), _INTERVAL
        ):
            if as_json:
                shown = {"trouble": trouble, "workflows": list(map(asdict, views))}
                _print([json.dumps(shown)])
                continue
            lines = [
                *wrap(trouble, terminal_width() or sys.maxsize),
                *(table(views, utc_now(), terminal_width()) if views or not trouble else ()),
            ]
            _print(_on_screen(lines) if sys.stdout.isatty() else lines)

    running.run(command)


def _on_screen(lines: "Sequence[str]") -> "Iterator[str]":
    """In the place of what was there before; what the screen has no room for is counted."""
    room = shutil.get_terminal_size().lines - 2
    yield _HOME_AND_CLEAR + lines[0]
    yield from lines[1:room]
    if len(lines) > room:
        yield f"... and {len(lines) - room} more"


def _print(lines: "Iterable[str]") -> None:
    print("\n".join(lines), flush=True)
