"""run: the daemon."""

import os
import signal
from functools import partial
from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from torc_watch.cli import running

if TYPE_CHECKING:
    from torc_watch.core.events import DaemonEvent
    from torc_watch.core.view import WorkflowView
    from torc_watch.daemon.board import Board
    from torc_watch.interfaces.service_manager import ServiceManager
    from torc_watch.service import Service

_STATUS_INTERVAL = 5.0  # seconds between changes of what `systemctl status` shows
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
    rounds under way end first, for up to a minute.

    \b
    Examples:
      torc-watchd run
      torc-watchd run --once
    """
    from torc_watch.cli.telling import open_telling
    from torc_watch.host import open_files
    from torc_watch.interfaces.records import record_of_daemon
    from torc_watch.interfaces.service_manager import ServiceManager
    from torc_watch.service import Service
    from torc_watch.settings import load_settings

    open_files.allow_many()
    settings = running.load_settings()
    telling = open_telling(settings.home)
    manager = ServiceManager.from_environment(os.environ)

    def announce(event: "DaemonEvent") -> None:
        telling.announce(event)
        manager.say(record_of_daemon(event).message)
        # Also when we stand by, or wait for the state folder: we do all that we can now.
        manager.ready()

    service = Service(settings, load_settings, telling.report, announce)
    patience = settings.lease_patience * _LEASE_PATIENCES if once else None
    running.run(lambda: _serve(service, manager, patience))


async def _serve(service: "Service", manager: "ServiceManager", patience: float | None) -> None:
    """With a ``patience`` for the lease, in seconds, until every workflow was looked at once."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_obey, service, manager)
        tasks.start_soon(_keep_alive, manager)
        if patience is not None:
            tasks.start_soon(_stop_when_looked, service, patience)
        await service.run(partial(_show, service.board, manager))
        tasks.cancel_scope.cancel()


async def _obey(service: "Service", manager: "ServiceManager") -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async for number in signals:
            if number == signal.SIGHUP:
                manager.reloading()
                service.reload()
                manager.ready()
            elif service.wishes.to_stop:
                raise KeyboardInterrupt
            else:
                manager.stopping()
                service.wishes.stop()


async def _keep_alive(manager: "ServiceManager") -> None:
    """A loop that does not turn does not say that it lives."""
    while manager.watchdog is not None:
        manager.alive()
        await anyio.sleep(manager.watchdog / 3)


async def _show(board: "Board", manager: "ServiceManager") -> None:
    """After what was announced, which a person finds in the journal as well."""
    from torc_watch.interfaces.listing import sentence
    from torc_watch.interfaces.published import utc_now

    while True:
        await anyio.sleep(_STATUS_INTERVAL)
        manager.say(sentence(board.views, utc_now()))


async def _stop_when_looked(service: "Service", patience: float) -> None:
    changed = anyio.Event()

    def note(*_: object) -> None:
        changed.set()

    service.board.subscribe(note)
    with anyio.move_on_after(patience) as waiting:
        await service.wishes.poke().wait()
    while not waiting.cancelled_caught and not all(map(_was_looked_at, service.board.views)):
        changed = anyio.Event()
        await changed.wait()
    service.wishes.stop()


def _was_looked_at(view: "WorkflowView") -> bool:
    return bool(view.next_look or view.phase.value in ("ended", "paused"))
