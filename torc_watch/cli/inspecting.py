"""status and history: what became of a workflow, and why."""

import json
import sys
from typing import TYPE_CHECKING, Any

from torc_watch.cli import options, running

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from torc_watch.core.workflow_key import WorkflowKey
    from torc_watch.daemon.workflow_view import DaemonView


def status(
    workflow_id: options.WorkflowId,
    *,
    url: options.KnownUrl = None,
    as_json: options.Json = False,
) -> None:
    """Show all about one workflow.

    What the daemon knows and has done, and from the server: how its jobs stand, why some failed,
    what a round of recovery would do now. Ends with 5 when the server does not answer; what the
    daemon knows is shown all the same.

    \b
    Examples:
      torc-watchd status 42
      torc-watchd status 42 --json
    """
    from torc_watch.config.sources import home
    from torc_watch.daemon.status_file import read_status

    with running.ending():
        folder = home()
        daemon = read_status(folder)
        key = _find(folder, daemon, workflow_id, options.server(url))
        if as_json:
            _show_values(folder, daemon, key)
        else:
            _show_known(folder, daemon, key)
            _show_parts(_parts(folder, key))


def history(
    workflow_id: options.WorkflowId, *, url: options.KnownUrl = None, as_json: options.Json = False
) -> None:
    """Show what was done for a workflow, when and why.

    \b
    Examples:
      torc-watchd history 42
      torc-watchd history 42 --json
    """
    from torc_watch.config.sources import home
    from torc_watch.core.errors import InvalidInput
    from torc_watch.core.workflow_key import resolve_key
    from torc_watch.daemon.watch_history import known_workflows, watches_of
    from torc_watch.render.history_text import history_text, history_values

    with running.ending():
        folder = home()
        watches = watches_of(folder, workflow_id)
        if not watches:
            raise InvalidInput(f"Workflow {workflow_id} was never watched from here.")
        keys = {watch.key for watch in watches}
        if url is None and len(keys) > 1:  # servers come and go, and are remembered here
            keys = keys & known_workflows(folder).keys() or keys
        server, _ = resolve_key(workflow_id, options.server(url), keys)
        of_server = [watch for watch in watches if watch.server == server]
        if as_json:
            print(json.dumps(history_values(of_server)))
        else:
            _print(history_text(of_server))


def _find(
    home: "Path", daemon: "DaemonView | None", workflow_id: int, server: str | None
) -> "WorkflowKey":
    """Raises InvalidInput. Asks the journal and the spool only for what is not published yet."""
    from torc_watch.core.workflow_key import resolve_key

    views = daemon.workflows if daemon else ()
    shown = {view.key for view in views}
    if not any(key.workflow_id == workflow_id and server in (None, key.server) for key in shown):
        from torc_watch.daemon.watch_history import known_workflows

        shown = set(known_workflows(home))
    return resolve_key(workflow_id, server, shown)


def _show_known(home: "Path", daemon: "DaemonView | None", key: "WorkflowKey") -> None:
    from torc_watch.daemon.status_file import find_view, utc_now
    from torc_watch.render.daemon_notices import notices
    from torc_watch.render.status_table import workflow_text

    now = utc_now()
    for note in notices(home, daemon, now):
        print(note, file=sys.stderr)
    _print(workflow_text(key, find_view(daemon, key), now))


def _show_parts(parts: "Iterable[Mapping[str, Any]]") -> None:
    for part in parts:
        _print(part["lines"])
        _refuse_trouble(part)


def _show_values(home: "Path", daemon: "DaemonView | None", key: "WorkflowKey") -> None:
    """One line of JSON, also when the server cannot be asked; raises what kept it from that."""
    from dataclasses import asdict

    from torc_watch.daemon.status_file import find_view, utc_now
    from torc_watch.render.daemon_notices import inactivity_notice

    view = find_view(daemon, key)
    values: dict[str, Any] = {
        "trouble": inactivity_notice(daemon, utc_now()),
        "server": key.server,
        "workflow_id": key.workflow_id,
        "view": asdict(view) if view else None,
        "live": None,
    }
    try:
        for part in _parts(home, key):
            values |= part["values"]
            _refuse_trouble(part)
    finally:
        print(json.dumps(values))


def _refuse_trouble(part: "Mapping[str, Any]") -> None:
    from torc_watch.core.errors import ServerUnreachable

    if part["trouble"]:
        raise ServerUnreachable(part["trouble"])


def _parts(home: "Path", key: "WorkflowKey") -> "Iterator[Mapping[str, Any]]":
    from dataclasses import asdict

    from torc_watch.app.inspection import known_part, live_part

    yield asdict(known_part(home, key))
    settings = running.load_settings()
    yield asdict(running.run(lambda: live_part(home, key, settings)))


def _print(lines: "Iterable[str]") -> None:
    for line in lines:
        print(line, flush=True)
