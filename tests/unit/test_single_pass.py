"""`run --once`: when every workflow is checked, and the error for those that could not be."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import anyio
import pytest

from tests.rigs.daemon import ELSEWHERE, ME
from torc_watch.app.single_pass import SinglePass
from torc_watch.core import events
from torc_watch.core.errors import JournalError, ServerUnreachable, TorcWatchError
from torc_watch.core.events import Event, Verdict, WatchEnded
from torc_watch.daemon import daemon_events
from torc_watch.daemon.commands import WatchedWorkflow, WatchOptions, WatchState
from torc_watch.daemon.daemon import ControlRequests
from torc_watch.daemon.status_board import StatusBoard

pytestmark = pytest.mark.looptime

TIMEOUT = 270.0
WORKFLOW = WatchedWorkflow(
    server="s", workflow_id=1, options=WatchOptions(), state=WatchState.WATCHED
)
WORKFLOWS = (
    WORKFLOW,
    replace(WORKFLOW, workflow_id=2),
    replace(WORKFLOW, workflow_id=3, state=WatchState.PAUSED),
)
STARTED = events.WatchStarted(
    workflow_id=1, poll_interval=60, auto_recover=True, max_retries=3, show_job_counts=True
)
POLLED = events.Polled(workflow_id=1, next_in=60)
RESTING = replace(POLLED, is_resting=True)
UNREACHABLE = events.WatchPostponed(workflow_id=1, reason="Refused.", retry_in=1)
WAITING = events.RetryPostponed(
    workflow_id=1, until=datetime(2026, 1, 1, tzinfo=UTC), reason="to run", rounds_used=0
)
OTHER = replace(POLLED, workflow_id=2)
ROUND = [
    events.RecoveryAttempted(workflow_id=1, number=1, max_retries=3),
    events.RecoveryInitiated(workflow_id=1, number=1, resumes_watching=True),
    STARTED,
    POLLED,
]
STUCK = WatchEnded(workflow_id=1, verdict=Verdict.STUCK)
TROUBLE = daemon_events.StateTrouble(reason="The ticket has expired.", retry_in=1)


@pytest.mark.parametrize(
    ("happened", "refusal"),
    [
        ([STARTED, POLLED], None),
        ([STARTED, *ROUND], None),
        ([STARTED, RESTING, *ROUND], None),
        ([STARTED, RESTING, STUCK], None),
        ([STARTED, RESTING, *ROUND[:1], WAITING], None),
        ([UNREACHABLE], "could not be checked: 1 of 3. Workflow 1 of s: Refused."),
        ([STARTED, RESTING, UNREACHABLE], "Workflow 1"),
    ],
)
async def test_daemon_stops_after_the_last_workflow_was_checked(
    happened: Sequence[Event], refusal: str | None
) -> None:
    board, requests, single_pass = StatusBoard(), ControlRequests(), SinglePass(TIMEOUT)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(single_pass.run, board, requests)
        await anyio.sleep(1)
        activate(board, requests)
        board.update(OTHER, "s")
        for event in happened:
            await anyio.sleep(1000)
            assert not requests.stop_requested
            board.update(event, "s")

    assert requests.stop_requested
    check(single_pass, ServerUnreachable, refusal)


def activate(board: StatusBoard, requests: ControlRequests) -> None:
    for workflow in WORKFLOWS:
        board.show(workflow)
    for poke in requests.take_pokes():
        poke.set()


def check(single_pass: SinglePass, kind: type[TorcWatchError], refusal: str | None) -> None:
    if refusal is None:
        single_pass.check()
    else:
        with pytest.raises(kind, match=refusal):
            single_pass.check()


@pytest.mark.parametrize(
    ("announced", "refusal"),
    [
        ([], None),
        ([daemon_events.LeaseHeldElsewhere(holder=None)], None),
        ([daemon_events.LeaseHeldElsewhere(holder=ELSEWHERE)], None),
        ([TROUBLE], "The ticket has expired."),
        ([TROUBLE, daemon_events.LeaseHeldElsewhere(holder=None)], None),
    ],
)
async def test_standby_or_missing_state_folder_ends_after_the_timeout(
    announced: Sequence[daemon_events.DaemonEvent], refusal: str | None
) -> None:
    board, requests, single_pass = StatusBoard(), ControlRequests(), SinglePass(TIMEOUT)
    for event in announced:
        single_pass.note(event)

    await single_pass.run(board, requests)

    assert requests.stop_requested
    assert anyio.current_time() == pytest.approx(TIMEOUT, abs=1)
    check(single_pass, JournalError, refusal)


async def test_daemon_that_lives_here_is_not_waited_for() -> None:
    """Each minute cron would start one more that waits."""
    board, requests, single_pass = StatusBoard(), ControlRequests(), SinglePass(TIMEOUT)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(single_pass.run, board, requests)
        await anyio.sleep(1)
        single_pass.note(daemon_events.LeaseHeldElsewhere(holder=ME))

    assert requests.stop_requested
    assert anyio.current_time() == pytest.approx(1, abs=1)
    single_pass.check()


@pytest.mark.parametrize(
    ("announced", "refusal"),
    [(TROUBLE, "The ticket has expired."), (daemon_events.LeaseGone(), None)],
)
async def test_daemon_that_lost_the_lease_stops(
    announced: daemon_events.DaemonEvent, refusal: str | None
) -> None:
    board, requests, single_pass = StatusBoard(), ControlRequests(), SinglePass(TIMEOUT)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(single_pass.run, board, requests)
        await anyio.sleep(1)
        activate(board, requests)
        board.clear()
        await anyio.sleep(1)
        single_pass.note(announced)

    assert requests.stop_requested
    check(single_pass, JournalError, refusal)
