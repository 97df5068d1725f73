"""The daemon's workflows as they change: from its socket, or where there is none from its file."""

import json
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import anyio
from anyio import to_thread
from anyio.streams.buffered import BufferedByteReceiveStream

from torc_watch.core.errors import JournalError
from torc_watch.daemon.status_file import notices, read_published, utc_now, view_from
from torc_watch.daemon.workflow_view import WorkflowView
from torc_watch.ipc.socket_client import connect

StatusSnapshot = tuple[list[WorkflowView], str]  # and what there is to say of the daemon

_LONGEST_LINE = 2**20  # bytes
_LEFT = (OSError, ValueError, anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError)


async def boards(
    home: Path, sockets: Sequence[Path], interval: float
) -> AsyncGenerator[StatusSnapshot]:
    """One each ``interval`` seconds, for ever: also while daemons end and others begin.

    What cannot be read leaves what was seen before.
    """
    seen: list[WorkflowView] = []
    while True:
        try:
            async with await connect(sockets) as stream:
                await stream.send(b"follow\n")
                async for seen in _follow(BufferedByteReceiveStream(stream), interval):
                    # A daemon that hangs says as little as one that has nothing to say.
                    yield (seen, "") if seen else await to_thread.run_sync(_published, home, seen)
        except _LEFT:
            seen, trouble = await to_thread.run_sync(_published, home, seen)
            yield seen, trouble
            await anyio.sleep(interval)


def _published(home: Path, before: list[WorkflowView]) -> StatusSnapshot:
    try:
        view = read_published(home)
    except JournalError as error:
        return before, str(error)
    return list(view.workflows) if view else [], " ".join(notices(home, view, utc_now()))


async def _follow(
    lines: BufferedByteReceiveStream, interval: float
) -> AsyncGenerator[list[WorkflowView]]:
    views: dict[tuple[str, int], WorkflowView] = {}
    while True:
        with anyio.move_on_after(interval):
            while True:
                _take(views, await lines.receive_until(b"\n", _LONGEST_LINE))
        yield list(views.values())


def _take(views: dict[tuple[str, int], WorkflowView], line: bytes) -> None:
    change = json.loads(line)
    key = change["server"], change["workflow_id"]
    if change["view"] is None:
        views.pop(key, None)
    else:
        views[key] = view_from(change["view"])
