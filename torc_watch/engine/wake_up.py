"""What ends the wait of a watcher before its next poll is due."""

from enum import IntEnum

import anyio


class Wake(IntEnum):
    """Why a watcher polls; the highest of several counts."""

    DUE = 0  # nothing has happened
    FAILURE = 1  # a job failed: others may follow at once
    CHANGE = 2


class WakeUp:
    """Set by the listener, or after the answer to a plan; awaited by the watcher."""

    def __init__(self) -> None:
        self._event = anyio.Event()
        self._reason = Wake.DUE

    def set(self, reason: Wake = Wake.CHANGE) -> None:
        self._reason = max(self._reason, reason)
        self._event.set()

    def forget(self) -> None:
        """The poll that follows will see what has set it so far, perhaps our own changes."""
        self._event = anyio.Event()
        self._reason = Wake.DUE

    async def wait(self, seconds: float) -> Wake:
        """Returns after ``seconds``, or at once when it was set since the last poll."""
        with anyio.move_on_after(seconds):
            await self._event.wait()
        return self._reason

    async def settle(self, *, quiet: float, at_most: float) -> Wake:
        """Returns when it was not set for ``quiet`` seconds, or after ``at_most``."""
        with anyio.move_on_after(at_most):
            while self._event.is_set():
                self._event = anyio.Event()
                with anyio.move_on_after(quiet):
                    await self._event.wait()
        return self._reason
