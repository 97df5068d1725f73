"""list: all workflows of the daemon."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from torc_watch.cli import options
from torc_watch.cli.lazy_commands import load
from torc_watch.config.sources import state_folder
from torc_watch.daemon.status_file import read_status, utc_now
from torc_watch.daemon.workflow_view import DaemonView
from torc_watch.ipc.socket_paths import daemon_trouble, socket_paths
from torc_watch.render.daemon_notices import notices
from torc_watch.render.status_table import status_values, table, terminal_width


def list_(
    *,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Keep showing them until Ctrl-C.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """List the daemon's workflows.

    Reads the daemon's status file: instantly, on any login node, even when the daemon or the server
    is unreachable. With --watch and --json it prints a line of JSON each second.

    \b
    Examples:
      torc-watchd list
      torc-watchd list --watch
      torc-watchd list --json
    """
    folder = state_folder()
    if watch:
        load("live_list:keep_showing")(folder, as_json=as_json)
    else:
        _show(folder, read_status(folder), as_json=as_json)


def _show(folder: Path, view: DaemonView | None, *, as_json: bool) -> None:
    now = utc_now()
    trouble = daemon_trouble(socket_paths(folder, os.environ))
    if as_json:
        print(json.dumps(status_values(view, now, trouble)))
        return
    for note in notices(folder, view, now, trouble):
        print(note, file=sys.stderr)
    print("\n".join(table(view.workflows if view else (), now, terminal_width())))
