"""What the active daemon knows of each workflow at this moment, made from the events.

It is in memory: other processes read status.json, or follow the daemon's socket.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from torc_watch.core import events
from torc_watch.core.model import JobCounts
from torc_watch.core.waiting_plan import WaitingPlan
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.commands import WatchedWorkflow, WatchState
from torc_watch.daemon.daemon_events import WorkflowEvent
from torc_watch.daemon.workflow_view import AllocationsView, Phase, WorkflowView

_PHASES = {
    WatchState.WATCHED: Phase.STARTING,
    WatchState.PAUSED: Phase.PAUSED,
    WatchState.ENDED: Phase.ENDED,
    WatchState.UNREADABLE: Phase.WAITING,
}
_MAX_DETAIL = 300  # characters of a scheduler's reason
_ROUTINE = (events.Polled, events.PollDeferred, events.JobsCounted, events.AllocationsCounted)


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

    def show(
        self,
        workflow: WatchedWorkflow,
        previous: WorkflowView | None = None,
        *,
        is_watched: bool = False,
    ) -> None:
        """``previous`` is the view that the daemon before this one had of it.

        Of a workflow that ended since, its counts are older: it was killed before it showed more.
        ``is_watched``: its watch goes on, perhaps only until the end of a round.
        """
        key = workflow.key
        if previous and workflow.state is WatchState.ENDED and previous.phase is not Phase.ENDED:
            previous = replace(previous, counts=None)
        before = previous or self._views.get(key)
        view = initial_view(workflow, before)
        if is_watched and before and before.phase is Phase.RECOVERING:
            view = _after_this_round(view)
        self._views[key] = view
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


def initial_view(workflow: WatchedWorkflow, previous: WorkflowView | None = None) -> WorkflowView:
    """Of a workflow that was added or changed; the facts in the previous view stay."""
    view = previous or WorkflowView(server=workflow.server, workflow_id=workflow.workflow_id)
    return replace(
        view,
        phase=_PHASES[workflow.state],
        verdict=workflow.verdict,
        reason=workflow.reason,
        next_look="",
        waits_until="",
        allocations=view.allocations if workflow.state is WatchState.WATCHED else None,
        proposal=None,
    )


def _after_this_round(view: WorkflowView) -> WorkflowView:
    """What the user asked for meanwhile takes effect later."""
    if view.phase is not Phase.PAUSED:
        return view
    return replace(view, phase=Phase.RECOVERING, reason="It is paused when this round has ended.")


def updated_view(view: WorkflowView, event: WorkflowEvent, at: datetime) -> WorkflowView:
    view = replace(view, **_changes(event, at))
    resumes = isinstance(event, events.WatchStarted) and view.last_event
    if resumes or is_routine(event):
        return view
    return replace(view, last_event=event.name, last_event_at=_text(at))


def is_routine(event: WorkflowEvent) -> bool:
    """Whether it reports nothing new."""
    return isinstance(event, _ROUTINE)


def _changes(event: WorkflowEvent, at: datetime) -> dict[str, Any]:
    changes = (
        _counts(event)
        or _plan_that_waits(event, at)
        or _retries_that_wait(event, at)
        or _other_changes(event, at)
    )
    if "reason" in changes:
        changes.setdefault("waits_until", "")
        changes.setdefault("proposal", None)
    return changes


def _counts(event: WorkflowEvent) -> dict[str, Any]:
    match event:
        case events.JobsCounted(counts=counts):
            return {"counts": _plain(counts)}
        case events.AllocationsCounted():
            return {"allocations": _allocations(event)}
        case _:
            return {}


def _plan_that_waits(event: WorkflowEvent, at: datetime) -> dict[str, Any]:
    match event:
        case events.Polled(waiting=WaitingPlan() as plan, next_in=seconds):
            return _awaiting(plan) | {"next_look": _text(at, seconds)}
        case (
            events.PlanProposed(waiting=plan, rounds_used=rounds)
            | events.ApprovalAwaited(waiting=plan, rounds_used=rounds)
        ):
            return _awaiting(plan) | {"round": rounds, "next_look": ""}
        case _:
            return {}


def _awaiting(plan: WaitingPlan) -> dict[str, Any]:
    return {"phase": Phase.WAITING, "reason": plan.phrase, "proposal": plan}


def _retries_that_wait(event: WorkflowEvent, at: datetime) -> dict[str, Any]:
    match event:
        case events.Polled(waits_until=datetime() as until, waits_for=reason, next_in=seconds):
            return _waiting(reason, until) | {"next_look": _text(at, seconds)}
        case events.RetryPostponed(reason=reason, until=until, rounds_used=rounds):
            return _waiting(reason, until) | {"round": rounds, "next_look": ""}
        case _:
            return {}


def _waiting(reason: str, until: datetime) -> dict[str, Any]:
    return {"phase": Phase.WAITING, "reason": reason, "waits_until": _text(until)}


def _other_changes(event: WorkflowEvent, at: datetime) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    match event:
        case events.WatchStarted(workflow_name=name, rounds_used=rounds, max_retries=limit):
            changes = {"name": name, "phase": Phase.WATCHING, "reason": ""}
            changes |= {"round": rounds, "max_retries": limit, "in_place_off": ""}
        case events.InPlaceOff(reason=reason):
            return {"in_place_off": reason}
        case events.Polled(next_in=seconds, is_resting=is_resting):
            changes = {"phase": Phase.RESTING if is_resting else Phase.WATCHING}
            changes |= {"reason": "", "next_look": _text(at, seconds)}
        case events.RecoveryAttempted(number=number):
            changes = {"phase": Phase.RECOVERING, "round": number}
            changes |= {"reason": "", "next_look": ""}
        case events.RecoveryContinued():
            changes = {"phase": Phase.RECOVERING, "reason": "", "next_look": ""}
        case events.RecoveryInitiated():
            changes = {"phase": Phase.WATCHING}
        case events.PollDeferred(reason=reason):
            changes = {"phase": Phase.WAITING, "reason": reason, "next_look": ""}
        case (
            events.PollFailed(reason=reason, retry_in=seconds)
            | events.WatchPostponed(reason=reason, retry_in=seconds)
        ):
            changes = {"phase": Phase.WAITING, "reason": reason, "next_look": _text(at, seconds)}
        case events.WatchEnded(verdict=verdict, reason=reason, rounds_used=rounds):
            changes = {"phase": Phase.ENDED, "verdict": verdict.label, "reason": reason}
            changes["allocations"] = None
            changes["next_look"] = ""  # the last round may have been announced in vain
            changes |= {} if rounds is None else {"round": rounds}
        case _:
            pass
    return changes


def _allocations(counted: events.AllocationsCounted) -> AllocationsView:
    return AllocationsView(
        running=counted.running,
        queued=counted.queued,
        unclear=counted.unclear,
        details=tuple(detail[:_MAX_DETAIL] for detail in counted.details),
    )


def _plain(counts: JobCounts) -> dict[str, int]:
    return {status.value: number for status, number in counts.by_status.items() if number}


def _text(moment: datetime, seconds_later: float = 0) -> str:
    return (moment + timedelta(seconds=seconds_later)).isoformat(timespec="seconds")
