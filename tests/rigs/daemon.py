"""A daemon on a site, in virtual time, with everything that it reports."""

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio

from torc_watch.core.units import MIB
from torc_watch.daemon.commands import Action, Command, WatchedWorkflow, WatchState
from torc_watch.daemon.daemon import ControlRequests, Daemon, DaemonContext, Intervals
from torc_watch.daemon.daemon_events import DaemonEvent, WorkflowEvent
from torc_watch.daemon.fence import Fence, FencedScheduler
from torc_watch.daemon.lease import Lease, this_holder
from torc_watch.daemon.lease_rules import Holder
from torc_watch.daemon.registry import Registry
from torc_watch.daemon.spool import Spool
from torc_watch.daemon.status_board import StatusBoard
from torc_watch.daemon.workflow_view import WorkflowView
from torc_watch.engine.messages import WatchRequest
from torc_watch.engine.supervisor import Supervisor, open_supervisor

if TYPE_CHECKING:
    from tests.conftest import Site

T = TypeVar("T")

SERVER = f"http://test-{os.getpid()}/torc-service/v1"
OOM = (137, 64 * MIB, 10.0)
PATIENCE = 180.0
ME = this_holder(PATIENCE)
ELSEWHERE = replace(ME, host="login02", boot="another")


@dataclass
class DaemonRig:
    """A daemon on a login node. ``connections`` has each opening and closing of the server.

    A test replaces ``spool`` and ``open_registry`` where they are to fail, and ``before_verdict``
    where something is to happen then.
    """

    site: "Site"
    holder: Holder
    requests: ControlRequests = field(default_factory=ControlRequests)
    reported: list[WorkflowEvent | DaemonEvent] = field(default_factory=list)
    board: StatusBoard = field(default_factory=StatusBoard)
    previous_views: tuple[WorkflowView, ...] = ()
    last_views: tuple[WorkflowView, ...] = ()
    connections: list[str] = field(default_factory=list)
    before_verdict: Callable[[WorkflowEvent, str], None] = lambda _event, _server: None

    def __post_init__(self) -> None:
        self.home = self.site.directory
        self.lease = Lease(self.home / "lease", self.holder)
        self.fence = Fence(self.lease)
        self.spool = Spool(self.home / "spool")
        self.open_registry: Callable[[str], Registry] = self.real_registry

    @property
    def journal(self) -> Path:
        return self.home / "journal.db"

    def real_registry(self, lease: str) -> Registry:
        return Registry(self.journal, lease)

    async def run(self) -> None:
        context = DaemonContext(
            lease=self.lease,
            fence=self.fence,
            spool=self.spool,
            journal=self.journal,
            open_registry=self.open_registry,
            open_server=self.open_server,
            request_for=self.request_for,
            board=self.board,
            report=self.report,
            before_verdict=self.before_verdict,
            announce=self.reported.append,
            previous_views=lambda: self.previous_views,
            on_stopped=self.record_last_views,
        )
        await Daemon(context, self.requests, Intervals()).run()

    @asynccontextmanager
    async def open_server(self, server: str) -> AsyncIterator[Supervisor]:
        assert server == SERVER
        scheduler = FencedScheduler(self.site.scheduler, self.fence)
        opened = self.site.context(scheduler, self.fence.check, self.lease.name)
        async with opened as context, open_supervisor(context) as supervisor:
            self.connections.append("opened")
            yield supervisor
            self.connections.append("closed")

    def request_for(self, workflow: WatchedWorkflow) -> WatchRequest:
        return self.site.request(workflow.workflow_id)

    def report(self, event: WorkflowEvent, server: str) -> None:
        self.reported.append(event)
        self.board.update(event, server)

    async def record_last_views(self) -> None:
        self.last_views = self.board.views

    def send(self, action: Action, workflow_id: int = 1) -> None:
        self.spool.put(Command(action=action, server=SERVER, workflow_id=workflow_id))

    def write_spool_file(self, name: str, content: str) -> Path:
        path = self.home / "spool" / "incoming" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def take_over(self) -> None:
        """As a daemon on another login node that takes over, and is never seen again."""
        (self.home / "lease" / "2").write_text(json.dumps(asdict(ELSEWHERE)))

    def events(self, kind: type[T]) -> list[T]:
        return [event for event in self.reported if isinstance(event, kind)]

    def workflows(self) -> list[WatchedWorkflow]:
        registry = Registry(self.journal)
        try:
            return registry.workflows()
        finally:
            registry.close()

    async def until(self, condition: Callable[[], bool], seconds: float = 5000) -> None:
        with anyio.fail_after(seconds):
            while not condition():  # noqa: ASYNC110 - in virtual time it costs nothing
                await anyio.sleep(1)

    async def until_event(self, kind: type[WorkflowEvent | DaemonEvent]) -> None:
        await self.until(lambda: bool(self.events(kind)))

    async def until_ended(self, *workflow_ids: int) -> None:
        await self.until(lambda: self._ended() == list(workflow_ids))

    def _ended(self) -> list[int]:
        return [
            workflow.workflow_id
            for workflow in self.workflows()
            if workflow.state is WatchState.ENDED
        ]


@asynccontextmanager
async def running(*daemons: DaemonRig) -> AsyncIterator[None]:
    """They are stopped in order at the end."""
    async with anyio.create_task_group() as tasks:
        for daemon in daemons:
            tasks.start_soon(daemon.run)
        yield
        for daemon in daemons:
            daemon.requests.stop()


@asynccontextmanager
async def killed_at_the_end(daemon: DaemonRig) -> AsyncIterator[None]:
    """It does not release its lease."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(daemon.run)
        yield
        tasks.cancel_scope.cancel()
