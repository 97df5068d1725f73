"""What ends the wait of a watcher before its next poll is due."""

import anyio


class WakeUp:
    """Set by the listener, or after the answer to a plan; awaited by the watcher."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def set(self) -> None:
        self._event.set()

    def forget(self) -> None:
        """The poll that follows will see what has set it so far, perhaps our own changes."""
        self._event = anyio.Event()

    async def wait(self, seconds: float) -> bool:
        """Returns after ``seconds``, or at once, with True, when it was set since the last poll."""
        with anyio.move_on_after(seconds):
            await self._event.wait()
        return self._event.is_set()
