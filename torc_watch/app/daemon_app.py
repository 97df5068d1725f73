"""Puts the daemon together: lease, spool, registry, servers, status file and socket."""

import os
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from torc_watch.app.composition import cluster_of, open_schedulers, rules
from torc_watch.app.foreground_watch import request_for
from torc_watch.app.metrics_desk import MetricsDesk
from torc_watch.app.news_desk import NewsDesk
from torc_watch.config.settings import Settings
from torc_watch.config.sources import files_as_found
from torc_watch.core.errors import ConfigurationAway, InvalidInput, JournalError
from torc_watch.daemon.commands import WatchedWorkflow
from torc_watch.daemon.daemon import ControlRequests, Daemon, DaemonContext, Intervals
from torc_watch.daemon.daemon_events import (
    ConfigurationRead,
    ControlMissing,
    DaemonEvent,
    LeaseTaken,
    StateTrouble,
    StopRequested,
    WorkflowEvent,
)
from torc_watch.daemon.fence import Fence, FencedScheduler
from torc_watch.daemon.lease import Lease, this_holder
from torc_watch.daemon.news_sender import NewsSender
from torc_watch.daemon.registry import Registry
from torc_watch.daemon.retention import prune
from torc_watch.daemon.spool import Spool
from torc_watch.daemon.status_board import StatusBoard
from torc_watch.daemon.status_file import read_status
from torc_watch.daemon.status_writer import StatusWriter
from torc_watch.daemon.workflow_view import WorkflowView
from torc_watch.engine.job_outputs import JobOutputs
from torc_watch.engine.journal import Journal
from torc_watch.engine.messages import EngineContext, WatchRequest
from torc_watch.engine.supervisor import Supervisor, open_supervisor
from torc_watch.ipc.socket_paths import is_anyone_at, socket_paths
from torc_watch.ipc.socket_server import ControlServer
from torc_watch.render.news_text import message_of
from torc_watch.schedulers.cluster import Cluster
from torc_watch.torc.client import TorcClient
from torc_watch.torc.transport import Transport

_BEATS = 6  # heartbeats in the time after which a silent holder loses the lease
_FIXED = ("home", "lease_patience")  # settings that only a restart changes
_PRUNE_INTERVAL = 24 * 3600.0  # seconds
_CONFIGURATION_INTERVAL = 10.0  # seconds between looks at its files
_FLUSH_LIMIT = 30.0  # seconds for news at the end of a single pass
_SOCKET_RETRY_INTERVAL = 30.0  # seconds, after a socket could not be bound


class DaemonApp:
    """The daemon of one state folder, as `torc-watchd run` runs it.

    ``load`` reads the configuration again and raises as `settings.load_settings` does; ``report``
    gets the events of workflows, ``announce`` those of the daemon. ``patience`` is how long a
    server may be unreachable before a watch is postponed, in seconds; with None each watch retries
    without end.
    """

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Settings],
        report: Callable[[WorkflowEvent, str], None],
        announce: Callable[[DaemonEvent], None],
        patience: float | None = None,
    ) -> None:
        self._settings = settings
        self._load = load
        self._report = report
        self._announce_to_user = announce
        self._trouble = ""
        self._files = files_as_found()
        self._patience = patience
        self._rules = rules()
        self._lease = Lease(
            self._settings.home / "lease", this_holder(self._settings.lease_patience)
        )
        self._fence = Fence(self._lease)
        self._cluster: tuple[int | None, Cluster] | None = None  # and for which epoch
        self.board = StatusBoard()
        self._status_writer = StatusWriter(
            self._settings.home / "status.json", self.board, self._lease.me
        )
        self.requests = ControlRequests()
        self._sender = NewsSender(
            self._journal, lambda: self._lease.name, message_of, self._announce
        )
        self._news = NewsDesk(lambda: self._settings, self.board, self._sender)
        self._metrics = MetricsDesk(lambda: self._settings, self.board, self._lease, self._announce)

    async def run(self, show_status: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Until it is told to stop; ``show_status`` runs while this daemon is the active one."""
        home = self._settings.home
        context = DaemonContext(
            lease=self._lease,
            fence=self._fence,
            spool=Spool(home / "spool"),
            journal=self._journal,
            open_registry=partial(Registry, self._journal),
            open_server=self._open_server,
            request_for=self._request_for,
            board=self.board,
            report=self._on_workflow_event,
            before_verdict=self._news.note_verdict,
            announce=self._announce,
            background=(
                self._status_writer.run,
                self._listen,
                self._prune,
                self._follow_configuration,
                self._sender.run,
                self._metrics.run,
                show_status,
            ),
            in_trouble=(self._listen_in_trouble,),
            on_stopped=self._on_stopped,
            previous_views=self._previous_views,
        )
        intervals = Intervals(heartbeat=self._settings.lease_patience / _BEATS)
        await Daemon(context, self.requests, intervals).run()

    async def _follow_configuration(self) -> None:
        """Reads it again when a file has changed, appeared or gone since it was read."""
        while True:
            await anyio.sleep(_CONFIGURATION_INTERVAL)
            if await to_thread.run_sync(files_as_found) != self._files:
                self.reload()

    def _announce(self, event: DaemonEvent) -> None:
        match event:
            case StateTrouble():
                self._trouble = event.reason
            case LeaseTaken():
                self._trouble = ""
                self._news.note_takeover(self._lease.name, self._lease.predecessor, self._lease.me)
        self._metrics.count_of_daemon(event)
        self._announce_to_user(event)

    def stop(self, why: str) -> None:
        self._announce(StopRequested(signal=why))
        self.requests.stop()

    def reload(self) -> None:
        """Reads the configuration again; an invalid one changes nothing."""
        self._files = files_as_found()
        try:
            loaded, loaded_rules = self._load(), rules()
        except (InvalidInput, ConfigurationAway) as error:
            self._announce(ConfigurationRead(problem=str(error)))
            return
        for name in _FIXED:
            if getattr(loaded, name) != getattr(self._settings, name):
                problem = f"{name} has changed: restart torc-watchd for that."
                self._announce(ConfigurationRead(problem=problem))
                return
        self._settings, self._rules = loaded, loaded_rules
        self._news.reconfigure()
        self._cluster = None  # the next server to be opened makes it, as it is configured now
        self._announce(ConfigurationRead())
        self.requests.reload()

    @property
    def _journal(self) -> Path:
        return self._settings.home / "journal.db"

    def _previous_views(self) -> Sequence[WorkflowView]:
        """Those in status.json; none if another version of torc-watchd wrote it."""
        with suppress(JournalError):
            if view := read_status(self._settings.home):
                return view.workflows
        return ()

    def _request_for(self, workflow: WatchedWorkflow) -> WatchRequest:
        return replace(request_for(workflow, self._settings), patience=self._patience)

    def _on_workflow_event(self, event: WorkflowEvent, server: str) -> None:
        self.board.update(event, server)
        self._metrics.count(event, server)
        self._report(event, server)
        self._news.note(event, server)

    async def _on_stopped(self) -> None:
        if self._patience is not None:  # no daemon goes on that would send it
            await self._sender.flush(_FLUSH_LIMIT)
        await self._metrics.write_last()
        await self._status_writer.write()

    def _shared_cluster(self) -> Cluster:
        """The one of all servers. Raises InvalidInput when its workers' program is not there.

        A new lease begins with a new one: another daemon may have submitted in between.
        """
        if self._cluster is None or self._cluster[0] != self._lease.epoch:
            schedulers = open_schedulers(self._settings)
            fenced = [FencedScheduler(each, self._fence) for each in schedulers]
            cluster = cluster_of(fenced, self._settings)
            self._cluster = self._lease.epoch, cluster
        return self._cluster[1]

    @asynccontextmanager
    async def _open_server(self, server: str) -> AsyncIterator[Supervisor]:
        connection = self._settings.connection(server)
        cluster = self._shared_cluster()
        async with Transport(connection, before_change=self._fence.check) as transport:
            client = await TorcClient.connect(transport)
            with closing(Journal(self._journal, self._lease.name)) as journal:
                context = EngineContext(
                    client=client,
                    cluster=cluster,
                    journal=journal,
                    locks=self._settings.home / "locks",
                    outputs=JobOutputs(lambda: self._rules),
                    report=lambda event: self._on_workflow_event(event, server),
                    epoch=self._lease.epoch,
                    before_change=self._fence.check,
                )
                async with open_supervisor(context) as supervisor:
                    yield supervisor

    async def _poke(self) -> None:
        await self.requests.poke().wait()
        await self._status_writer.write()  # the user may run `list` at once

    async def _prune(self) -> None:
        while True:
            with suppress(JournalError, OSError):  # the next run repeats it
                await to_thread.run_sync(
                    prune, self._settings.home, datetime.now(UTC), self._lease.name
                )
            await anyio.sleep(_PRUNE_INTERVAL)

    async def _listen_in_trouble(self) -> None:
        """Unless another daemon listens here already: this one may be on standby."""
        paths = socket_paths(self._settings.home, os.environ)
        if self._lease.epoch is not None or not await to_thread.run_sync(is_anyone_at, paths):
            await self._listen()

    async def _listen(self) -> None:
        """Also after the folder for sockets vanished, as with the user's last login session."""
        announced = ""
        while True:
            reason = await self._serve_clients()
            if reason and reason != announced:
                self._announce(ControlMissing(reason=reason))
            announced = reason
            await anyio.sleep(_SOCKET_RETRY_INTERVAL if reason else 0)

    def _describe_trouble(self) -> str:
        return self._trouble or self._status_writer.problem

    async def _serve_clients(self) -> str:
        """The reason why it cannot; empty when it ended because the socket file was removed."""
        reason = ""
        for path in socket_paths(self._settings.home, os.environ):
            try:
                await ControlServer(self.board, self._poke, self._describe_trouble).serve(path)
            except (InvalidInput, OSError) as error:
                reason = str(error)
            else:
                return ""
        return reason
