"""Commands to the daemon: validated, written to its spool, and confirmed where it runs."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import anyio

from torc_watch.app.composition import server_url
from torc_watch.config.settings import Settings
from torc_watch.core.errors import (
    InvalidInput,
    JournalError,
    NotFound,
    ServerError,
    ServerUnreachable,
)
from torc_watch.core.os_errors import describe_os_error
from torc_watch.core.workflow_key import WorkflowKey, resolve_key
from torc_watch.daemon.commands import (
    Action,
    Command,
    UnknownWorkflow,
    WatchOptions,
    apply_command,
    note_for,
    validation_error,
)
from torc_watch.daemon.spool import Spool
from torc_watch.daemon.status_file import is_active, read_status, utc_now
from torc_watch.daemon.watch_history import KnownWorkflows, workflows_for_commands
from torc_watch.ipc.socket_client import poke
from torc_watch.ipc.socket_paths import socket_paths
from torc_watch.render.daemon_notices import HOW_TO_START
from torc_watch.torc.client import TorcClient
from torc_watch.torc.transport import Connection, Transport

_SERVER_TIMEOUT = 5.0  # seconds for a server to say whether it has the workflows
_CONFIRMATION_TIMEOUT = 5.0  # seconds for the daemon to apply the commands


@dataclass(frozen=True, slots=True)
class SentCommand:
    """``has_effect`` is False where the workflow already is as the command asks.

    ``note`` says what the user may not expect, and is usually empty.
    """

    command: Command
    has_effect: bool
    note: str


@dataclass(frozen=True, slots=True)
class Sent:
    """``pending`` says when the daemon will apply the commands; empty when it has done so.

    ``trouble`` says why it is not known what they change; usually empty.
    """

    commands: tuple[SentCommand, ...]
    pending: str
    trouble: str = ""


async def add(
    workflow_ids: Sequence[int],
    options: WatchOptions,
    settings: Settings,
    url: str | None,
    warn: Callable[[str], None],
) -> Sent:
    """Adds workflows; ``warn`` is told if the server cannot say whether it has them.

    Raises InvalidInput if the server lacks one of them: then none is added.
    """
    connection = settings.connection(url)
    await _refuse_missing(workflow_ids, connection, warn)
    known = workflows_for_commands(settings.home)
    first = options
    if options.output_dir is None and not settings.output_dir.is_absolute():
        first = replace(options, output_dir=str(settings.output_dir.absolute()))
    commands = [
        Command(
            action=Action.ADD,
            server=connection.url,
            workflow_id=workflow_id,
            options=options if WorkflowKey(connection.url, workflow_id) in known.keys else first,
        )
        for workflow_id in dict.fromkeys(workflow_ids)
    ]
    return await _send(settings.home, commands, known)


async def send(
    home: Path,
    action: Action,
    workflow_ids: Sequence[int],
    url: str | None,
    options: WatchOptions | None = None,
    unset: tuple[str, ...] = (),
) -> Sent:
    """Sends one command for each workflow; without ``url`` their IDs must be unambiguous.

    Raises InvalidInput for the first workflow that is not watched, or is ambiguous, and
    JournalError if the state folder cannot be used. A journal that cannot be read keeps no command
    back.
    """
    known = workflows_for_commands(home)
    server = server_url(url)
    keys = [_key(workflow_id, server, known) for workflow_id in dict.fromkeys(workflow_ids)]
    commands = [
        Command(
            action=action,
            server=key.server,
            workflow_id=key.workflow_id,
            options=options or WatchOptions(),
            unset=unset,
        )
        for key in keys
    ]
    for key, command in zip(keys, commands, strict=True):
        workflow = known.workflows.get(key)
        if workflow and isinstance(apply_command(workflow, command), UnknownWorkflow):
            raise InvalidInput(workflow.reason)
    return await _send(home, commands, known)


def _key(workflow_id: int, server: str | None, known: KnownWorkflows) -> WorkflowKey:
    """Raises InvalidInput, and JournalError where only the journal would know the server."""
    if not known.trouble:
        return resolve_key(workflow_id, server, known.keys)
    if server is not None:
        return WorkflowKey(server, workflow_id)
    try:
        return resolve_key(workflow_id, server, known.keys)
    except InvalidInput as error:
        raise JournalError(
            f"{known.trouble} To send the command without it, name the workflow's server: --url"
        ) from error


async def _send(home: Path, commands: Sequence[Command], known: KnownWorkflows) -> Sent:
    """Returns when the commands are on disk, and usually after the daemon has applied them."""
    _spool(home, commands)
    is_applied = await poke(socket_paths(home, os.environ), _CONFIRMATION_TIMEOUT)
    sent = tuple(_sent(command, known) for command in commands)
    pending = "" if is_applied else _pending(home)
    return Sent(sent, pending, trouble="" if is_applied else known.trouble)


def _sent(command: Command, known: KnownWorkflows) -> SentCommand:
    workflow = known.workflows.get(command.key)
    has_effect = workflow is None or apply_command(workflow, command) != workflow
    return SentCommand(command, has_effect, note=note_for(workflow, command.action))


def _spool(home: Path, commands: Sequence[Command]) -> None:
    """Raises JournalError, and InvalidInput before any command is written."""
    for command in commands:
        if problem := validation_error(command):
            raise InvalidInput(problem)
    spool = Spool(home / "spool")
    for number, command in enumerate(commands):
        try:
            spool.put(command)
        except OSError as error:
            unsent = ", ".join(str(each.workflow_id) for each in commands[number:])
            raise JournalError(
                f"The state folder {home} cannot be written: {describe_os_error(error)} "
                f"No command was sent for workflow {unsent}."
            ) from error


def _pending(home: Path) -> str:
    view = read_status(home)
    if view is not None and is_active(view, utc_now()):
        return f"The daemon on {view.holder.host} will apply this within a few seconds."
    return f"No daemon is running: this takes effect when one starts. {HOW_TO_START}"


async def _refuse_missing(
    workflow_ids: Sequence[int], connection: Connection, warn: Callable[[str], None]
) -> None:
    """Raises InvalidInput for workflows that the server does not have."""
    try:
        missing = await _missing_workflows(workflow_ids, connection)
    except ServerError as error:
        warn(f"{error} The daemon will retry.")
        return
    if missing:
        ids = ", ".join(map(str, sorted(missing)))
        raise InvalidInput(
            f"There is no workflow {ids} on {connection.url}, so nothing was added. "
            "List the workflows with: torc-watchd workflows"
        )


async def _missing_workflows(workflow_ids: Sequence[int], connection: Connection) -> set[int]:
    """Those that the server said it does not have, in the time that it is given.

    Raises ServerError if it does not answer as it should.
    """
    missing = set()
    with anyio.move_on_after(_SERVER_TIMEOUT):
        async with Transport(connection, attempts=1) as transport:
            client = await TorcClient.connect(transport)
            for workflow_id in workflow_ids:
                try:
                    await client.get_workflow(workflow_id)
                except NotFound:
                    missing.add(workflow_id)
            return missing
    if missing:
        return missing
    raise ServerUnreachable(f"{connection.url} did not answer within {_SERVER_TIMEOUT:g} s.")
