"""What the active daemon knows of each workflow at this moment, for those who show it.

It is in memory: other processes read status.json, or follow the daemon's socket.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.commands import WatchedWorkflow
from torc_watch.daemon.daemon_events import WorkflowEvent
from torc_watch.daemon.view_update import initial_view, is_routine, updated_view
from torc_watch.daemon.workflow_view import WorkflowView


class StatusBoard:
    """Listeners are called with the view's key, and whether showing the change can wait."""

    def __init__(self) -> None:
        self._views: dict[WorkflowKey, WorkflowView] = {}
        self._listeners: list[Callable[[WorkflowKey, bool], None]] = []

    @property
    def views(self) -> tuple[WorkflowView, ...]:
        return tuple(self._views.values())

    def view(self, key: WorkflowKey) -> WorkflowView | None:
        return self._views.get(key)

    def subscribe(self, on_change: Callable[[WorkflowKey, bool], None]) -> Callable[[], None]:
        """Returns a function that ends the subscription."""
        self._listeners.append(on_change)
        return lambda: self._listeners.remove(on_change)

    def show(self, workflow: WatchedWorkflow, previous: WorkflowView | None = None) -> None:
        """``previous`` is the view that the daemon before this one had of it."""
        key = workflow.key
        self._views[key] = initial_view(workflow, previous or self._views.get(key))
        self._notify(key, can_wait=False)

    def remove(self, key: WorkflowKey) -> None:
        self._views.pop(key, None)
        self._notify(key, can_wait=False)

    def clear(self) -> None:
        """For a daemon that is no longer active."""
        for key in list(self._views):
            self.remove(key)

    def update(self, event: WorkflowEvent, server: str) -> None:
        """Updates the view of a workflow on ``server``; ignores workflows that are not shown."""
        key = WorkflowKey(server, event.workflow_id)
        if key in self._views:
            self._views[key] = updated_view(self._views[key], event, datetime.now(UTC))
            self._notify(key, can_wait=is_routine(event))

    def _notify(self, key: WorkflowKey, *, can_wait: bool) -> None:
        for on_change in list(self._listeners):
            on_change(key, can_wait)
