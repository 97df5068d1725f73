"""list --watch: all workflows of the daemon, as they change."""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import wrap

from torc_watch.cli.event_loop import run
from torc_watch.daemon.status_file import utc_now
from torc_watch.ipc.socket_paths import socket_paths
from torc_watch.ipc.status_stream import StatusSnapshot, status_snapshots
from torc_watch.render.status_table import table, terminal_width

_HOME_AND_CLEAR = "\x1b[H\x1b[J"
_INTERVAL = 1.0  # seconds between updates


def keep_showing(folder: Path, *, as_json: bool) -> None:
    """Until it is interrupted."""
    run(lambda: _keep_showing(folder, as_json=as_json))


async def _keep_showing(folder: Path, *, as_json: bool) -> None:
    async for snapshot in status_snapshots(folder, socket_paths(folder, os.environ), _INTERVAL):
        if as_json:
            views, trouble = snapshot
            shown = {"trouble": trouble, "workflows": list(map(asdict, views))}
            _print([json.dumps(shown)])
        else:
            lines = list(_lines(snapshot))
            _print(_on_screen(lines) if sys.stdout.isatty() else lines)


def _lines(snapshot: StatusSnapshot) -> Iterator[str]:
    views, trouble = snapshot
    yield from wrap(trouble, terminal_width() or sys.maxsize)
    if views or not trouble:
        yield from table(views, utc_now(), terminal_width())


def _on_screen(lines: Sequence[str]) -> Iterator[str]:
    """Replaces what was on the screen, and counts the lines that do not fit."""
    room = shutil.get_terminal_size().lines - 2
    yield _HOME_AND_CLEAR + lines[0]
    yield from lines[1:room]
    if len(lines) > room:
        yield f"... and {len(lines) - room} more"


def _print(lines: Iterable[str]) -> None:
    print("\n".join(lines), flush=True)
