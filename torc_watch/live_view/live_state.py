"""What the screen shows: workflows, commands that wait for the daemon, and how the daemon is."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from anyio import to_thread

from torc_watch.app.waiting_commands import waiting_commands
from torc_watch.core.errors import JournalError
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.commands import Action
from torc_watch.daemon.workflow_view import WorkflowView
from torc_watch.ipc.socket_paths import socket_paths
from torc_watch.ipc.status_stream import status_snapshots
from torc_watch.render.daemon_notices import number_waiting

_INTERVAL = 1.0  # seconds: changes that come in between are shown together


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveState:
    """``notice`` says what is wrong with the daemon, and what to do; empty while all is well."""

    views: tuple[WorkflowView, ...] = ()
    notice: str = ""
    waiting: Mapping[WorkflowKey, tuple[Action, ...]] = field(default_factory=dict)


async def live_states(home: Path) -> AsyncIterator[LiveState]:
    """Without end; a view that has not changed is the same object as before."""
    async for views, notice in status_snapshots(home, socket_paths(home, os.environ), _INTERVAL):
        waiting = await to_thread.run_sync(_waiting, home)
        yield LiveState(views=tuple(views), notice=notice, waiting=waiting)


def _waiting(home: Path) -> Mapping[WorkflowKey, tuple[Action, ...]]:
    """None while they cannot be read."""
    if number_waiting(home):
        with suppress(JournalError):
            return waiting_commands(home)
    return {}
