"""The daemon's socket when its folder vanishes, or when several folders are possible."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from anyio import to_thread

from torc_watch.app import daemon_app
from torc_watch.app.daemon_app import DaemonApp
from torc_watch.config.settings import Settings
from torc_watch.daemon.daemon_events import ControlMissing, DaemonEvent
from torc_watch.engine.database import Database
from torc_watch.ipc import socket_server
from torc_watch.ipc.socket_client import poke
from torc_watch.ipc.socket_paths import daemon_trouble


@pytest.fixture
def runtime(short_path: Path) -> Path:
    return short_path / "run"


async def test_socket_is_bound_again_after_its_folder_vanished(
    runtime: Path, tmp_path: Path
) -> None:
    path = runtime / "torc-watchd" / "socket_server.sock"
    async with listening(tmp_path, [path]) as reported:
        for times in (1, 2):
            while len(reported) < times:  # noqa: ASYNC110 - another task reports it
                await anyio.sleep(0.01)
            await anyio.Path(runtime).mkdir()
            await poke_until_bound(path)
            await to_thread.run_sync(shutil.rmtree, runtime)

    assert {type(event) for event in reported} == {ControlMissing}


async def test_third_folder_is_used_when_the_others_are_unusable(
    runtime: Path, tmp_path: Path
) -> None:
    await anyio.Path(runtime).mkdir()
    path = runtime / "torc-watchd" / "socket_server.sock"
    too_long = runtime / ("x" * 200) / "socket_server.sock"
    async with listening(
        tmp_path, [runtime / "no" / "where" / path.name, too_long, path]
    ) as reported:
        await poke_until_bound(path)

    assert not reported


@asynccontextmanager
async def listening(home: Path, paths: list[Path]) -> AsyncIterator[list[DaemonEvent]]:
    reported: list[DaemonEvent] = []
    settings = Settings(home=home)
    daemon = DaemonApp(settings, lambda: settings, lambda *_: None, reported.append)
    with pytest.MonkeyPatch.context() as monkeypatch, anyio.fail_after(30):
        monkeypatch.setattr(daemon_app, "socket_paths", lambda *_: paths)
        monkeypatch.setattr(daemon_app, "_SOCKET_RETRY_INTERVAL", 0.01)
        monkeypatch.setattr(socket_server, "_CHECK_INTERVAL", 0.01)
        monkeypatch.setattr(DaemonApp, "_poke", lambda _: anyio.lowlevel.checkpoint())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(daemon._listen)
            yield reported
            tasks.cancel_scope.cancel()


async def poke_until_bound(path: Path) -> None:
    while not await poke([path], 10):  # noqa: ASYNC110 - until it is bound
        await anyio.sleep(0.01)


async def test_daemon_that_waits_for_its_state_folder_says_so_at_once(
    runtime: Path, tmp_path: Path
) -> None:
    """Also where status.json, which it cannot write, does not show it for minutes."""
    await anyio.Path(runtime).mkdir()
    path = runtime / "torc-watchd" / "socket_server.sock"
    with closing(Database(tmp_path / "journal.db")) as database:
        database.write("PRAGMA user_version = 99")
    said = await trouble_said(tmp_path, path)

    assert "was written by a newer torc-watch" in said


async def test_a_daemon_whose_status_cannot_be_written_says_so(
    runtime: Path, tmp_path: Path
) -> None:
    await anyio.Path(runtime).mkdir()
    (tmp_path / "status.json").mkdir()
    path = runtime / "torc-watchd" / "socket_server.sock"
    said = await trouble_said(tmp_path, path)

    assert said.startswith(f"{tmp_path / 'status.json'} cannot be written: Is a directory.")


async def trouble_said(home: Path, path: Path) -> str:
    settings = Settings(home=home)

    def ignore(*_: object) -> None:
        pass

    app = DaemonApp(settings, lambda: settings, ignore, ignore)
    with pytest.MonkeyPatch.context() as monkeypatch, anyio.fail_after(30):
        monkeypatch.setattr(daemon_app, "socket_paths", lambda *_: [path])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app.run, anyio.sleep_forever)
            while not (said := await to_thread.run_sync(daemon_trouble, [path])):  # noqa: ASYNC110
                await anyio.sleep(0.01)  # another task binds the socket
            tasks.cancel_scope.cancel()
    return said
