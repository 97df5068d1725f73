"""The watches of the daemon: one task for each workflow that it is to watch, for as long as it is.

What a person changes takes hold when the round under way is done: the watch is ended and begun
again as it then has to be. A workflow whose watch came to a verdict is kept, with that, until
somebody says more about it.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import anyio
from anyio.abc import TaskGroup

from torc_watch.core import events
from torc_watch.core.errors import (
    InvalidInput,
    NotFound,
    RecordUnreadable,
    SchedulerError,
    ServerError,
    WatchHeld,
)
from torc_watch.core.events import Verdict, WatchEnded
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon import daemon_events
from torc_watch.daemon.commands import (
    Command,
    Removed,
    UnknownWorkflow,
    WatchedWorkflow,
    WatchState,
    follow,
)
from torc_watch.daemon.daemon_events import WorkflowEvent
from torc_watch.daemon.registry import Registry
from torc_watch.daemon.server_pool import OpenServer, ServerPool
from torc_watch.daemon.status_board import StatusBoard
from torc_watch.daemon.workflow_view import WorkflowView
from torc_watch.engine.crash_guard import isolate_crashes
from torc_watch.engine.throttle import jittered_backoff
from torc_watch.engine.watch import WatchRequest

# What keeps one workflow from being watched, and may pass, or a person do something about it.
_PASSING = (ServerError, SchedulerError, WatchHeld, InvalidInput, RecordUnreadable, OSError)

Report = Callable[[WorkflowEvent, str], None]  # what happened to a workflow, and the server of that


class WatchManager:
    """``request_for`` is how an entry is to be watched, by its choices and the configuration."""

    def __init__(
        self,
        tasks: TaskGroup,
        registry: Registry,
        open_server: OpenServer,
        request_for: Callable[[WatchedWorkflow], WatchRequest],
        board: StatusBoard,
        report: Report,
    ) -> None:
        self._tasks = tasks
        self._registry = registry
        self._request_for = request_for
        self._board = board
        self._report = report
        self._servers = ServerPool(tasks, open_server)
        self._entries = {_key(entry): entry for entry in registry.entries()}
        self._watches: dict[WorkflowKey, anyio.CancelScope] = {}
        self._last_ended = anyio.Event()

    @property
    def entries(self) -> list[WatchedWorkflow]:
        return list(self._entries.values())

    def start(self, before: Iterable[WorkflowView] = ()) -> None:
        """``before`` is what the daemon before this one knew."""
        views = {(view.server, view.workflow_id): view for view in before}
        for key, entry in self._entries.items():
            self._board.show(entry, views.get(key))
            self._attend(key)

    def follow(self, order: Command) -> None:
        """Does what was ordered, and keeps it. Raises JournalError."""
        key = (order.server, order.workflow_id)
        after = follow(self._entries.get(key), order)
        if isinstance(after, UnknownWorkflow):
            refused = daemon_events.CommandRefused(workflow_id=order.workflow_id, verb=order.verb)
            self._report(refused, order.server)
            return
        if isinstance(after, Removed):
            self._registry.forget(*key)
            del self._entries[key]
            self._board.remove(key)
        else:
            self._keep(after)
        followed = daemon_events.CommandApplied(workflow_id=order.workflow_id, verb=order.verb)
        self._report(followed, order.server)
        self._attend(key)

    def restart(self) -> None:
        """Begins every watch again, on servers opened anew: how to watch has changed."""
        self._servers.renew()
        self._end_watches()

    async def stop(self) -> None:
        """Ends every watch, each after the round that it is in."""
        self._entries.clear()
        self._end_watches()
        if self._watches:
            self._last_ended = anyio.Event()
            await self._last_ended.wait()

    def _end_watches(self) -> None:
        for scope in self._watches.values():
            scope.cancel()

    def _attend(self, key: WorkflowKey) -> None:
        """Lets the workflow's task see what has changed, or starts one."""
        if key in self._watches:
            self._watches[key].cancel()
        elif self._is_to_be_watched(key):
            self._watches[key] = anyio.CancelScope()
            self._tasks.start_soon(self._look_after, key)

    def _is_to_be_watched(self, key: WorkflowKey) -> bool:
        entry = self._entries.get(key)
        return entry is not None and entry.condition is WatchState.WATCHED

    async def _look_after(self, key: WorkflowKey) -> None:
        try:
            while self._is_to_be_watched(key):
                entry = self._entries[key]
                with anyio.CancelScope() as self._watches[key]:
                    await self._watch(entry)
        finally:
            del self._watches[key]
            if not self._watches:
                self._last_ended.set()

    async def _watch(self, entry: WatchedWorkflow) -> None:
        """Watches until there is a verdict, and keeps that."""

        def report(event: WorkflowEvent) -> None:
            self._report(event, entry.server)

        attempt = partial(self._watch_patiently, entry, report)
        self._conclude(entry, await isolate_crashes(entry.workflow_id, attempt, report))

    async def _watch_patiently(
        self, entry: WatchedWorkflow, report: Callable[[WorkflowEvent], None]
    ) -> WatchEnded:
        """Watches to the verdict, however often it cannot be watched."""
        workflow_id = entry.workflow_id
        failures = 0
        while True:
            try:
                async with self._servers.supervisor(entry.server) as supervisor:
                    ended = await supervisor.watch(
                        self._request_for(entry), partial(self._conclude, entry)
                    )
            except NotFound:
                reason = f"There is no workflow {workflow_id} on {entry.server}."
                return WatchEnded(
                    workflow_id=workflow_id, verdict=Verdict.HANDED_OVER, reason=reason
                )
            except _PASSING as error:
                reason = str(error)
            else:
                if ended.verdict is not Verdict.UNREACHABLE:
                    return ended
                reason = ended.reason
            failures += 1
            delay = jittered_backoff(failures)
            report(events.WatchPostponed(workflow_id=workflow_id, reason=reason, retry_in=delay))
            await anyio.sleep(delay)

    def _conclude(self, entry: WatchedWorkflow, ended: WatchEnded) -> bool:
        """Keeps a verdict and reports it, unless that was done already, or a person was quicker."""
        is_current = self._entries.get(_key(entry)) is entry
        if ended.verdict is Verdict.UNREACHABLE or not is_current:
            return False
        self._keep(
            replace(
                entry, condition=WatchState.ENDED, verdict=ended.verdict.label, reason=ended.reason
            )
        )
        self._report(ended, entry.server)
        return True

    def _keep(self, entry: WatchedWorkflow) -> None:
        self._registry.keep(entry)
        self._entries[_key(entry)] = entry
        self._board.show(entry)


def _key(entry: WatchedWorkflow) -> WorkflowKey:
    return entry.server, entry.workflow_id
