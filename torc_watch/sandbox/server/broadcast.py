"""Live events for those who listen: nothing is kept, numbered or sent again."""

import json
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import asdict

import anyio

from torc_watch.sandbox.server.calls import Announcement, Severity

BUFFER = 512
_ORDER: tuple[Severity, ...] = ("debug", "info", "warning", "error")


class Listener:
    """One stream. Events of every workflow pass its buffer; the oldest give way to new ones."""

    def __init__(self) -> None:
        self._waiting: deque[Announcement] = deque(maxlen=BUFFER)
        self._dropped = 0
        self._news = anyio.Event()
        self._closed = False

    def put(self, announcement: Announcement) -> None:
        if len(self._waiting) == BUFFER:
            self._dropped += 1
        self._waiting.append(announcement)
        self._news.set()

    def close(self) -> None:
        self._closed = True
        self._news.set()

    async def frames(self, workflow_id: int, level: Severity) -> AsyncGenerator[str, None]:
        """Server-sent events of a workflow, at ``level`` or above, until the listener is closed."""
        while True:
            if self._dropped:
                yield f'event: warning\ndata: {{"dropped": {self._dropped}}}\n\n'
                self._dropped = 0
            while self._waiting:
                announcement = self._waiting.popleft()
                if announcement.workflow_id == workflow_id and _reaches(announcement, level):
                    yield _frame(announcement)
            if self._closed:
                return
            await self._news.wait()
            self._news = anyio.Event()


class Broadcaster:
    def __init__(self) -> None:
        self._listeners: set[Listener] = set()

    def listen(self) -> Listener:
        """A listener from this moment on; hand it back to ``forget``."""
        listener = Listener()
        self._listeners.add(listener)
        return listener

    def forget(self, listener: Listener) -> None:
        self._listeners.discard(listener)

    def send(self, announcement: Announcement) -> None:
        for listener in self._listeners:
            listener.put(announcement)

    def close(self) -> None:
        """End every stream, so that a server can stop while clients still listen."""
        for listener in self._listeners:
            listener.close()


def level_of(text: str | None) -> Severity:
    """The level asked for; ``info`` when it is absent or unknown."""
    return next((level for level in _ORDER if level == text), "info")


def _reaches(announcement: Announcement, level: Severity) -> bool:
    return _ORDER.index(announcement.severity) >= _ORDER.index(level)


def _frame(announcement: Announcement) -> str:
    return f"event: {announcement.event_type}\ndata: {json.dumps(asdict(announcement))}\n\n"
