"""run: the daemon."""

import asyncio
import os
import signal
from functools import partial
from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from torc_watch.cli import running

if TYPE_CHECKING:
    from collections.abc import Callable

    from torc_watch.app.daemon_app import DaemonApp
    from torc_watch.cli.looking import OneLook
    from torc_watch.daemon.daemon_events import DaemonEvent
    from torc_watch.host.sd_notify import ServiceManager

_STATUS_INTERVAL = 5.0  # seconds between changes of what `systemctl status` shows
_ECHO = 1.0  # seconds: a script around us passes on what has reached us already
_LEASE_PATIENCES = 1.5  # in which an abandoned lease has turned out to be that


def run(
    *,
    once: Annotated[
        bool,
        typer.Option("--once", help="Look at every workflow once, do what is due, and end."),
    ] = False,
) -> None:
    """Watch all workflows that were added, until stopped.

    One daemon acts for you, over all login nodes that share your home; further ones stand by and
    take over when it is gone. SIGHUP reads the configuration again; SIGTERM and Ctrl-C let the
    rounds under way end first, for up to a minute; the second one ends it at once.

    With --once it ends with 0 when all were looked at or another acts, and with 5 when some could
    not be: a server that does not answer is not waited for.

    \b
    Examples:
      torc-watchd run
      torc-watchd run --once
    """
    from torc_watch.app.daemon_app import DaemonApp
    from torc_watch.cli.looking import OneLook
    from torc_watch.cli.telling import open_telling
    from torc_watch.config.settings import load_settings
    from torc_watch.daemon.daemon_events import (
        CommandUnreadable,
        ConfigurationRead,
        ControlMissing,
    )
    from torc_watch.host import rlimits
    from torc_watch.host.sd_notify import ServiceManager
    from torc_watch.logs.records import record_of_daemon

    rlimits.allow_many()
    settings = running.load_settings()
    telling = open_telling(settings.home)
    manager = ServiceManager.from_environment(os.environ)
    look = OneLook(settings.lease_patience * _LEASE_PATIENCES) if once else None

    # What these say is in the logs; how the daemon stands, which systemctl shows, is the same.
    passing = (CommandUnreadable, ControlMissing, ConfigurationRead)

    def announce(event: "DaemonEvent") -> None:
        telling.announce(event)
        if look:
            look.note(event)
        if not isinstance(event, passing):
            manager.say(record_of_daemon(event).message)
        # Also when we stand by, or wait for the state folder: we do all that we can now.
        manager.ready()

    service = DaemonApp(
        settings, load_settings, telling.report, announce, patience=0 if look else None
    )
    running.run(lambda: _serve(service, manager, look))


async def _serve(service: "DaemonApp", manager: "ServiceManager", look: "OneLook | None") -> None:
    this = asyncio.current_task()
    assert this is not None  # noqa: S101 - a coroutine runs in one
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_obey, service, manager, this.cancel)
        tasks.start_soon(_keep_alive, manager)
        if look:
            tasks.start_soon(look.run, service.board, service.requests)
        await service.run(partial(_show, service, manager))
        tasks.cancel_scope.cancel()
    if look:
        look.check()


async def _obey(
    service: "DaemonApp", manager: "ServiceManager", interrupt: "Callable[[], object]"
) -> None:
    asked_at = float("-inf")
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async for number in signals:
            if number == signal.SIGHUP:
                manager.reloading()
                service.reload()
                manager.ready()
            elif not service.requests.stop_requested:
                asked_at = anyio.current_time()
                service.stop(signal.Signals(number).name)
                manager.stopping()  # last: what is announced says that we are ready
            elif anyio.current_time() - asked_at >= _ECHO:
                interrupt()


async def _keep_alive(manager: "ServiceManager") -> None:
    """A loop that does not turn does not say that it lives."""
    while manager.watchdog is not None:
        manager.alive()
        await anyio.sleep(manager.watchdog / 3)


async def _show(service: "DaemonApp", manager: "ServiceManager") -> None:
    """While it acts and goes on; before and after that it stands as it was announced."""
    from torc_watch.daemon.status_file import utc_now
    from torc_watch.render.status_table import summary

    while True:
        await anyio.sleep(_STATUS_INTERVAL)
        if not service.requests.stop_requested:
            manager.say(summary(service.board.views, utc_now()))
