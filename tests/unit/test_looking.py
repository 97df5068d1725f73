"""run --once: when it has looked at everything, and what it says where it could not."""

from collections.abc import Sequence
from dataclasses import replace

import anyio
import pytest

from torc_watch.cli.looking import OneLook
from torc_watch.core import events
from torc_watch.core.errors import JournalError, ServerUnreachable, TorcWatchError
from torc_watch.core.events import Event, Verdict, WatchEnded
from torc_watch.daemon import daemon_events
from torc_watch.daemon.commands import WatchedWorkflow, WatchOptions, WatchState
from torc_watch.daemon.daemon import ControlRequests
from torc_watch.daemon.status_board import StatusBoard

pytestmark = pytest.mark.looptime

PATIENCE = 270.0
ENTRY = WatchedWorkflow(server="s", workflow_id=1, options=WatchOptions(), state=WatchState.WATCHED)
ENTRIES = (
    ENTRY,
    replace(ENTRY, workflow_id=2),
    replace(ENTRY, workflow_id=3, state=WatchState.PAUSED),
)
STARTED = events.WatchStarted(
    workflow_id=1, poll_interval=60, auto_recover=True, max_retries=3, show_job_counts=True
)
LOOKED = events.Looked(workflow_id=1, next_in=60)
RESTING = replace(LOOKED, is_resting=True)
AWAY = events.WatchPostponed(workflow_id=1, reason="Refused.", retry_in=1)
OTHER = replace(LOOKED, workflow_id=2)
ROUND = [
    events.RecoveryAttempted(workflow_id=1, number=1, max_retries=3),
    events.RecoveryInitiated(workflow_id=1, number=1, resumes_watching=True),
    STARTED,
    LOOKED,
]
STUCK = WatchEnded(workflow_id=1, verdict=Verdict.STUCK)
TROUBLE = daemon_events.StateTrouble(reason="The ticket has expired.", retry_in=1)


@pytest.mark.parametrize(
    ("happening", "refusal"),
    [
        ([STARTED, LOOKED], None),
        ([STARTED, *ROUND], None),
        ([STARTED, RESTING, *ROUND], None),
        ([STARTED, RESTING, STUCK], None),
        ([AWAY], "could not be looked at: 1 of 3. Workflow 1 of s: Refused."),
        ([STARTED, RESTING, AWAY], "Workflow 1"),
    ],
)
async def test_it_ends_with_the_last_look(happening: Sequence[Event], refusal: str | None) -> None:
    board, requests, look = StatusBoard(), ControlRequests(), OneLook(PATIENCE)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(look.run, board, requests)
        await anyio.sleep(1)
        act(board, requests)
        board.update(OTHER, "s")
        for event in happening:
            await anyio.sleep(1000)
            assert not requests.stop_requested
            board.update(event, "s")

    assert requests.stop_requested
    check(look, ServerUnreachable, refusal)


def act(board: StatusBoard, requests: ControlRequests) -> None:
    for entry in ENTRIES:
        board.show(entry)
    for poke in requests.take_pokes():
        poke.set()


def check(look: OneLook, kind: type[TorcWatchError], refusal: str | None) -> None:
    if refusal is None:
        look.check()
    else:
        with pytest.raises(kind, match=refusal):
            look.check()


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        ([], None),
        ([daemon_events.LeaseHeldElsewhere(holder=None)], None),
        ([TROUBLE], "The ticket has expired."),
        ([TROUBLE, daemon_events.LeaseHeldElsewhere(holder=None)], None),
    ],
)
async def test_it_does_not_wait_for_ever_to_act(
    said: Sequence[daemon_events.DaemonEvent], refusal: str | None
) -> None:
    board, requests, look = StatusBoard(), ControlRequests(), OneLook(PATIENCE)
    for event in said:
        look.note(event)

    await look.run(board, requests)

    assert requests.stop_requested
    assert anyio.current_time() == pytest.approx(PATIENCE, abs=1)
    check(look, JournalError, refusal)


@pytest.mark.parametrize(
    ("said", "refusal"),
    [(TROUBLE, "The ticket has expired."), (daemon_events.LeaseGone(), None)],
)
async def test_who_no_longer_acts_ends(
    said: daemon_events.DaemonEvent, refusal: str | None
) -> None:
    board, requests, look = StatusBoard(), ControlRequests(), OneLook(PATIENCE)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(look.run, board, requests)
        await anyio.sleep(1)
        act(board, requests)
        board.clear()
        await anyio.sleep(1)
        look.note(said)

    assert requests.stop_requested
    check(look, JournalError, refusal)
