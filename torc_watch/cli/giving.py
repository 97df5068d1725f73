"""Orders on their way from the command line to the daemon."""

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from torc_watch.cli import options
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.commands import (
    Action,
    Command,
    UnknownWorkflow,
    WatchedWorkflow,
    WatchOptions,
    apply_command,
    note_for,
    validation_error,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torc_watch.config.settings import Settings

_MOMENT = 5.0  # seconds that a server may take to say whether it knows a workflow
_INTAKE = 5.0  # seconds that a daemon may take to follow
_DONE = {
    Action.ADD: "added",
    Action.SET: "changed",
    Action.PAUSE: "paused",
    Action.RESUME: "resumed",
    Action.REMOVE: "removed",
}


async def add(
    workflow_ids: "Sequence[int]", choices: WatchOptions, settings: "Settings", url: str | None
) -> None:
    from torc_watch.daemon.watch_history import known_workflows

    await _refuse_missing(workflow_ids, settings, url)
    server = settings.connection(url).url
    known = known_workflows(settings.home)
    first = choices
    if choices.output_dir is None and not settings.output_dir.is_absolute():
        first = replace(choices, output_dir=options.absolute(settings.output_dir))
    orders = [
        Command(
            action=Action.ADD,
            server=server,
            workflow_id=workflow_id,
            options=choices if WorkflowKey(server, workflow_id) in known else first,
        )
        for workflow_id in dict.fromkeys(workflow_ids)
    ]
    await _give(settings.home, orders, known)


async def order(
    verb: Action,
    workflow_ids: "Sequence[int]",
    url: str | None,
    choices: WatchOptions | None = None,
    unset: tuple[str, ...] = (),
) -> None:
    """Raises InvalidInput for the first that is not known, or where it is open which is meant."""
    from torc_watch.config.sources import home
    from torc_watch.core.errors import InvalidInput
    from torc_watch.core.workflow_key import resolve_key
    from torc_watch.daemon.watch_history import known_workflows

    folder = home()
    known = known_workflows(folder)
    asked = options.server(url)
    keys = [resolve_key(workflow_id, asked, known) for workflow_id in dict.fromkeys(workflow_ids)]
    orders = [
        Command(
            action=verb,
            server=server,
            workflow_id=workflow_id,
            options=choices or WatchOptions(),
            unset=unset,
        )
        for server, workflow_id in keys
    ]
    for key, given in zip(keys, orders, strict=True):
        if isinstance(apply_command(known[key], given), UnknownWorkflow):
            raise InvalidInput(known[key].reason)
    await _give(folder, orders, known)


async def _refuse_missing(
    workflow_ids: "Sequence[int]", settings: "Settings", url: str | None
) -> None:
    """Raises InvalidInput for workflows that are surely not there; warns where nobody can tell."""
    from torc_watch.core.errors import InvalidInput, ServerError
    from torc_watch.torc.existence import missing_workflows

    connection = settings.connection(url)
    try:
        missing = await missing_workflows(workflow_ids, connection, _MOMENT)
    except ServerError as error:
        print(f"Warning: {error} The daemon goes on asking.", file=sys.stderr)
        return
    if missing:
        ids = ", ".join(map(str, sorted(missing)))
        raise InvalidInput(
            f"There is no workflow {ids} on {connection.url}, so nothing was added. "
            "List what there is with: torc-watchd workflows"
        )


async def _give(
    home: "Path", orders: "Sequence[Command]", known: "Mapping[WorkflowKey, WatchedWorkflow]"
) -> None:
    """Returns when the orders are safe, and with luck followed already."""
    from torc_watch.ipc.socket_client import poke, socket_paths

    _spool(home, orders)
    is_followed = await poke(socket_paths(home, os.environ), _INTAKE)
    for given in orders:
        entry = known.get(given.key)
        done = _DONE[given.action] if is_followed else f"is to be {_DONE[given.action]}"
        if entry is not None and apply_command(entry, given) == entry:
            done = "stays as it is"
        remark = note_for(entry, given.action)
        print(f"Workflow {given.workflow_id} {done} ({given.server}){remark and f': {remark}'}")
    if not is_followed:
        print(_when(home), file=sys.stderr)


def _spool(home: "Path", orders: "Sequence[Command]") -> None:
    """Raises JournalError, and InvalidInput before anything is ordered."""
    from torc_watch.core.errors import InvalidInput, JournalError
    from torc_watch.core.os_errors import what_is_wrong
    from torc_watch.daemon.spool import Spool

    for given in orders:
        if problem := validation_error(given):
            raise InvalidInput(problem)
    spool = Spool(home / "spool")
    for given in orders:
        try:
            spool.put(given)
        except OSError as error:
            raise JournalError(
                f"The state folder {home} cannot be written: {what_is_wrong(error)} "
                f"From workflow {given.workflow_id} on nothing was ordered."
            ) from error


def _when(home: "Path") -> str:
    from torc_watch.daemon.status_file import is_active, read_status, utc_now
    from torc_watch.render.daemon_notices import HOW_TO_START

    view = read_status(home)
    if view is not None and is_active(view, utc_now()):
        return f"The daemon on {view.holder.host} takes this in within some seconds."
    return f"This waits until a daemon runs. {HOW_TO_START}"
