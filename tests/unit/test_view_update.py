"""What is shown of a workflow, event by event."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from torc_watch.core import events
from torc_watch.core.events import Event, Verdict
from torc_watch.core.model import JobCounts, JobStatus
from torc_watch.daemon.commands import WatchedWorkflow, WatchOptions, WatchState
from torc_watch.daemon.view_update import first_view, view_after
from torc_watch.daemon.workflow_view import Phase, WorkflowView

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
VIEW = WorkflowView(server="s", workflow_id=42, phase=Phase.WATCHING, round=1, max_retries=3)
ENTRY = WatchedWorkflow(
    server="s", workflow_id=42, choices=WatchOptions(), condition=WatchState.WATCHED
)
SAID = "2026-01-01T12:00:00+00:00"
IN_A_MINUTE = "2026-01-01T12:01:00+00:00"
COUNTS = JobCounts({JobStatus.COMPLETED: 95, JobStatus.FAILED: 5, JobStatus.READY: 0})


@pytest.mark.parametrize(
    ("event", "changes"),
    [
        (
            events.WatchStarted(
                workflow_id=42,
                workflow_name="train",
                poll_interval=60,
                auto_recover=True,
                max_retries=5,
                show_job_counts=True,
                rounds_used=2,
            ),
            {"name": "train", "round": 2, "max_retries": 5},
        ),
        (
            events.RecoveryAttempted(workflow_id=42, number=2, max_retries=3),
            {"phase": Phase.RECOVERING, "round": 2},
        ),
        (
            events.RecoveryInitiated(workflow_id=42, number=2, resumes_watching=True),
            {"phase": Phase.WATCHING, "round": 2},
        ),
        (
            events.PollFailed(workflow_id=42, reason="Refused.", retry_in=60),
            {"phase": Phase.WAITING, "reason": "Refused.", "next_look": IN_A_MINUTE},
        ),
        (
            events.WatchPostponed(workflow_id=42, reason="Held.", retry_in=60),
            {"phase": Phase.WAITING, "reason": "Held.", "next_look": IN_A_MINUTE},
        ),
        (
            events.WatchEnded(workflow_id=42, verdict=Verdict.STUCK, reason="Nothing runs."),
            {"phase": Phase.ENDED, "verdict": "stuck", "reason": "Nothing runs."},
        ),
        (events.ResetStarted(workflow_id=42, jobs=5), {}),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else "",
)
def test_what_an_event_changes(event: Event, changes: dict[str, object]) -> None:
    expected = replace(VIEW, last_event=event.name, last_event_at=SAID, **changes)  # type: ignore[arg-type]
    assert view_after(VIEW, event, NOW) == expected


def test_who_waits_no_longer_has_no_reason_to() -> None:
    """As after a night without a server: the first look finds what is to be recovered."""
    waiting = replace(VIEW, phase=Phase.WAITING, reason="Refused.", next_look=IN_A_MINUTE)
    attempted = events.RecoveryAttempted(workflow_id=42, number=2, max_retries=3)

    view = view_after(waiting, attempted, NOW)

    assert (view.phase, view.reason, view.next_look) == (Phase.RECOVERING, "", "")


def test_routine_is_not_the_last_event() -> None:
    waiting = replace(VIEW, phase=Phase.WAITING, reason="Refused.", last_event="watch.look_failed")
    counted = view_after(waiting, events.JobsCounted(workflow_id=42, counts=COUNTS), NOW)
    looked = view_after(counted, events.Polled(workflow_id=42, next_in=60), NOW)

    expected = replace(
        waiting,
        phase=Phase.WATCHING,
        reason="",
        next_look=IN_A_MINUTE,
        counts={"completed": 95, "failed": 5},
    )
    assert looked == expected
    rested = view_after(looked, events.Polled(workflow_id=42, next_in=60, is_resting=True), NOW)
    assert rested == replace(expected, phase=Phase.RESTING)
    held_up = view_after(looked, events.PollDeferred(workflow_id=42, reason="Refused."), NOW)
    assert held_up == replace(expected, phase=Phase.WAITING, reason="Refused.", next_look="")


def test_that_a_watch_goes_on_is_not_the_last_event() -> None:
    recovered = replace(VIEW, last_event="recovery.initiated", last_event_at=SAID)
    started = events.WatchStarted(
        workflow_id=42, poll_interval=60, auto_recover=True, max_retries=3, show_job_counts=True
    )
    assert view_after(recovered, started, NOW).last_event == "recovery.initiated"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (ENTRY, replace(VIEW, phase=Phase.STARTING)),
        (replace(ENTRY, condition=WatchState.PAUSED), replace(VIEW, phase=Phase.PAUSED)),
        (
            replace(ENTRY, condition=WatchState.ENDED, verdict="stuck", reason="Nothing runs."),
            replace(VIEW, phase=Phase.ENDED, verdict="stuck", reason="Nothing runs."),
        ),
    ],
)
def test_a_changed_entry_keeps_what_was_seen(
    entry: WatchedWorkflow, expected: WorkflowView
) -> None:
    ended = replace(VIEW, verdict="exhausted", reason="Three rounds.", next_look=IN_A_MINUTE)
    assert first_view(entry, ended) == expected


def test_a_new_entry_is_starting() -> None:
    assert first_view(ENTRY) == WorkflowView(server="s", workflow_id=42)
