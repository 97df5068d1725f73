"""Follows the daemon's workflows: over its socket, or by status.json if there is none."""

import json
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import anyio
from anyio import to_thread
from anyio.streams.buffered import BufferedByteReceiveStream

from torc_watch.core.errors import JournalError
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.status_file import read_status, utc_now, view_from
from torc_watch.daemon.workflow_view import WorkflowView
from torc_watch.ipc.socket_client import connect
from torc_watch.ipc.socket_paths import daemon_trouble
from torc_watch.render.daemon_notices import notices

StatusSnapshot = tuple[list[WorkflowView], str]  # with a notice about the daemon, or ""

_MAX_LINE = 2**20  # bytes
_DISCONNECTED = (
    OSError,
    ValueError,
    anyio.EndOfStream,
    anyio.IncompleteRead,
    anyio.BrokenResourceError,
)


async def status_snapshots(
    home: Path, sockets: Sequence[Path], interval: float
) -> AsyncGenerator[StatusSnapshot]:
    """One every ``interval`` seconds, without end: also while daemons stop and others start.

    If the status cannot be read, the workflows are those of the last snapshot.
    """
    views: list[WorkflowView] = []
    while True:
        try:
            async with await connect(sockets) as stream:
                await stream.send(b"follow\n")
                async for views in _follow(BufferedByteReceiveStream(stream), interval):
                    # No views: the daemon has no workflows, or it hangs.
                    yield (views, "") if views else await _snapshot_of_file(home, sockets, views)
        except _DISCONNECTED:
            views, notice = await _snapshot_of_file(home, sockets, views)
            yield views, notice
            await anyio.sleep(interval)


async def _snapshot_of_file(
    home: Path, sockets: Sequence[Path], previous: list[WorkflowView]
) -> StatusSnapshot:
    return await to_thread.run_sync(_read_file, home, sockets, previous)


def _read_file(home: Path, sockets: Sequence[Path], previous: list[WorkflowView]) -> StatusSnapshot:
    try:
        view = read_status(home)
    except JournalError as error:
        return previous, str(error)
    shown = notices(home, view, utc_now(), daemon_trouble(sockets))
    return list(view.workflows) if view else [], " ".join(shown)


async def _follow(
    lines: BufferedByteReceiveStream, interval: float
) -> AsyncGenerator[list[WorkflowView]]:
    views: dict[WorkflowKey, WorkflowView] = {}
    while True:
        with anyio.move_on_after(interval):
            while True:
                _update(views, await lines.receive_until(b"\n", _MAX_LINE))
        yield list(views.values())


def _update(views: dict[WorkflowKey, WorkflowView], line: bytes) -> None:
    change = json.loads(line)
    key = WorkflowKey(change["server"], change["workflow_id"])
    if change["view"] is None:
        views.pop(key, None)
    else:
        views[key] = view_from(change["view"])
