"""The daemon's socket where the folder for sockets comes and goes, or where there are several."""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import anyio.lowlevel
import pytest
from anyio import to_thread

from torc_watch.app import daemon_app
from torc_watch.app.daemon_app import DaemonApp
from torc_watch.config.settings import Settings
from torc_watch.daemon.daemon_events import ControlMissing, DaemonEvent
from torc_watch.ipc import socket_server
from torc_watch.ipc.socket_client import poke


@pytest.fixture
def runtime() -> Iterator[Path]:
    with TemporaryDirectory() as folder:  # pytest's own are too deep for a socket
        yield Path(folder) / "run"


async def test_a_folder_that_comes_and_goes_and_comes(runtime: Path, tmp_path: Path) -> None:
    path = runtime / "torc-watchd" / "socket_server.sock"
    async with listening(tmp_path, [path]) as said:
        for times in (1, 2):
            while len(said) < times:  # noqa: ASYNC110 - said by another task
                await anyio.sleep(0.01)
            await anyio.Path(runtime).mkdir()
            await poked(path)
            await to_thread.run_sync(shutil.rmtree, runtime)

    assert {type(event) for event in said} == {ControlMissing}


async def test_where_one_folder_cannot_be_had_there_is_another(
    runtime: Path, tmp_path: Path
) -> None:
    await anyio.Path(runtime).mkdir()
    path = runtime / "torc-watchd" / "socket_server.sock"
    too_long = runtime / ("x" * 200) / "socket_server.sock"
    async with listening(tmp_path, [runtime / "no" / "where" / path.name, too_long, path]) as said:
        await poked(path)

    assert not said


@asynccontextmanager
async def listening(home: Path, paths: list[Path]) -> AsyncIterator[list[DaemonEvent]]:
    said: list[DaemonEvent] = []
    settings = Settings(home=home)
    daemon = DaemonApp(settings, lambda: settings, lambda *_: None, said.append)
    with pytest.MonkeyPatch.context() as monkeypatch, anyio.fail_after(30):
        monkeypatch.setattr(daemon_app, "socket_paths", lambda *_: paths)
        monkeypatch.setattr(daemon_app, "_SOCKET_PAUSE", 0.01)
        monkeypatch.setattr(socket_server, "_CHECK_INTERVAL", 0.01)
        monkeypatch.setattr(DaemonApp, "_poke", lambda _: anyio.lowlevel.checkpoint())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(daemon._listen)
            yield said
            tasks.cancel_scope.cancel()


async def poked(path: Path) -> None:
    while not await poke([path], 10):  # noqa: ASYNC110 - until it is bound
        await anyio.sleep(0.01)
