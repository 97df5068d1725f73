"""The signals to the daemon: stop, stop at once, reload the configuration."""

import os
import signal
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

from torc_watch.app import daemon_process
from torc_watch.app.daemon_app import DaemonApp
from torc_watch.config.settings import Settings
from torc_watch.daemon.daemon_events import ConfigurationRead, DaemonEvent, StopRequested
from torc_watch.host.sd_notify import SystemdNotifier


@pytest.mark.parametrize(
    ("interval", "interruptions"), [(60.0, 0), (0.0, 1)], ids=["same Ctrl-C", "second Ctrl-C"]
)
async def test_second_signal_interrupts_unless_it_repeats_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interval: float, interruptions: int
) -> None:
    monkeypatch.setattr(daemon_process, "_REPEATED_SIGNAL", interval)
    reported: list[DaemonEvent] = []
    interrupted: list[None] = []
    settings = Settings(home=tmp_path)
    app = DaemonApp(settings, lambda: settings, lambda *_: None, reported.append)
    with closing(SystemdNotifier(None)) as manager, anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(
                daemon_process._handle_signals, app, manager, lambda: interrupted.append(None)
            )
            await anyio.wait_all_tasks_blocked()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(os.getpid(), number)
            while ConfigurationRead() not in reported:  # the effect of the last signal
                await checkpoint()
            tasks.cancel_scope.cancel()

    assert reported == [StopRequested(signal="SIGINT"), ConfigurationRead()]
    assert len(interrupted) == interruptions


async def test_stopping_is_the_last_notification_to_systemd(tmp_path: Path) -> None:
    words: list[str] = []
    settings = Settings(home=tmp_path)

    class Manager(SystemdNotifier):
        def _send(self, message: str) -> None:
            words.append(message)

    with closing(Manager(None)) as manager, anyio.fail_after(30):
        app = DaemonApp(settings, lambda: settings, lambda *_: None, lambda _: manager.ready())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(daemon_process._handle_signals, app, manager, lambda: None)
            await anyio.wait_all_tasks_blocked()
            os.kill(os.getpid(), signal.SIGTERM)
            while not app.requests.stop_requested:  # noqa: ASYNC110 - by a signal
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()

    assert words == ["READY=1", "STOPPING=1"]
