"""The daemon's socket, over real connections."""

import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio import to_thread

from torc_watch.core import events
from torc_watch.core.errors import InvalidInput
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.commands import WatchedWorkflow, WatchOptions, WatchState
from torc_watch.daemon.status_board import StatusBoard
from torc_watch.ipc import socket_client, socket_server
from torc_watch.ipc import socket_paths as socket_paths_module
from torc_watch.ipc.socket_client import poke
from torc_watch.ipc.socket_paths import daemon_trouble, socket_paths
from torc_watch.ipc.socket_server import ControlServer

WORKFLOW = WatchedWorkflow(
    server="s", workflow_id=42, options=WatchOptions(), state=WatchState.WATCHED
)


@pytest.fixture
def path(short_path: Path) -> Path:
    return short_path / "torc-watchd" / "socket_server.sock"


@asynccontextmanager
async def serving(path: Path, board: StatusBoard, applied: anyio.Event) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ControlServer(board, applied.wait).serve, path)
        with anyio.fail_after(10):
            while not path.is_socket():  # noqa: ASYNC110, ASYNC240 - bound by another task
                await anyio.sleep(0.01)
        yield
        tasks.cancel_scope.cancel()


async def poke_until_answered(path: Path) -> None:
    while not await poke([path], 60):  # noqa: ASYNC110 - another task or process binds the socket
        await anyio.sleep(0.01)


async def test_poke_is_answered_when_the_commands_are_applied(path: Path) -> None:
    applied = anyio.Event()
    async with serving(path, StatusBoard(), applied):
        assert not await poke([path], 0.05)
        applied.set()
        assert await poke([path], 10)
    assert not await poke([path], 10)


async def test_daemon_says_what_ails_it(path: Path) -> None:
    ailing = ["The disk is full."]
    async with anyio.create_task_group() as tasks:
        server = ControlServer(StatusBoard(), anyio.lowlevel.checkpoint, ailing.pop)
        tasks.start_soon(server.serve, path)
        with anyio.fail_after(10):
            while not path.is_socket():  # noqa: ASYNC110, ASYNC240 - bound by another task
                await anyio.sleep(0.01)
        elsewhere = path.with_name("nobody")
        assert await to_thread.run_sync(daemon_trouble, [elsewhere, path]) == "The disk is full."
        assert await to_thread.run_sync(daemon_trouble, [path]) == "", "it fails"
        assert await to_thread.run_sync(daemon_trouble, [elsewhere]) == ""
        tasks.cancel_scope.cancel()


async def test_unanswered_poke_has_failed(path: Path) -> None:
    async def fail() -> None:
        raise RuntimeError

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ControlServer(StatusBoard(), fail).serve, path)
        with anyio.fail_after(10):
            while not path.is_socket():  # noqa: ASYNC110, ASYNC240 - bound by another task
                await anyio.sleep(0.01)
        assert not await poke([path], 10)
        assert path.is_socket()  # noqa: ASYNC240 - the server still listens
        assert not await poke([path], 10)
        tasks.cancel_scope.cancel()


async def test_follow_sends_everything_and_then_each_change(path: Path) -> None:
    board = StatusBoard()
    board.show(WORKFLOW)
    async with serving(path, board, anyio.Event()), await anyio.connect_unix(path) as stream:
        await stream.send(b"follow\n")
        assert (await received(stream))["view"]["phase"] == "starting"

        board.update(events.Polled(workflow_id=42, next_in=60), "s")
        assert (await received(stream))["view"]["phase"] == "watching"

        board.remove(WorkflowKey("s", 42))
        assert await received(stream) == {"server": "s", "workflow_id": 42, "view": None}


async def received(stream: Any) -> Any:
    with anyio.fail_after(10):
        return json.loads(await stream.receive())


@pytest.mark.parametrize("request_line", [b"nonsense\n", b"x" * 1000, b"\0\n"])
async def test_invalid_request_is_not_answered(path: Path, request_line: bytes) -> None:
    async with (
        serving(path, StatusBoard(), anyio.Event()),
        await anyio.connect_unix(path) as stream,
    ):
        await stream.send(request_line)
        with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)), anyio.fail_after(10):
            await stream.receive()


async def test_other_users_are_not_answered(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(path, StatusBoard(), anyio.Event()):
        monkeypatch.setattr(os, "getuid", lambda: 4711)
        assert not await poke([path], 10)


async def test_socket_of_a_killed_daemon_is_replaced(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    applied = anyio.Event()
    applied.set()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ControlServer(StatusBoard(), applied.wait).serve, path)
        with anyio.fail_after(10):
            await poke_until_answered(path)
        tasks.cancel_scope.cancel()


async def test_server_ends_when_its_socket_file_is_replaced(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new server then binds a new socket."""
    monkeypatch.setattr(socket_server, "_CHECK_INTERVAL", 0.01)
    served = ControlServer(StatusBoard(), anyio.lowlevel.checkpoint)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(served.serve, path)
            await poke_until_answered(path)
            await anyio.Path(path).unlink()
            await anyio.Path(path).touch()
    async with serving(path, StatusBoard(), anyio.Event()):
        pass


async def test_drafts_of_killed_daemons_are_deleted(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    path.with_suffix(".4711").touch()
    other = path.with_name("other.4711")
    other.touch()
    async with serving(path, StatusBoard(), anyio.Event()):
        assert {found async for found in anyio.Path(path.parent).iterdir()} == {path, other}


SERVER_WITH_LIMIT = """
import resource, sys
from pathlib import Path
import anyio
from torc_watch.daemon.status_board import StatusBoard
from torc_watch.ipc.socket_server import ControlServer
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]),) * 2)
anyio.run(ControlServer(StatusBoard(), anyio.lowlevel.checkpoint).serve, Path(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("files", [24, 200], ids=["limit on open files", "limit on clients"])
async def test_clients_beyond_the_limit_wait(path: Path, files: int) -> None:
    """The server runs in another process, since the test itself needs open files."""
    process = await anyio.open_process(
        [sys.executable, "-c", SERVER_WITH_LIMIT, str(path), str(files)]
    )
    async with process:
        try:
            with anyio.fail_after(60):
                await exhaust_clients(path)
        finally:
            process.kill()


async def exhaust_clients(path: Path) -> None:
    await poke_until_answered(path)
    async with AsyncExitStack() as idle:
        for _ in range(80):
            await idle.enter_async_context(await anyio.connect_unix(path))
        assert not await poke([path], 0.1)
    assert await poke([path], 60)


@pytest.mark.parametrize("mode", [0o755, 0o777])
async def test_folder_open_to_others_is_refused(path: Path, mode: int) -> None:
    path.parent.mkdir()
    path.parent.chmod(mode)
    with pytest.raises(InvalidInput, match="not a private folder of yours"):
        await ControlServer(StatusBoard(), anyio.lowlevel.checkpoint).serve(path)


async def test_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="too long"):
        await ControlServer(StatusBoard(), anyio.lowlevel.checkpoint).serve(
            tmp_path / ("x" * 100) / "socket_server.sock"
        )


def test_each_state_folder_has_its_own_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    home = Path("/home/me/.local/state/torc-watchd")

    ours = socket_paths(home, {"XDG_RUNTIME_DIR": "/run/user/1000"})

    folders = [Path("/run/user/1000/torc-watchd"), Path("/tmp/torc-watchd-1000")]
    assert [path.parent for path in ours] == folders
    assert ours == socket_paths(home, {}) == socket_paths(home, {"XDG_RUNTIME_DIR": "relative"})
    assert socket_paths(home, {"XDG_RUNTIME_DIR": "/x"})[1:] == ours
    assert not set(ours) & set(socket_paths(home / "other", {}))
    assert len(str(ours[0])) < socket_server._MAX_PATH - 30


async def test_client_tries_all_paths(path: Path) -> None:
    applied = anyio.Event()
    applied.set()
    async with serving(path, StatusBoard(), applied):
        assert await poke([path.with_name("unbound"), path], 10)


async def test_client_sends_nothing_to_other_users(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    applied = anyio.Event()
    applied.set()
    theirs = path.with_name("theirs")
    is_ours = socket_paths_module.is_ours
    monkeypatch.setattr(
        socket_client, "is_ours", lambda end: end.getpeername() != str(theirs) and is_ours(end)
    )
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(theirs))
        listener.listen()
        path.parent.chmod(0o700)
        async with serving(path, StatusBoard(), applied):
            assert await poke([theirs, path], 10)
            assert not await poke([theirs], 10)
        received, _ = listener.accept()
        with received:
            assert received.recv(99) == b""
