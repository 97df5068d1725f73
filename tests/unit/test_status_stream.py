"""`list --watch` follows the daemon's socket while there is one, else status.json."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel

from torc_watch.core import events
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.commands import WatchedWorkflow, WatchOptions, WatchState
from torc_watch.daemon.lease import this_holder
from torc_watch.daemon.status_board import StatusBoard
from torc_watch.daemon.status_file import utc_now, write_status
from torc_watch.daemon.workflow_view import DaemonView, Phase
from torc_watch.ipc.socket_server import ControlServer
from torc_watch.ipc.status_stream import StatusSnapshot, status_snapshots

WORKFLOW = WatchedWorkflow(
    server="s", workflow_id=42, options=WatchOptions(), state=WatchState.WATCHED
)
OTHER = WatchedWorkflow(server="s", workflow_id=43, options=WatchOptions(), state=WatchState.PAUSED)


@asynccontextmanager
async def serving(path: Path, board: StatusBoard) -> AsyncGenerator[None]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ControlServer(board, anyio.lowlevel.checkpoint).serve, path)
        yield
        tasks.cancel_scope.cancel()


async def phases(seen: AsyncGenerator[StatusSnapshot], wanted: dict[int, Phase]) -> str:
    """Waits until exactly these phases are shown; returns the notice about the daemon."""
    with anyio.fail_after(60):
        async for views, notice in seen:
            if {view.workflow_id: view.phase for view in views} == wanted:
                return notice
    raise AssertionError


async def test_stream_switches_between_file_and_socket(short_path: Path) -> None:
    board = StatusBoard()
    board.show(WORKFLOW)
    socket = short_path / "run" / "control.sock"
    daemon = DaemonView(holder=this_holder(), at=utc_now().isoformat(), workflows=board.views)

    async with aclosing(status_snapshots(short_path, [socket], 0.01)) as seen:
        assert "has never run" in await phases(seen, {})
        write_status(short_path / "status.json", daemon)
        assert not await phases(seen, {42: Phase.STARTING})

        async with serving(socket, board):
            board.update(events.Polled(workflow_id=42, next_in=60), "s")
            assert not await phases(seen, {42: Phase.WATCHING})
            board.show(OTHER)
            assert not await phases(seen, {42: Phase.WATCHING, 43: Phase.PAUSED})
            board.remove(WorkflowKey("s", 42))
            assert not await phases(seen, {43: Phase.PAUSED})

        assert not await phases(seen, {42: Phase.STARTING})


async def test_file_is_shown_while_the_daemon_hangs(short_path: Path) -> None:
    socket = short_path / "control.sock"
    board = StatusBoard()
    board.show(WORKFLOW)
    daemon = DaemonView(holder=this_holder(), at=utc_now().isoformat(), workflows=board.views)
    write_status(short_path / "status.json", daemon)

    async with (
        await anyio.create_unix_listener(socket),
        aclosing(status_snapshots(short_path, [socket], 0.01)) as seen,
    ):
        assert not await phases(seen, {42: Phase.STARTING})


async def test_unreadable_file_is_read_again(short_path: Path) -> None:
    status = short_path / "status.json"
    board = StatusBoard()
    board.show(WORKFLOW)
    daemon = DaemonView(holder=this_holder(), at=utc_now().isoformat(), workflows=board.views)
    write_status(status, daemon)

    socket = short_path / "run" / "control.sock"
    async with aclosing(status_snapshots(short_path, [socket], 0.01)) as seen:
        assert not await phases(seen, {42: Phase.STARTING})
        status.write_text("garbage")
        while "is damaged" not in await phases(seen, {42: Phase.STARTING}):
            pass
        status.unlink()
        while "has never run" not in await phases(seen, {}):
            pass
