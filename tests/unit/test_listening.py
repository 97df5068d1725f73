"""The daemon's socket where the folder for sockets comes and goes."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import anyio.lowlevel
import pytest
from anyio import to_thread

from torc_watch import service
from torc_watch.core.events import ControlMissing, DaemonEvent
from torc_watch.interfaces import control
from torc_watch.interfaces.control import poke, socket_path
from torc_watch.service import Service
from torc_watch.settings import Settings


@pytest.fixture
def runtime() -> Iterator[Path]:
    with TemporaryDirectory() as folder:  # pytest's own are too deep for a socket
        yield Path(folder) / "run"


async def test_a_folder_that_comes_and_goes_and_comes(
    runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setattr(service, "_SOCKET_PAUSE", 0.01)
    monkeypatch.setattr(control, "_LOOK", 0.01)
    monkeypatch.setattr(Service, "_poke", lambda _: anyio.lowlevel.checkpoint())
    said: list[DaemonEvent] = []
    settings = Settings(home=tmp_path)
    daemon = Service(settings, lambda: settings, lambda *_: None, said.append)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(daemon._listen)
            for times in (1, 2):
                while len(said) < times:  # noqa: ASYNC110 - said by another task
                    await anyio.sleep(0.01)
                await anyio.Path(runtime).mkdir()
                while not await poke(socket_path(tmp_path, os.environ), 10):  # noqa: ASYNC110
                    await anyio.sleep(0.01)
                await to_thread.run_sync(shutil.rmtree, runtime)
            tasks.cancel_scope.cancel()

    assert {type(event) for event in said} == {ControlMissing}
