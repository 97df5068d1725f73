"""The daemon: on standby until it holds the lease, then it carries out the users' commands.

The holder of the lease reads the spool and the registry, watches the workflows, and proves by its
heartbeat that it is alive. After a takeover it drops all work at once, as if it were killed: the
journal makes that safe, and the successor continues. While the state folder cannot be read or
written, as after a ticket has expired, it waits and retries.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread
from anyio.lowlevel import checkpoint

from torc_watch.core.errors import JournalBusy, JournalCorrupt, JournalError, LeaseLost
from torc_watch.core.os_errors import describe_os_error
from torc_watch.daemon import daemon_events
from torc_watch.daemon.daemon_events import DaemonEvent
from torc_watch.daemon.fence import Fence
from torc_watch.daemon.lease import Lease
from torc_watch.daemon.lease_rules import Holder
from torc_watch.daemon.registry import Registry
from torc_watch.daemon.spool import InvalidFile, PendingCommand, Spool
from torc_watch.daemon.watch_manager import WatchContext, WatchManager
from torc_watch.daemon.workflow_view import WorkflowView
from torc_watch.engine.database import check_integrity, set_damaged_aside
from torc_watch.engine.supervisor import innermost
from torc_watch.host.processes import Liveness, this_space
from torc_watch.torc.retry_policy import jittered_backoff

_STABLE = 60.0  # seconds without trouble, after which the backoff starts again


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """Seconds between heartbeats, between looks of a daemon on standby at a holder's process on the
    same machine, and between polls of the spool; how long a stop may take."""

    heartbeat: float = 30.0
    process_check: float = 2.0
    spool_poll: float = 5.0
    shutdown_grace: float = 60.0


class ControlRequests:
    """Requests to the running daemon: to stop, to read the spool now, to restart all watches."""

    def __init__(self) -> None:
        self._received = anyio.Event()
        self._pokes: list[anyio.Event] = []
        self._reload_requested = False
        self.stop_requested = False

    def poke(self) -> anyio.Event:
        """There are commands in the spool. The returned event is set when they are applied."""
        self._pokes.append(anyio.Event())
        self._received.set()
        return self._pokes[-1]

    def take_pokes(self) -> list[anyio.Event]:
        pokes, self._pokes = self._pokes, []
        return pokes

    def reload(self) -> None:
        """The configuration has changed."""
        self._reload_requested = True
        self._received.set()

    def take_reload(self) -> bool:
        requested, self._reload_requested = self._reload_requested, False
        return requested

    def stop(self) -> None:
        self.stop_requested = True
        self._received.set()

    async def wait(self, seconds: float) -> None:
        """Returns after ``seconds``, or at once if there was a request since the last call.

        After a request to stop it never waits again.
        """
        with anyio.move_on_after(seconds):
            await self._received.wait()
        if not self.stop_requested:
            self._received = anyio.Event()


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonContext(WatchContext):
    """What the daemon works with. Only the holder of the lease opens the journal.

    ``open_registry`` claims the journal for the lease of that name. ``background`` tasks run while
    the daemon is active, ``in_trouble`` tasks while it waits for its state folder. ``on_stopped``
    is called when all watches have ended in order; ``previous_views`` returns what the daemon
    before this one published.
    """

    lease: Lease
    fence: Fence
    spool: Spool
    journal: Path
    open_registry: Callable[[str], Registry]
    announce: Callable[[DaemonEvent], None]
    background: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()
    in_trouble: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()
    on_stopped: Callable[[], Awaitable[object]] = checkpoint
    previous_views: Callable[[], Iterable[WorkflowView]] = tuple


class Daemon:
    def __init__(
        self, context: DaemonContext, requests: ControlRequests, intervals: Intervals
    ) -> None:
        self._context = context
        self._requests = requests
        self._intervals = intervals
        self._failures = 0
        self._resumed_at = float("-inf")

    async def run(self) -> None:
        """Returns after a request to stop."""
        while not self._requests.stop_requested:
            try:
                if await self._acquire_lease():
                    await self._run_with_lease()
            except LeaseLost:
                self._context.announce(daemon_events.LeaseGone())
            except (JournalError, OSError) as error:
                await self._back_off(error)

    async def _acquire_lease(self) -> bool:
        """Waits for the lease. False after a request to stop. Raises OSError."""
        lease = self._context.lease
        announced = None
        while not self._requests.stop_requested:
            if await to_thread.run_sync(lease.acquire, anyio.current_time()):
                return True
            held = daemon_events.LeaseHeldElsewhere(holder=await to_thread.run_sync(lease.holder))
            if held != announced:
                announced = held
                self._context.announce(held)
            await self._stand_by(held.holder)
        return False

    async def _stand_by(self, holder: Holder | None) -> None:
        """For a heartbeat; not longer than a holder on this machine lives."""
        until = anyio.current_time() + self._intervals.heartbeat
        here = this_space()
        while not self._requests.stop_requested and anyio.current_time() < until:
            is_here = holder is not None and holder.space == here
            interval = self._intervals.process_check if is_here else self._intervals.heartbeat
            await self._requests.wait(min(interval, until - anyio.current_time()))
            if holder is not None and holder.liveness(seen_from=here) is Liveness.GONE:
                return

    async def _run_with_lease(self) -> None:
        """Until a request to stop, after which it releases the lease. Raises as `_run_active`."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._send_heartbeats)
                while not self._requests.stop_requested:
                    await self._run_until_journal_trouble()
                tasks.cancel_scope.cancel()
        except ExceptionGroup as group:
            raise innermost(group) from group
        await to_thread.run_sync(self._context.lease.release)

    async def _send_heartbeats(self) -> None:
        """First beat after one interval: a daemon that keeps failing at start-up must let its lease
        expire."""
        while True:
            await anyio.sleep(self._intervals.heartbeat)
            await self._context.fence.check()

    async def _run_until_journal_trouble(self) -> None:
        """Keeps the lease if the journal is locked or damaged: no other daemon could do better."""
        try:
            await self._run_active()
        except JournalBusy as error:
            await self._back_off(error)
        except JournalCorrupt as error:
            await self._set_journal_aside(error)

    async def _run_active(self) -> None:
        """Until a request to stop. Raises LeaseLost, JournalError and OSError."""
        context = self._context
        await to_thread.run_sync(check_integrity, context.journal)
        with closing(context.open_registry(context.lease.name)) as registry:
            await context.fence.check()  # it may have taken long to get here
            await to_thread.run_sync(context.spool.close_to_others)
            previous_views = await to_thread.run_sync(context.previous_views)
            try:
                async with anyio.create_task_group() as tasks:
                    for task in context.background:
                        tasks.start_soon(task)
                    manager = WatchManager(tasks, registry, context)
                    manager.start(previous_views)
                    context.announce(daemon_events.LeaseTaken(workflows=len(manager.workflows)))
                    await self._process_requests(manager)
                    await self._stop(manager)
                    tasks.cancel_scope.cancel()
            except ExceptionGroup as group:
                raise innermost(group) from group
            finally:
                context.board.clear()

    async def _stop(self, manager: WatchManager) -> None:
        with anyio.move_on_after(self._intervals.shutdown_grace):
            await manager.stop()
        await self._context.on_stopped()

    async def _process_requests(self, manager: WatchManager) -> None:
        """Until a request to stop."""
        while not self._requests.stop_requested:
            pokes = self._requests.take_pokes()
            await self._process_spool(manager)
            for poke in pokes:
                poke.set()
            await self._requests.wait(self._intervals.spool_poll)
            if self._requests.take_reload():
                manager.restart()

    async def _process_spool(self, manager: WatchManager) -> None:
        spool = self._context.spool
        for pending in await to_thread.run_sync(spool.pending):
            # After a takeover the successor may have applied this command, and later ones.
            await self._context.fence.check()
            match pending:
                case PendingCommand():
                    manager.apply(pending.command)
                    await to_thread.run_sync(spool.acknowledge, pending)
                case InvalidFile():
                    await self._reject(pending)

    async def _reject(self, invalid: InvalidFile) -> None:
        kept = await to_thread.run_sync(self._context.spool.reject, invalid)
        rejected = daemon_events.CommandUnreadable(problem=invalid.problem, kept=str(kept))
        self._context.announce(rejected)

    async def _set_journal_aside(self, error: JournalCorrupt) -> None:
        await self._context.fence.check()  # after a takeover it is the successor's, and repaired
        kept = await to_thread.run_sync(set_damaged_aside, self._context.journal)
        self._context.announce(daemon_events.StateSetAside(problem=str(error), kept=str(kept)))

    async def _back_off(self, error: Exception) -> None:
        if anyio.current_time() - self._resumed_at > _STABLE:
            self._failures = 0
        self._failures += 1
        delay = jittered_backoff(self._failures)
        trouble = daemon_events.StateTrouble(reason=self._describe(error), retry_in=delay)
        self._context.announce(trouble)
        async with anyio.create_task_group() as tasks:
            for task in self._context.in_trouble:
                tasks.start_soon(task)
            await self._requests.wait(delay)
            tasks.cancel_scope.cancel()
        self._resumed_at = anyio.current_time()

    def _describe(self, error: Exception) -> str:
        if isinstance(error, OSError) and not isinstance(error, JournalError):
            return (
                f"{error.filename or 'The state folder'} cannot be used: {describe_os_error(error)}"
            )
        previous = self._context.lease.predecessor
        if previous is None or not isinstance(error, JournalBusy):
            return str(error)
        return f"{error} Process {previous.pid} on {previous.host} held the lease before."
