"""How events change what the daemon shows of a workflow."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from torc_watch.core import events
from torc_watch.core.events import Event, Verdict
from torc_watch.core.model import JobCounts, JobStatus
from torc_watch.daemon.commands import WatchedWorkflow, WatchOptions, WatchState
from torc_watch.daemon.status_board import StatusBoard, initial_view, updated_view
from torc_watch.daemon.workflow_view import AllocationsView, Phase, WorkflowView

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
VIEW = WorkflowView(server="s", workflow_id=42, phase=Phase.WATCHING, round=1, max_retries=3)
WORKFLOW = WatchedWorkflow(
    server="s", workflow_id=42, options=WatchOptions(), state=WatchState.WATCHED
)
REPORTED = "2026-01-01T12:00:00+00:00"
IN_A_MINUTE = "2026-01-01T12:01:00+00:00"
MINUTE = timedelta(minutes=1)
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
            {"phase": Phase.WATCHING},
        ),
        (
            events.WatchEnded(workflow_id=42, verdict=Verdict.HANDED_OVER, rounds_used=0),
            {"phase": Phase.ENDED, "verdict": "handed_over", "round": 0},
        ),
        (
            events.PollFailed(workflow_id=42, reason="Refused.", retry_in=60),
            {"phase": Phase.WAITING, "reason": "Refused.", "next_look": IN_A_MINUTE},
        ),
        (
            events.RetryPostponed(
                workflow_id=42, until=NOW + MINUTE, reason="to run 1 job again", rounds_used=0
            ),
            {
                "phase": Phase.WAITING,
                "reason": "to run 1 job again",
                "waits_until": IN_A_MINUTE,
                "round": 0,
            },
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
        (
            events.InPlaceOff(workflow_id=42, reason="plans wait for approval"),
            {"in_place_off": "plans wait for approval"},
        ),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else "",
)
def test_event_changes_the_view(event: Event, changes: dict[str, object]) -> None:
    expected = replace(VIEW, last_event=event.name, last_event_at=REPORTED, **changes)  # type: ignore[arg-type]
    assert updated_view(VIEW, event, NOW) == expected


def test_reason_to_wait_is_cleared_when_a_round_starts() -> None:
    """The first poll after an outage may start a round."""
    waiting = replace(VIEW, phase=Phase.WAITING, reason="Refused.", next_look=IN_A_MINUTE)
    attempted = events.RecoveryAttempted(workflow_id=42, number=2, max_retries=3)

    view = updated_view(waiting, attempted, NOW)

    assert (view.phase, view.reason, view.next_look) == (Phase.RECOVERING, "", "")


def test_wait_is_shown_as_long_as_it_lasts() -> None:
    until = NOW + MINUTE
    polled = events.Polled(
        workflow_id=42, next_in=60, is_resting=True, waits_until=until, waits_for="to run"
    )
    waiting = updated_view(VIEW, polled, NOW)
    assert waiting == replace(
        VIEW,
        phase=Phase.WAITING,
        reason="to run",
        waits_until=IN_A_MINUTE,
        next_look=IN_A_MINUTE,
    )

    failed = updated_view(
        waiting, events.PollFailed(workflow_id=42, reason="Refused.", retry_in=60), NOW
    )
    assert (failed.reason, failed.waits_until) == ("Refused.", "")

    restarted = initial_view(WORKFLOW, waiting)
    assert (restarted.phase, restarted.reason, restarted.waits_until) == (Phase.STARTING, "", "")


def test_routine_event_is_not_the_last_event() -> None:
    waiting = replace(VIEW, phase=Phase.WAITING, reason="Refused.", last_event="watch.look_failed")
    counted = updated_view(waiting, events.JobsCounted(workflow_id=42, counts=COUNTS), NOW)
    event = events.Polled(workflow_id=42, next_in=60)
    polled = updated_view(counted, event, NOW)

    expected = replace(
        waiting,
        phase=Phase.WATCHING,
        reason="",
        next_look=IN_A_MINUTE,
        counts={"completed": 95, "failed": 5},
    )
    assert polled == expected
    rested = updated_view(polled, replace(event, is_resting=True), NOW)
    assert rested == replace(expected, phase=Phase.RESTING)
    held_up = updated_view(polled, events.PollDeferred(workflow_id=42, reason="Refused."), NOW)
    assert held_up == replace(expected, phase=Phase.WAITING, reason="Refused.", next_look="")


def test_allocations_are_shown_while_the_workflow_is_watched() -> None:
    counted = events.AllocationsCounted(
        workflow_id=42, running=1, queued=2, unclear=0, details=("is held " + 400 * "x",)
    )
    seen = updated_view(VIEW, counted, NOW)
    shown = AllocationsView(running=1, queued=2, details=(("is held " + 400 * "x")[:300],))
    assert seen == replace(VIEW, allocations=shown)
    assert initial_view(WORKFLOW, seen).allocations == shown
    assert initial_view(replace(WORKFLOW, state=WatchState.PAUSED), seen).allocations is None
    ended = events.WatchEnded(workflow_id=42, verdict=Verdict.SUCCEEDED)
    assert updated_view(seen, ended, NOW).allocations is None


def test_resumed_watch_is_not_the_last_event() -> None:
    recovered = replace(VIEW, last_event="recovery.initiated", last_event_at=REPORTED)
    started = events.WatchStarted(
        workflow_id=42, poll_interval=60, auto_recover=True, max_retries=3, show_job_counts=True
    )
    assert updated_view(recovered, started, NOW).last_event == "recovery.initiated"


@pytest.mark.parametrize(
    ("workflow", "expected"),
    [
        (WORKFLOW, replace(VIEW, phase=Phase.STARTING)),
        (replace(WORKFLOW, state=WatchState.PAUSED), replace(VIEW, phase=Phase.PAUSED)),
        (
            replace(WORKFLOW, state=WatchState.ENDED, verdict="stuck", reason="Nothing runs."),
            replace(VIEW, phase=Phase.ENDED, verdict="stuck", reason="Nothing runs."),
        ),
    ],
)
def test_changed_workflow_keeps_its_round_and_counts(
    workflow: WatchedWorkflow, expected: WorkflowView
) -> None:
    ended = replace(VIEW, verdict="exhausted", reason="Three rounds.", next_look=IN_A_MINUTE)
    assert initial_view(workflow, ended) == expected


def test_new_workflow_is_starting() -> None:
    assert initial_view(WORKFLOW) == WorkflowView(server="s", workflow_id=42)


def test_a_round_goes_on_when_its_workflow_is_paused() -> None:
    board = StatusBoard()
    board.show(WORKFLOW)
    board.update(events.RecoveryAttempted(workflow_id=42, number=1, max_retries=3), "s")
    paused = replace(WORKFLOW, state=WatchState.PAUSED)

    board.show(paused, is_watched=True)
    (during,) = board.views
    board.show(paused)
    (after,) = board.views

    assert (during.phase, during.reason) == (
        Phase.RECOVERING,
        "It is paused when this round has ended.",
    )
    assert (after.phase, after.reason) == (Phase.PAUSED, "")
