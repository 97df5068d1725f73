"""status and history: what became of a workflow, and why."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from torc_watch.cli import options, running

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from torc_watch.core.addressing import Key
    from torc_watch.core.orders import Choices
    from torc_watch.core.view import DaemonView
    from torc_watch.daemon.history import PastRound
    from torc_watch.wiring import Inspection

_SECONDS = 20.0  # for a server to say all that is asked


def status(
    workflow_id: options.WorkflowId,
    *,
    url: options.KnownUrl = None,
    as_json: options.Json = False,
    rest: Annotated[
        bool, typer.Option(hidden=True, help="The first part was shown already.")
    ] = False,
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
    from torc_watch.configuration import home
    from torc_watch.interfaces.published import read_published

    with running.ending():
        folder = home()
        daemon = read_published(folder)
        key = _find(folder, daemon, workflow_id, options.server(url))
        if as_json:
            _show_values(folder, daemon, key)
        else:
            if not rest:
                _show_known(folder, daemon, key)
            _show_rest(folder, key)


def history(
    workflow_id: options.WorkflowId, *, url: options.KnownUrl = None, as_json: options.Json = False
) -> None:
    """Show what was done for a workflow, when and why.

    \b
    Examples:
      torc-watchd history 42
      torc-watchd history 42 --json
    """
    from torc_watch.configuration import home
    from torc_watch.core.addressing import key_of
    from torc_watch.core.errors import InvalidInput
    from torc_watch.daemon.history import known_workflows, watches_of
    from torc_watch.interfaces.past import history_text, history_values

    with running.ending():
        folder = home()
        watches = watches_of(folder, workflow_id)
        if not watches:
            raise InvalidInput(f"Workflow {workflow_id} was never watched from here.")
        keys = {(watch.server, watch.workflow_id) for watch in watches}
        if url is None and len(keys) > 1:  # servers come and go, and are remembered here
            keys = keys & known_workflows(folder).keys() or keys
        server, _ = key_of(workflow_id, options.server(url), keys)
        of_server = [watch for watch in watches if watch.server == server]
        if as_json:
            print(json.dumps(history_values(of_server)))
        else:
            _print(history_text(of_server))


def _find(home: "Path", daemon: "DaemonView | None", workflow_id: int, server: str | None) -> "Key":
    """Raises InvalidInput. Asks the journal and the spool only for what is not published yet."""
    from torc_watch.core.addressing import key_of

    views = daemon.workflows if daemon else ()
    shown = {(view.server, view.workflow_id) for view in views}
    if not any(key[1] == workflow_id and server in (None, key[0]) for key in shown):
        from torc_watch.daemon.history import known_workflows

        shown = set(known_workflows(home))
    return key_of(workflow_id, server, shown)


def _show_known(home: "Path", daemon: "DaemonView | None", key: "Key") -> None:
    from torc_watch.interfaces.listing import known_text
    from torc_watch.interfaces.published import notices, utc_now, view_of

    now = utc_now()
    for note in notices(home, daemon, now):
        print(note, file=sys.stderr)
    _print(known_text(key, view_of(daemon, key), now))


def _show_rest(home: "Path", key: "Key") -> None:
    """What was done, and then what the server says, for which it may be waited."""
    from torc_watch.interfaces.inspecting import choices_text, live_text
    from torc_watch.interfaces.past import round_text
    from torc_watch.interfaces.planning import plan_text

    choices = _choices(home, key)
    _print([choices_text(choices)])
    for round_ in _rounds(home, key):
        _print(round_text(round_))
    seen = _inspect(home, key, choices)
    print()
    _print(live_text(seen.counts, seen.observation.allocations, seen.findings))
    _print(plan_text(key[1], seen.answer))


def _show_values(home: "Path", daemon: "DaemonView | None", key: "Key") -> None:
    """One line of JSON, also when the server cannot be asked; raises what kept it from that."""
    from dataclasses import asdict

    from torc_watch.interfaces.inspecting import live_values
    from torc_watch.interfaces.planning import plan_values
    from torc_watch.interfaces.published import absence, utc_now, view_of

    view = view_of(daemon, key)
    choices = _choices(home, key)
    values: dict[str, Any] = {
        "trouble": absence(daemon, utc_now()),
        "server": key[0],
        "workflow_id": key[1],
        "view": asdict(view) if view else None,
        "choices": asdict(choices),
        "rounds": [asdict(round_) for round_ in _rounds(home, key)],
        "live": None,
    }
    try:
        seen = _inspect(home, key, choices)
        live = live_values(seen.counts, seen.observation.allocations, seen.findings)
        values["live"] = live | plan_values(key[1], seen.answer)
    finally:
        print(json.dumps(values))


def _choices(home: "Path", key: "Key") -> "Choices":
    from torc_watch.core.errors import RecordUnreadable
    from torc_watch.core.orders import Choices, Condition
    from torc_watch.daemon.history import known_workflows

    entry = known_workflows(home).get(key)
    if entry is not None and entry.condition is Condition.UNREADABLE:
        raise RecordUnreadable(entry.reason)
    return entry.choices if entry else Choices()


def _rounds(home: "Path", key: "Key") -> "tuple[PastRound, ...]":
    """Of the last watch."""
    from torc_watch.daemon.history import watches_of

    watches = [watch for watch in watches_of(home, key[1]) if watch.server == key[0]]
    return watches[-1].rounds if watches else ()


def _inspect(home: "Path", key: "Key", choices: "Choices") -> "Inspection":
    """Raises typer.Exit, after a message, where the server does not answer."""
    from dataclasses import replace

    import anyio

    from torc_watch import wiring
    from torc_watch.core.errors import ServerError, ServerUnreachable

    server, workflow_id = key
    settings = running.load_settings().chosen(choices)
    recovery = replace(settings.recovery(), max_retries=None)
    rounds_used = len(_rounds(home, key))

    async def command() -> "Inspection":
        try:
            with anyio.fail_after(_SECONDS):
                return await wiring.inspect(
                    workflow_id,
                    recovery,
                    settings,
                    settings.connection(server),
                    rounds_used=rounds_used,
                )
        except (ServerError, TimeoutError) as error:
            reason = str(error) or f"{server} does not answer within {_SECONDS:g} s."
            raise ServerUnreachable(f"{reason} Shown is what the daemon knew last.") from error

    return running.run(command)


def _print(lines: "Iterable[str]") -> None:
    for line in lines:
        print(line, flush=True)
