"""Hints that it may be worth looking before the poll interval is over.

A worker that leaves is what a workflow's end, and a stall, begin with; it is rare, so that looking
at once costs the server nothing. Everything else waits for its poll, which stays the truth.
"""

from contextlib import aclosing, suppress

import anyio

from torc_watch.core.errors import NotFound, RequestRejected
from torc_watch.torc.event_stream import stream_event_types
from torc_watch.torc.retry_policy import stream_policy
from torc_watch.torc.transport import Transport

_WORTH_A_LOOK = frozenset({"compute_node_stopped", "workflow_reinitialized", "workflow_started"})


class WakeUp:
    """Set by the listener, awaited by the watcher."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def set(self) -> None:
        self._event.set()

    def forget(self) -> None:
        """What was hinted at so far, perhaps by what we did ourselves, is about to be seen."""
        self._event = anyio.Event()

    async def wait(self, seconds: float) -> None:
        """Returns after ``seconds``, or at once when there was a hint since the last look."""
        with anyio.move_on_after(seconds):
            await self._event.wait()


async def listen(transport: Transport, workflow_id: int, wake_up: WakeUp) -> None:
    """Listens until canceled; returns when the server has no event stream.

    Other errors are retried. The watcher meets them at its polls too, and reports them there.
    """
    with suppress(NotFound, RequestRejected):
        async for attempt in stream_policy():
            with attempt:
                async with aclosing(stream_event_types(transport, workflow_id)) as events:
                    async for event in events:
                        attempt.retry_state.attempt_number = 1  # the stream works: a fresh backoff
                        if event in _WORTH_A_LOOK:
                            wake_up.set()
