"""Sends what waits in the outbox, while the daemon is active.

Each channel has a task of its own for as long as it sends: one that hangs holds up no other
channel, and no watch.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from torc_watch.core.news import NewsItem, NewsMessage, SendResult
from torc_watch.core.news_schedule import MOST_ATTEMPTS, NewsLimits, is_due, retry_delay
from torc_watch.daemon.daemon_events import DaemonEvent, NewsFailed, NewsSent
from torc_watch.daemon.outbox import Outbox, WaitingNews

_SETTLE = 2.0  # seconds: what happens together goes together
_INTERVAL = 30.0  # seconds between looks at news that may not go yet
_HOUR = timedelta(hours=1)


class NewsChannel(Protocol):
    """A way by which news leave. ``send`` ends within a minute or two, whatever happens."""

    @property
    def name(self) -> str: ...

    async def send(self, message: NewsMessage) -> SendResult: ...


class Compose(Protocol):
    def __call__(self, items: Sequence[NewsItem], *, may_be_repeated: bool) -> NewsMessage: ...


class NewsSender:
    """``lease`` names the daemon's, ``compose`` makes a message of several pieces of news."""

    def __init__(
        self,
        journal: Path,
        lease: Callable[[], str],
        compose: Compose,
        announce: Callable[[DaemonEvent], None],
    ) -> None:
        self._journal = journal
        self._lease = lease
        self._compose = compose
        self._announce = announce
        self._channels: Mapping[str, NewsChannel] = {}
        self._limits = NewsLimits()
        self._noted: list[NewsItem] = []
        self._sending: set[str] = set()
        self._woken = anyio.Event()
        self._idle = anyio.Event()

    @property
    def has_channels(self) -> bool:
        return bool(self._channels)

    def configure(self, channels: Sequence[NewsChannel], limits: NewsLimits) -> None:
        self._channels = {channel.name: channel for channel in channels}
        self._limits = limits
        self._wake()

    def note(self, item: NewsItem) -> None:
        """It is in the outbox a moment later."""
        self._noted.append(item)
        self._wake()

    def store(self, item: NewsItem) -> None:
        """It is in the outbox when this returns. Raises JournalError and LeaseLost."""
        if self._channels:
            with self._open() as outbox:
                outbox.add(item, self._channels)
            self._wake()

    def begin_anew(self, server: str, workflow_id: int) -> None:
        """After a decision of the user. Raises JournalError and LeaseLost."""
        if self._channels:
            with self._open() as outbox:
                outbox.begin_anew(server, workflow_id)

    async def run(self) -> None:
        """Until canceled. Raises JournalError and LeaseLost."""
        self._sending.clear()  # of an earlier run, which was cut off
        async with anyio.create_task_group() as tasks:
            while True:
                await anyio.sleep(_SETTLE)
                self._woken = anyio.Event()
                waits = self._send_what_is_due(tasks)
                if not self._sending:
                    self._idle.set()
                with anyio.move_on_after(_INTERVAL if waits else None):
                    await self._woken.wait()

    async def flush(self, seconds: float) -> None:
        """Returns when all that may go now is sent, or after so many seconds."""
        if self._channels:
            with anyio.move_on_after(seconds):
                await self._idle.wait()

    def _wake(self) -> None:
        self._idle = anyio.Event()
        self._woken.set()

    def _open(self) -> closing[Outbox]:
        return closing(Outbox(self._journal, self._lease()))

    def _send_what_is_due(self, tasks: TaskGroup) -> bool:
        """Starts to send it; whether anything is left that waits."""
        now, left = datetime.now(UTC), False
        with self._open() as outbox:
            while self._noted:  # what cannot be written now is kept
                outbox.add(self._noted[0], self._channels)
                del self._noted[0]
            outbox.give_up_other_channels(self._channels, now)
            outbox.give_up_answered_plans(now)
            for name, channel in self._channels.items():
                waiting = outbox.waiting(name) if name not in self._sending else []
                if waiting and self._may_go(outbox, name, waiting, now):
                    outbox.claim(waiting, now)
                    self._sending.add(name)
                    tasks.start_soon(self._send, channel, waiting)
                else:
                    left = left or bool(waiting)
        return left

    def _may_go(
        self, outbox: Outbox, name: str, waiting: Sequence[WaitingNews], now: datetime
    ) -> bool:
        if any(each.next_attempt and each.next_attempt > now for each in waiting):
            return False  # the channel fails: what came since goes with the rest
        oldest = min(each.item.at for each in waiting)
        sent = outbox.sent_since(name, now - _HOUR)
        return is_due(now, now.astimezone().time(), oldest, sent, self._limits)

    async def _send(self, channel: NewsChannel, waiting: Sequence[WaitingNews]) -> None:
        items = [each.item for each in waiting]
        repeated = any(each.is_claimed for each in waiting)
        result = await channel.send(self._compose(items, may_be_repeated=repeated))
        with self._open() as outbox:
            self._record(outbox, channel.name, waiting, result)
        self._sending.discard(channel.name)
        self._woken.set()

    def _record(
        self, outbox: Outbox, channel: str, waiting: Sequence[WaitingNews], result: SendResult
    ) -> None:
        now, number = datetime.now(UTC), len(waiting)
        if not result.problem:
            outbox.mark_sent(waiting, now)
            self._announce(NewsSent(channel=channel, news=number, subject=waiting[0].item.subject))
            return
        lost = [each for each in waiting if each.attempts + 1 >= MOST_ATTEMPTS]
        failures = 1 + max(each.attempts for each in waiting)
        delay = retry_delay(failures)
        outbox.mark_problem(waiting, result.problem, now + delay, is_unclear=result.is_unclear)
        if lost:
            outbox.give_up(lost, result.problem, now)
        if lost or failures == 1:  # not at each attempt of a day
            self._announce(
                NewsFailed(
                    channel=channel,
                    news=len(lost) or number,
                    reason=result.problem,
                    retry_in=None if lost else delay.total_seconds(),
                )
            )
