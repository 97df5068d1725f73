"""The daemon as a process: the signals it gets, and what it tells systemd."""

import asyncio
import os
import signal
from collections.abc import Callable
from functools import partial

import anyio

from torc_watch.app.daemon_app import DaemonApp
from torc_watch.app.single_pass import SinglePass
from torc_watch.config.settings import Settings
from torc_watch.daemon.daemon_events import (
    CommandUnreadable,
    ConfigurationRead,
    ControlMissing,
    DaemonEvent,
    MetricsUnwritten,
    NewsFailed,
    NewsSent,
    WorkflowEvent,
)
from torc_watch.daemon.status_file import utc_now
from torc_watch.host import rlimits
from torc_watch.host.sd_notify import SystemdNotifier
from torc_watch.logs.records import record_of_daemon
from torc_watch.render.status_table import summary

_STATUS_INTERVAL = 5.0  # seconds between updates of what `systemctl status` shows
_REPEATED_SIGNAL = 1.0  # seconds: a script around the daemon passes on what reached it already
_LEASE_PATIENCES = 1.5  # in which an abandoned lease has expired
# Not the daemon's state.
_LOGGED_ONLY = (
    CommandUnreadable,
    ControlMissing,
    ConfigurationRead,
    NewsSent,
    NewsFailed,
    MetricsUnwritten,
)


async def run_daemon(
    settings: Settings,
    load: Callable[[], Settings],
    report: Callable[[WorkflowEvent, str], None],
    announce: Callable[[DaemonEvent], None],
    *,
    once: bool,
) -> None:
    """Runs the daemon until a signal stops it, or with ``once`` until it checked every workflow.

    ``load``, ``report`` and ``announce`` are as for DaemonApp. Raises JournalError or
    ServerUnreachable if a single pass could not check every workflow.
    """
    rlimits.raise_open_file_limit()
    notifier = SystemdNotifier.from_environment(os.environ)
    single_pass = SinglePass(settings.lease_patience * _LEASE_PATIENCES) if once else None

    def announce_to_all(event: DaemonEvent) -> None:
        announce(event)
        if single_pass:
            single_pass.note(event)
        if not isinstance(event, _LOGGED_ONLY):
            notifier.set_status(record_of_daemon(event).message)
        # Also on standby, or while it waits for the state folder: it is doing all that it can.
        notifier.ready()

    app = DaemonApp(settings, load, report, announce_to_all, patience=0 if once else None)
    await _serve(app, notifier, single_pass)


async def _serve(app: DaemonApp, notifier: SystemdNotifier, single_pass: SinglePass | None) -> None:
    this = asyncio.current_task()
    assert this is not None  # noqa: S101 - a coroutine runs in one
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_handle_signals, app, notifier, this.cancel)
        tasks.start_soon(_keep_alive, notifier)
        if single_pass:
            tasks.start_soon(single_pass.run, app.board, app.requests)
        await app.run(partial(_show_status, app, notifier))
        tasks.cancel_scope.cancel()
    if single_pass:
        single_pass.check()


async def _handle_signals(
    app: DaemonApp, notifier: SystemdNotifier, interrupt: Callable[[], object]
) -> None:
    stopped_at = float("-inf")
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])  # see __main__
        async for number in signals:
            if number == signal.SIGHUP:
                notifier.reloading()
                app.reload()
                notifier.ready()
            elif not app.requests.stop_requested:
                stopped_at = anyio.current_time()
                app.stop(signal.Signals(number).name)
                notifier.stopping()  # last: what is announced says that the daemon is ready
            elif anyio.current_time() - stopped_at >= _REPEATED_SIGNAL:
                interrupt()


async def _keep_alive(notifier: SystemdNotifier) -> None:
    """Feeds systemd's watchdog; a blocked event loop stops doing so."""
    while notifier.watchdog is not None:
        notifier.ping_watchdog()
        await anyio.sleep(notifier.watchdog / 3)


async def _show_status(app: DaemonApp, notifier: SystemdNotifier) -> None:
    """While the daemon is active; before and after that its announcements are its status."""
    while True:
        await anyio.sleep(_STATUS_INTERVAL)
        if not app.requests.stop_requested:
            notifier.set_status(summary(app.board.views, utc_now()))
