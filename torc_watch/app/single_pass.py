"""run --once: ends the daemon when it has checked every workflow once."""

import anyio

from torc_watch.core.errors import JournalError, ServerUnreachable
from torc_watch.daemon.daemon import ControlRequests
from torc_watch.daemon.daemon_events import (
    DaemonEvent,
    LeaseHeldElsewhere,
    LeaseTaken,
    StateTrouble,
)
from torc_watch.daemon.status_board import StatusBoard
from torc_watch.daemon.workflow_view import Phase, WorkflowView
from torc_watch.host.processes import Liveness, this_space


class SinglePass:
    """Ends a daemon when it has checked every workflow that it knows.

    ``patience`` is how long it may stand by, or wait for its state folder, in seconds. It does not
    stand by for a daemon that lives on this machine.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._trouble = ""
        self._is_done_here = anyio.Event()
        self._seen: tuple[WorkflowView, ...] = ()

    def note(self, event: DaemonEvent) -> None:
        match event:
            case StateTrouble():
                self._trouble = event.reason
            case LeaseTaken():
                self._trouble = ""
            case LeaseHeldElsewhere(holder=holder):
                self._trouble = ""
                if holder and holder.liveness(seen_from=this_space()) is Liveness.ALIVE:
                    self._is_done_here.set()

    async def run(self, board: StatusBoard, requests: ControlRequests) -> None:
        is_active = requests.poke()
        with anyio.move_on_after(self._patience):
            await _first_of(is_active, self._is_done_here)
        if is_active.is_set():
            await _until_checked(board)
        self._seen = board.views
        requests.stop()

    def check(self) -> None:
        """Raises JournalError or ServerUnreachable if a workflow could not be checked."""
        if self._trouble:
            raise JournalError(self._trouble)
        waiting = (view for view in self._seen if view.phase is Phase.WAITING)
        left = [view for view in waiting if not view.waits_until and not view.proposal]
        if left:
            first = f"Workflow {left[0].workflow_id} of {left[0].server}: {left[0].reason}"
            numbers = f"{len(left)} of {len(self._seen)}"
            raise ServerUnreachable(f"Workflows that could not be checked: {numbers}. {first}")


async def _first_of(*events: anyio.Event) -> None:
    async with anyio.create_task_group() as tasks:

        async def wait(event: anyio.Event) -> None:
            await event.wait()
            tasks.cancel_scope.cancel()

        for event in events:
            tasks.start_soon(wait, event)


async def _until_checked(board: StatusBoard) -> None:
    changed = anyio.Event()

    def note(*_: object) -> None:
        changed.set()

    board.subscribe(note)
    while not all(map(_is_checked, board.views)):
        changed = anyio.Event()
        await changed.wait()


def _is_checked(view: WorkflowView) -> bool:
    """Or could not be. A resting workflow is polled again before its state is certain."""
    if view.phase is Phase.WATCHING:
        return bool(view.next_look)
    return view.phase in (Phase.WAITING, Phase.PAUSED, Phase.ENDED)
