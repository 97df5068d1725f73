"""The daemon's life: it stands by until the lease is its own, and then does what it was asked.

Whoever holds the lease reads the spool and the registry, watches, and shows by its heartbeat that
it lives. When another has taken over, everything is dropped where it stands, as by a kill: the
journal knows how to go on, and the other one does. A state folder that cannot be read or written
for a while, as when a ticket has expired, is waited for.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from torc_watch.core.errors import JournalBusy, JournalCorrupt, JournalError, LeaseLost
from torc_watch.core.os_errors import describe_os_error
from torc_watch.daemon import daemon_events
from torc_watch.daemon.commands import WatchedWorkflow
from torc_watch.daemon.daemon_events import DaemonEvent
from torc_watch.daemon.fence import Fence
from torc_watch.daemon.lease import Lease
from torc_watch.daemon.registry import Registry
from torc_watch.daemon.server_pool import OpenServer
from torc_watch.daemon.spool import Spool
from torc_watch.daemon.status_board import StatusBoard
from torc_watch.daemon.watch_manager import Report, WatchManager
from torc_watch.daemon.workflow_view import WorkflowView
from torc_watch.engine.crash_guard import innermost
from torc_watch.engine.database import check_integrity, set_damaged_aside
from torc_watch.engine.throttle import jittered_backoff
from torc_watch.engine.watch import WatchRequest

_WELL = 60.0  # seconds after which trouble with the state folder is new trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """Seconds between heartbeats, between looks into the spool, and for rounds to end at a stop."""

    heartbeat: float = 30.0
    intake: float = 5.0
    farewell: float = 60.0


class ControlRequests:
    """What is asked of the running daemon from outside: to stop, to look at once, to begin anew."""

    def __init__(self) -> None:
        self._came = anyio.Event()
        self._pokes: list[anyio.Event] = []
        self._to_reload = False
        self.to_stop = False

    def poke(self) -> anyio.Event:
        """Something waits in the spool. What is returned is set when that has been taken in."""
        self._pokes.append(anyio.Event())
        self._came.set()
        return self._pokes[-1]

    def take_pokes(self) -> list[anyio.Event]:
        pokes, self._pokes = self._pokes, []
        return pokes

    def reload(self) -> None:
        """The configuration has changed."""
        self._to_reload = True
        self._came.set()

    def stop(self) -> None:
        self.to_stop = True
        self._came.set()

    def take_reload(self) -> bool:
        wished, self._to_reload = self._to_reload, False
        return wished

    async def wait(self, seconds: float) -> None:
        """Returns after ``seconds``, or at once when something was wished for since the last time.

        After a wish to stop it never waits again.
        """
        with anyio.move_on_after(seconds):
            await self._came.wait()
        if not self.to_stop:
            self._came = anyio.Event()


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonContext:
    """What the daemon works with. The journal is opened by whoever holds the lease, and no other.

    ``request_for`` is how an entry is to be watched, by its choices and the configuration;
    ``beside`` runs for as long as we act, and ``at_the_end`` when all watches have ended in order;
    ``known_before`` are the workflows as the daemon before this one showed them.
    """

    lease: Lease
    fence: Fence
    spool: Spool
    journal: Path
    open_server: OpenServer
    request_for: Callable[[WatchedWorkflow], WatchRequest]
    board: StatusBoard
    report: Report
    announce: Callable[[DaemonEvent], None]
    beside: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()
    at_the_end: Callable[[], Awaitable[object]] = checkpoint
    known_before: Callable[[], Iterable[WorkflowView]] = tuple


class Daemon:
    def __init__(self, means: DaemonContext, wishes: ControlRequests, rhythm: Intervals) -> None:
        self._means = means
        self._wishes = wishes
        self._rhythm = rhythm
        self._failures = 0
        self._resumed_at = float("-inf")

    async def run(self) -> None:
        """Returns when it was wished to stop."""
        while not self._wishes.to_stop:
            try:
                if await self._acquired():
                    await self._hold()
            except LeaseLost:
                self._means.announce(daemon_events.LeaseGone())
            except (JournalError, OSError) as error:
                await self._wait_out(error)

    async def _acquired(self) -> bool:
        """Waits until the lease is ours. False when it was wished to stop first. Raises OSError."""
        lease = self._means.lease
        told = None
        while not self._wishes.to_stop:
            if await to_thread.run_sync(lease.acquire, anyio.current_time()):
                return True
            held = daemon_events.LeaseHeldElsewhere(holder=await to_thread.run_sync(lease.holder))
            if held != told:
                told = held
                self._means.announce(held)
            await self._wishes.wait(self._rhythm.heartbeat)
        return False

    async def _hold(self) -> None:
        """Lives with the lease, and gives it back when it was wished to stop. Raises as `_act`."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._beat)
                while not self._wishes.to_stop:
                    await self._act_or_wait()
                tasks.cancel_scope.cancel()
        except ExceptionGroup as group:
            raise innermost(group) from group
        await to_thread.run_sync(self._means.lease.release)

    async def _act_or_wait(self) -> None:
        """Nobody else can do better with a journal that is locked or damaged: the lease is kept."""
        try:
            await self._act()
        except JournalBusy as error:
            await self._wait_out(error)
        except JournalCorrupt as error:
            await self._set_aside(error)

    async def _act(self) -> None:
        """Returns when it was wished to stop. Raises LeaseLost, JournalError and OSError."""
        await to_thread.run_sync(check_integrity, self._means.journal)
        with closing(Registry(self._means.journal, self._means.lease.name)) as registry:
            await self._means.fence.check()  # it may have taken long to get here
            before = await to_thread.run_sync(self._means.known_before)
            try:
                async with anyio.create_task_group() as tasks:
                    for work in self._means.beside:
                        tasks.start_soon(work)
                    keeper = self._keeper(tasks, registry)
                    keeper.start(before)
                    self._means.announce(daemon_events.LeaseTaken(workflows=len(keeper.entries)))
                    await self._follow_orders(keeper)
                    with anyio.move_on_after(self._rhythm.farewell):
                        await keeper.stop()
                    await self._means.at_the_end()
                    tasks.cancel_scope.cancel()
            except ExceptionGroup as group:
                raise innermost(group) from group
            finally:
                self._means.board.clear()

    def _keeper(self, tasks: TaskGroup, registry: Registry) -> WatchManager:
        means = self._means
        return WatchManager(
            tasks, registry, means.open_server, means.request_for, means.board, means.report
        )

    async def _beat(self) -> None:
        """Not at once: who only ever fails at the start gives way to another node in the end."""
        while True:
            await anyio.sleep(self._rhythm.heartbeat)
            await self._means.fence.check()

    async def _follow_orders(self, keeper: WatchManager) -> None:
        while not self._wishes.to_stop:
            pokes = self._wishes.take_pokes()
            await self._take_in(keeper)
            for poke in pokes:
                poke.set()
            await self._wishes.wait(self._rhythm.intake)
            if self._wishes.take_reload():
                keeper.restart()

    async def _take_in(self, keeper: WatchManager) -> None:
        spool = self._means.spool
        for delivery in await to_thread.run_sync(spool.deliveries):
            await self._means.fence.check()  # another may have followed it, and later ones, too
            if isinstance(delivery.content, str):
                kept = await to_thread.run_sync(spool.set_aside, delivery)
                self._means.announce(
                    daemon_events.CommandUnreadable(problem=delivery.content, kept=str(kept))
                )
            else:
                keeper.follow(delivery.content)
                await to_thread.run_sync(spool.take_in, delivery)

    async def _set_aside(self, error: JournalCorrupt) -> None:
        await self._means.fence.check()  # by now it may be another's, and whole
        kept = await to_thread.run_sync(set_damaged_aside, self._means.journal)
        self._means.announce(daemon_events.StateSetAside(problem=str(error), kept=str(kept)))

    async def _wait_out(self, error: Exception) -> None:
        if anyio.current_time() - self._resumed_at > _WELL:
            self._failures = 0
        self._failures += 1
        delay = jittered_backoff(self._failures)
        self._means.announce(daemon_events.StateTrouble(reason=self._words(error), retry_in=delay))
        await self._wishes.wait(delay)
        self._resumed_at = anyio.current_time()

    def _words(self, error: Exception) -> str:
        if isinstance(error, OSError):
            return f"{error.filename or 'The state folder'}: {describe_os_error(error)}"
        before = self._means.lease.predecessor
        if before is None or not isinstance(error, JournalBusy):
            return str(error)
        return f"{error} Process {before.pid} on {before.host} held the lease before us."
