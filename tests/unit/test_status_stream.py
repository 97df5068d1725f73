"""What `list --watch` sees: the daemon's socket while there is one, else its file."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import anyio.lowlevel
import pytest

from torc_watch.core import events
from torc_watch.daemon.commands import WatchedWorkflow, WatchOptions, WatchState
from torc_watch.daemon.lease import this_process
from torc_watch.daemon.status_board import StatusBoard as Views
from torc_watch.daemon.status_file import utc_now
from torc_watch.daemon.status_writer import publish
from torc_watch.daemon.workflow_view import DaemonView, Phase
from torc_watch.ipc.socket_server import Control
from torc_watch.ipc.status_stream import StatusSnapshot, boards

ENTRY = WatchedWorkflow(
    server="s", workflow_id=42, choices=WatchOptions(), condition=WatchState.WATCHED
)
OTHER = WatchedWorkflow(
    server="s", workflow_id=43, choices=WatchOptions(), condition=WatchState.PAUSED
)


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:  # pytest's own are too deep for a socket
        yield Path(name)


@asynccontextmanager
async def serving(path: Path, views: Views) -> AsyncGenerator[None]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Control(views, anyio.lowlevel.checkpoint).serve, path)
        yield
        tasks.cancel_scope.cancel()


async def phases(seen: AsyncGenerator[StatusSnapshot], wanted: dict[int, Phase]) -> str:
    """Waits until these are shown, and no others; what was said of the daemon then."""
    with anyio.fail_after(60):
        async for views, trouble in seen:
            if {view.workflow_id: view.phase for view in views} == wanted:
                return trouble
    raise AssertionError


async def test_from_file_to_socket_and_back(folder: Path) -> None:
    views = Views()
    views.show(ENTRY)
    socket = folder / "run" / "control.sock"
    daemon = DaemonView(holder=this_process(), at=utc_now().isoformat(), workflows=views.views)

    async with aclosing(boards(folder, [socket], 0.01)) as seen:
        assert "has not run yet" in await phases(seen, {})
        publish(folder / "status.json", daemon)
        assert not await phases(seen, {42: Phase.STARTING})

        async with serving(socket, views):
            views.note(events.Looked(workflow_id=42, next_in=60), "s")
            assert not await phases(seen, {42: Phase.WATCHING})
            views.show(OTHER)
            assert not await phases(seen, {42: Phase.WATCHING, 43: Phase.PAUSED})
            views.remove(("s", 42))
            assert not await phases(seen, {43: Phase.PAUSED})

        assert not await phases(seen, {42: Phase.STARTING})


async def test_a_daemon_that_hangs_has_nothing_to_say(folder: Path) -> None:
    socket = folder / "control.sock"
    views = Views()
    views.show(ENTRY)
    daemon = DaemonView(holder=this_process(), at=utc_now().isoformat(), workflows=views.views)
    publish(folder / "status.json", daemon)

    async with (
        await anyio.create_unix_listener(socket),
        aclosing(boards(folder, [socket], 0.01)) as seen,
    ):
        assert not await phases(seen, {42: Phase.STARTING})


async def test_what_cannot_be_read_is_said_and_looked_at_again(folder: Path) -> None:
    status = folder / "status.json"
    views = Views()
    views.show(ENTRY)
    daemon = DaemonView(holder=this_process(), at=utc_now().isoformat(), workflows=views.views)
    publish(status, daemon)

    async with aclosing(boards(folder, [folder / "run" / "control.sock"], 0.01)) as seen:
        assert not await phases(seen, {42: Phase.STARTING})
        status.write_text("garbage")
        while "cannot be understood" not in await phases(seen, {42: Phase.STARTING}):
            pass
        status.unlink()
        while "has not run yet" not in await phases(seen, {}):
            pass
