"""The watches of the daemon: one task for each workflow that is to be watched.

A user's change takes effect after the round under way: the watch is canceled and restarted with
the new options. A workflow whose watch ended stays in the list with its verdict, until the user
gives another command for it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
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
    Action,
    Command,
    Removed,
    UnknownWorkflow,
    WatchedWorkflow,
    WatchState,
    apply_command,
)
from torc_watch.daemon.daemon_events import WorkflowEvent
from torc_watch.daemon.registry import Registry
from torc_watch.daemon.server_pool import OpenServer, ServerPool
from torc_watch.daemon.status_board import StatusBoard
from torc_watch.daemon.workflow_view import WorkflowView
from torc_watch.engine.messages import WatchRequest
from torc_watch.engine.supervisor import isolate_crashes
from torc_watch.torc.retry_policy import jittered_backoff

# What keeps one workflow from being watched, and may pass by itself or by a user's action.
_RETRYABLE = (ServerError, SchedulerError, WatchHeld, InvalidInput, RecordUnreadable, OSError)

Report = Callable[[WorkflowEvent, str], None]  # an event of a workflow, and its server


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchContext:
    """What the watches work with.

    ``request_for`` combines a workflow's options with the configuration. ``before_verdict`` is
    called before a verdict is stored: after a crash in between it is called again.
    """

    open_server: OpenServer
    request_for: Callable[[WatchedWorkflow], WatchRequest]
    board: StatusBoard
    report: Report
    before_verdict: Report = lambda _event, _server: None


class WatchManager:
    def __init__(self, tasks: TaskGroup, registry: Registry, context: WatchContext) -> None:
        self._tasks = tasks
        self._registry = registry
        self._request_for = context.request_for
        self._board = context.board
        self._report = context.report
        self._before_verdict = context.before_verdict
        self._servers = ServerPool(tasks, context.open_server)
        self._workflows = {workflow.key: workflow for workflow in registry.workflows()}
        self._watches: dict[WorkflowKey, anyio.CancelScope] = {}
        self._resumed: set[WorkflowKey] = set()
        self._all_ended = anyio.Event()

    @property
    def workflows(self) -> list[WatchedWorkflow]:
        return list(self._workflows.values())

    def start(self, previous_views: Iterable[WorkflowView] = ()) -> None:
        """``previous_views`` are those of the daemon before this one."""
        views = {view.key: view for view in previous_views}
        ended = [each for each in self._workflows.values() if each.state is WatchState.ENDED]
        self._registry.end_watches(ended)
        for key, workflow in self._workflows.items():
            self._board.show(workflow, views.get(key))
            self._update_watch(key)

    def apply(self, command: Command) -> None:
        """Applies a command and stores the result. Raises JournalError."""
        key, workflow_id, action = command.key, command.workflow_id, command.action
        before = self._workflows.get(key)
        result = apply_command(before, command)
        if isinstance(result, UnknownWorkflow):
            refused = daemon_events.CommandRefused(workflow_id=workflow_id, verb=action)
            self._report(refused, command.server)
            return
        if isinstance(result, Removed):
            self._registry.remove(key)
            del self._workflows[key]
            self._board.remove(key)
        else:
            if before and before.state is WatchState.ENDED and result.state is WatchState.WATCHED:
                # First: a crash in between repeats the command.
                self._registry.end_watches([before])
            self._save(result)
            if action is Action.RESUME and before and before.state is WatchState.WATCHED:
                self._resumed.add(key)  # a paused one waits for as long as without the pause
        applied = daemon_events.CommandApplied(workflow_id=workflow_id, verb=action)
        self._report(applied, command.server)
        self._update_watch(key)

    def restart(self) -> None:
        """Restarts every watch, on new connections: the configuration has changed."""
        self._servers.reopen()
        self._cancel_watches()

    async def stop(self) -> None:
        """Ends every watch, each after the round under way."""
        self._workflows.clear()
        self._cancel_watches()
        if self._watches:
            self._all_ended = anyio.Event()
            await self._all_ended.wait()

    def _cancel_watches(self) -> None:
        for scope in self._watches.values():
            scope.cancel()

    def _update_watch(self, key: WorkflowKey) -> None:
        """Cancels the workflow's watch, which then sees the change, or starts one."""
        if key in self._watches:
            self._watches[key].cancel()
        elif self._should_watch(key):
            self._watches[key] = anyio.CancelScope()
            self._tasks.start_soon(self._keep_watching, key)

    def _should_watch(self, key: WorkflowKey) -> bool:
        workflow = self._workflows.get(key)
        return workflow is not None and workflow.state is WatchState.WATCHED

    async def _keep_watching(self, key: WorkflowKey) -> None:
        try:
            while self._should_watch(key):
                workflow = self._workflows[key]
                with anyio.CancelScope() as self._watches[key]:
                    await self._watch(workflow)
        finally:
            del self._watches[key]
            ended = self._workflows.get(key)
            if ended is not None and ended.state is WatchState.PAUSED:
                self._board.show(ended)
            if not self._watches:
                self._all_ended.set()

    async def _watch(self, workflow: WatchedWorkflow) -> None:
        """Watches until there is a verdict, and stores it."""

        def report(event: WorkflowEvent) -> None:
            self._report(event, workflow.server)

        goes_at_once = workflow.key in self._resumed
        self._resumed.discard(workflow.key)
        attempt = partial(self._watch_with_retries, workflow, report, goes_at_once=goes_at_once)
        self._save_verdict(workflow, await isolate_crashes(workflow.workflow_id, attempt, report))

    async def _watch_with_retries(
        self,
        workflow: WatchedWorkflow,
        report: Callable[[WorkflowEvent], None],
        *,
        goes_at_once: bool,
    ) -> WatchEnded:
        """Watches until there is a verdict, with a delay after each failed attempt."""
        workflow_id = workflow.workflow_id
        failures = 0
        while True:
            try:
                async with self._servers.supervisor(workflow.server) as supervisor:
                    request = replace(self._request_for(workflow), goes_at_once=goes_at_once)
                    ended = await supervisor.watch(request, partial(self._save_verdict, workflow))
            except NotFound:
                reason = f"There is no workflow {workflow_id} on {workflow.server}."
                return WatchEnded.handed_over(workflow_id, reason)
            except _RETRYABLE as error:
                reason = str(error)
            else:
                if ended.verdict is not Verdict.UNREACHABLE:
                    return ended
                reason = ended.reason
            failures += 1
            delay = jittered_backoff(failures)
            report(events.WatchPostponed(workflow_id=workflow_id, reason=reason, retry_in=delay))
            await anyio.sleep(delay)

    def _save_verdict(self, workflow: WatchedWorkflow, ended: WatchEnded) -> bool:
        """Stores and reports the verdict; False if that was done, or a command changed it first."""
        is_current = self._workflows.get(workflow.key) is workflow
        if ended.verdict is Verdict.UNREACHABLE or not is_current:
            return False
        self._before_verdict(ended, workflow.server)
        verdict, reason = ended.verdict.label, ended.reason
        self._save(replace(workflow, state=WatchState.ENDED, verdict=verdict, reason=reason))
        self._report(ended, workflow.server)
        return True

    def _save(self, workflow: WatchedWorkflow) -> None:
        self._registry.save(workflow)
        self._workflows[workflow.key] = workflow
        self._board.show(workflow, is_watched=workflow.key in self._watches)
