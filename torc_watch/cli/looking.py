"""run --once: until every workflow was looked at, and what to say of those that were not."""

from typing import TYPE_CHECKING

import anyio

from torc_watch.core.errors import JournalError, ServerUnreachable
from torc_watch.daemon.daemon_events import LeaseHeldElsewhere, LeaseTaken, StateTrouble
from torc_watch.daemon.workflow_view import Phase

if TYPE_CHECKING:
    from torc_watch.daemon.daemon import ControlRequests
    from torc_watch.daemon.daemon_events import DaemonEvent
    from torc_watch.daemon.status_board import StatusBoard
    from torc_watch.daemon.workflow_view import WorkflowView


class OneLook:
    """Ends a daemon when it has looked at all that it knows.

    ``patience`` is for how many seconds it may stand by, or wait for its state folder.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._trouble = ""
        self._seen: tuple[WorkflowView, ...] = ()

    def note(self, event: "DaemonEvent") -> None:
        match event:
            case StateTrouble():
                self._trouble = event.reason
            case LeaseTaken() | LeaseHeldElsewhere():
                self._trouble = ""

    async def run(self, board: "StatusBoard", requests: "ControlRequests") -> None:
        with anyio.move_on_after(self._patience) as waiting:
            await requests.poke().wait()
        if not waiting.cancelled_caught:
            await _until_looked_at(board)
        self._seen = board.views
        requests.stop()

    def check(self) -> None:
        """Raises JournalError or ServerUnreachable where it could not look."""
        if self._trouble:
            raise JournalError(self._trouble)
        left = [view for view in self._seen if view.phase is Phase.WAITING]
        if left:
            first = f"Workflow {left[0].workflow_id} of {left[0].server}: {left[0].reason}"
            numbers = f"{len(left)} of {len(self._seen)}"
            raise ServerUnreachable(f"Workflows that could not be looked at: {numbers}. {first}")


async def _until_looked_at(board: "StatusBoard") -> None:
    changed = anyio.Event()

    def note(*_: object) -> None:
        changed.set()

    board.subscribe(note)
    while not all(map(_was_looked_at, board.views)):
        changed = anyio.Event()
        await changed.wait()


def _was_looked_at(view: "WorkflowView") -> bool:
    """Or that was tried. One that rests is looked at again when it is known what that means."""
    if view.phase is Phase.WATCHING:
        return bool(view.next_look)
    return view.phase in (Phase.WAITING, Phase.PAUSED, Phase.ENDED)
