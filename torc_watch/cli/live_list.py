"""list --watch: all workflows of the daemon, as they change."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import wrap

from torc_watch.cli.event_loop import run
from torc_watch.cli.json_output import print_json
from torc_watch.cli.queued_commands import queued_commands
from torc_watch.daemon.status_file import utc_now
from torc_watch.ipc.socket_paths import socket_paths
from torc_watch.ipc.status_stream import StatusSnapshot, status_snapshots
from torc_watch.render.colors import has_colors
from torc_watch.render.status_table import Waiting, table, terminal_width, waiting_values

_HOME_AND_CLEAR = "\x1b[H\x1b[J"
_INTERVAL = 1.0  # seconds between updates


def keep_showing(folder: Path, *, as_json: bool) -> None:
    """Until it is interrupted."""
    run(lambda: _keep_showing(folder, as_json=as_json))


async def _keep_showing(folder: Path, *, as_json: bool) -> None:
    async for snapshot in status_snapshots(folder, socket_paths(folder, os.environ), _INTERVAL):
        if as_json:
            views, trouble = snapshot
            values = {"trouble": trouble, "workflows": list(map(asdict, views))}
            print_json({**values, "waiting": waiting_values(queued_commands(folder))})
        else:
            lines = list(_lines(snapshot, queued_commands(folder)))
            _print(_on_screen(lines) if sys.stdout.isatty() else lines)


def _lines(snapshot: StatusSnapshot, commands: Waiting) -> Iterator[str]:
    views, trouble = snapshot
    yield from wrap(trouble, terminal_width() or sys.maxsize)
    if views or commands or not trouble:
        colored = has_colors(sys.stdout)
        yield from table(views, utc_now(), terminal_width(), commands, colored=colored)


def _on_screen(lines: Sequence[str]) -> Iterator[str]:
    """Replaces what was on the screen, and counts the lines that do not fit."""
    room = shutil.get_terminal_size().lines - 2
    yield _HOME_AND_CLEAR + lines[0]
    yield from lines[1:room]
    if len(lines) > room:
        yield f"... and {len(lines) - room} more"


def _print(lines: Iterable[str]) -> None:
    print("\n".join(lines), flush=True)
