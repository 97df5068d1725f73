"""notify_command: a user's program, which gets the message as JSON on its standard input."""

import json
from dataclasses import dataclass

from torc_watch.core.news import NewsMessage, SendResult
from torc_watch.news.program import run_program
from torc_watch.render.news_text import message_values


@dataclass(frozen=True, slots=True)
class CommandChannel:
    """``command`` is run without a shell."""

    command: tuple[str, ...]
    name: str = "notify_command"

    async def send(self, message: NewsMessage) -> SendResult:
        return await run_program(self.command, json.dumps(message_values(message)).encode())
