"""The daemon and the signals that it gets: to end, to hurry, to read its configuration again."""

import os
import signal
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

from torc_watch.app.daemon_app import DaemonApp
from torc_watch.cli import serving
from torc_watch.config.settings import Settings
from torc_watch.daemon.daemon_events import ConfigurationRead, DaemonEvent, StopAsked
from torc_watch.host.sd_notify import ServiceManager


@pytest.mark.parametrize(
    ("echo", "interruptions"), [(60.0, 0), (0.0, 1)], ids=["of one Ctrl-C", "of a second one"]
)
async def test_a_second_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, echo: float, interruptions: int
) -> None:
    monkeypatch.setattr(serving, "_ECHO", echo)
    said: list[DaemonEvent] = []
    interrupted: list[None] = []
    settings = Settings(home=tmp_path)
    service = DaemonApp(settings, lambda: settings, lambda *_: None, said.append)
    with closing(ServiceManager(None)) as manager, anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serving._obey, service, manager, lambda: interrupted.append(None))
            await anyio.wait_all_tasks_blocked()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(os.getpid(), number)
            while ConfigurationRead() not in said:  # the last of them
                await checkpoint()
            tasks.cancel_scope.cancel()

    assert said == [StopAsked(signal="SIGINT"), ConfigurationRead()]
    assert len(interrupted) == interruptions


async def test_that_it_ends_is_the_last_that_systemd_hears(tmp_path: Path) -> None:
    words: list[str] = []
    settings = Settings(home=tmp_path)

    class Manager(ServiceManager):
        def _send(self, message: str) -> None:
            words.append(message)

    with closing(Manager(None)) as manager, anyio.fail_after(30):
        service = DaemonApp(settings, lambda: settings, lambda *_: None, lambda _: manager.ready())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serving._obey, service, manager, lambda: None)
            await anyio.wait_all_tasks_blocked()
            os.kill(os.getpid(), signal.SIGTERM)
            while not service.requests.stop_requested:  # noqa: ASYNC110 - by a signal
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()

    assert words == ["READY=1", "STOPPING=1"]
