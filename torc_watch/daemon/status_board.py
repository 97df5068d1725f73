"""What the daemon knows of each workflow at this moment, for those who want to show it.

Kept by whoever acts; others read what is published of it.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.commands import WatchedWorkflow
from torc_watch.daemon.daemon_events import WorkflowEvent
from torc_watch.daemon.view_update import first_view, is_routine, view_after
from torc_watch.daemon.workflow_view import WorkflowView


class StatusBoard:
    """``on_change`` is called with the view's key, and whether it can wait to be shown."""

    def __init__(self) -> None:
        self._views: dict[WorkflowKey, WorkflowView] = {}
        self._listeners: list[Callable[[WorkflowKey, bool], None]] = []

    @property
    def views(self) -> tuple[WorkflowView, ...]:
        return tuple(self._views.values())

    def view(self, key: WorkflowKey) -> WorkflowView | None:
        return self._views.get(key)

    def subscribe(self, on_change: Callable[[WorkflowKey, bool], None]) -> Callable[[], None]:
        """Returns what ends the subscription."""
        self._listeners.append(on_change)
        return lambda: self._listeners.remove(on_change)

    def show(self, entry: WatchedWorkflow, before: WorkflowView | None = None) -> None:
        """``before`` is what another daemon knew of it."""
        key = (entry.server, entry.workflow_id)
        self._views[key] = first_view(entry, before or self._views.get(key))
        self._tell(key, can_wait=False)

    def remove(self, key: WorkflowKey) -> None:
        self._views.pop(key, None)
        self._tell(key, can_wait=False)

    def clear(self) -> None:
        """Nothing is known any more: another daemon acts."""
        for key in list(self._views):
            self.remove(key)

    def note(self, event: WorkflowEvent, server: str) -> None:
        """What happened to a workflow of ``server``; one that is not shown passes by."""
        key = (server, event.workflow_id)
        if key in self._views:
            self._views[key] = view_after(self._views[key], event, datetime.now(UTC))
            self._tell(key, can_wait=is_routine(event))

    def _tell(self, key: WorkflowKey, *, can_wait: bool) -> None:
        for on_change in list(self._listeners):
            on_change(key, can_wait)
