"""status: one workflow in detail."""

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torc_watch.app.inspection import StoredWatch, find_workflow, inspect_stored, read_stored_watch
from torc_watch.cli import options
from torc_watch.cli.event_loop import run
from torc_watch.config.settings import load_settings
from torc_watch.config.sources import state_folder
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.status_file import find_view, read_status, utc_now
from torc_watch.daemon.workflow_view import DaemonView
from torc_watch.ipc.socket_paths import daemon_trouble, socket_paths
from torc_watch.render.daemon_notices import daemon_notice, notices
from torc_watch.render.history_text import round_text
from torc_watch.render.plan_text import plan_text, plan_values
from torc_watch.render.status_table import workflow_text
from torc_watch.render.workflow_report import live_text, live_values, options_text


def status(
    workflow_id: options.WorkflowId, *, url: options.KnownUrl = None, as_json: options.Json = False
) -> None:
    """Show the status of one workflow in detail.

    First comes what the daemon knows and has done. Then the server is asked for the state of the
    jobs, and the command says why some failed and what a round of recovery would do now. If the
    server does not answer, the first part is shown and the exit status is 5.

    \b
    Examples:
      torc-watchd status 42
      torc-watchd status 42 --json
    """
    folder = state_folder()
    daemon = read_status(folder)
    key = find_workflow(folder, daemon, workflow_id, url)
    if as_json:
        _show_values(folder, daemon, key)
    else:
        _show_text(folder, daemon, key)


def _show_text(folder: Path, daemon: DaemonView | None, key: WorkflowKey) -> None:
    """In three steps: what the daemon published, what is in its journal, what the server says."""
    now = utc_now()
    trouble = daemon_trouble(socket_paths(folder, os.environ))
    for note in notices(folder, daemon, now, trouble):
        print(note, file=sys.stderr)
    _print(workflow_text(key, find_view(daemon, key), now))
    record = read_stored_watch(folder, key)
    _print([options_text(record.options)])
    for round_ in record.rounds:
        _print(round_text(round_))
    seen = run(lambda: inspect_stored(key, record, load_settings()))
    _print(["", *live_text(seen.counts, seen.observation.allocations, seen.findings)])
    _print(plan_text(key.workflow_id, seen.answer))


def _show_values(folder: Path, daemon: DaemonView | None, key: WorkflowKey) -> None:
    """Prints one line of JSON, also when the journal or the server fails; then raises that."""
    view = find_view(daemon, key)
    values: dict[str, Any] = {
        "trouble": daemon_notice(
            daemon, utc_now(), daemon_trouble(socket_paths(folder, os.environ))
        ),
        "server": key.server,
        "workflow_id": key.workflow_id,
        "view": asdict(view) if view else None,
        "live": None,
    }
    try:
        record = read_stored_watch(folder, key)
        values |= {"choices": asdict(record.options), "rounds": list(map(asdict, record.rounds))}
        values["live"] = _live_values(key, record)
    finally:
        print(json.dumps(values))


def _live_values(key: WorkflowKey, record: StoredWatch) -> dict[str, Any]:
    seen = run(lambda: inspect_stored(key, record, load_settings()))
    live = live_values(seen.counts, seen.observation.allocations, seen.findings)
    return live | plan_values(key.workflow_id, seen.answer)


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)
