"""Live events for current subscribers: events are not stored, numbered or sent again."""

import json
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import asdict

import anyio

from torc_watch.sandbox.server.api_request import ServerEvent, Severity

BUFFER = 512
_ORDER: tuple[Severity, ...] = ("debug", "info", "warning", "error")


class Subscriber:
    """One stream. Its buffer holds the events of all workflows and drops the oldest when full."""

    def __init__(self) -> None:
        self._buffer: deque[ServerEvent] = deque(maxlen=BUFFER)
        self._dropped = 0
        self._changed = anyio.Event()
        self._closed = False

    def put(self, event: ServerEvent) -> None:
        if len(self._buffer) == BUFFER:
            self._dropped += 1
        self._buffer.append(event)
        self._changed.set()

    def close(self) -> None:
        self._closed = True
        self._changed.set()

    async def frames(self, workflow_id: int, level: Severity) -> AsyncGenerator[str, None]:
        """Server-sent events of a workflow, at ``level`` or above, until ``close``."""
        while True:
            if self._dropped:
                yield f'event: warning\ndata: {{"dropped": {self._dropped}}}\n\n'
                self._dropped = 0
            while self._buffer:
                event = self._buffer.popleft()
                if event.workflow_id == workflow_id and _is_at_least(event, level):
                    yield _frame(event)
            if self._closed:
                return
            await self._changed.wait()
            self._changed = anyio.Event()


class EventBroadcaster:
    def __init__(self) -> None:
        self._subscribers: set[Subscriber] = set()

    def subscribe(self) -> Subscriber:
        """A subscriber that gets all events from now on; pass it to ``unsubscribe`` at the end."""
        subscriber = Subscriber()
        self._subscribers.add(subscriber)
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
        self._subscribers.discard(subscriber)

    def publish(self, event: ServerEvent) -> None:
        for subscriber in self._subscribers:
            subscriber.put(event)

    def close(self) -> None:
        """End every stream, so that the server can stop while clients are connected."""
        for subscriber in self._subscribers:
            subscriber.close()


def parse_level(text: str | None) -> Severity:
    """The requested level; ``info`` if it is absent or unknown."""
    return next((level for level in _ORDER if level == text), "info")


def _is_at_least(event: ServerEvent, level: Severity) -> bool:
    return _ORDER.index(event.severity) >= _ORDER.index(level)


def _frame(event: ServerEvent) -> str:
    return f"event: {event.event_type}\ndata: {json.dumps(asdict(event))}\n\n"
