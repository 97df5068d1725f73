"""Sends a test message by each configured channel, now."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio

from torc_watch.core.news import NewsFact, NewsItem
from torc_watch.daemon.news_sender import NewsChannel
from torc_watch.render.news_text import message_of, trial_text


@dataclass(frozen=True, slots=True)
class NewsTrial:
    """``problem`` is empty where the channel took the message."""

    channel: str
    problem: str


async def try_channels(channels: Sequence[NewsChannel]) -> list[NewsTrial]:
    """All at once, in the order given."""
    subject, body = trial_text(socket.gethostname())
    item = NewsItem(
        server="",
        workflow_id=0,
        fact=NewsFact("test", ""),
        at=datetime.now(UTC),
        subject=subject,
        body=body,
    )
    message = message_of([item], may_be_repeated=False)
    problems: dict[str, str] = {}

    async def send(channel: NewsChannel) -> None:
        problems[channel.name] = (await channel.send(message)).problem

    async with anyio.create_task_group() as tasks:
        for channel in channels:
            tasks.start_soon(send, channel)
    return [NewsTrial(channel.name, problems[channel.name]) for channel in channels]
