"""notify: a service that apprise knows, by a URL that may contain secrets.

apprise waits for servers without end, so it has a process of its own. The URL goes there over
standard input: arguments are visible to every user of the machine.
"""

import json
import sys
from dataclasses import dataclass, field

from torc_watch.core.news import NewsKind, NewsMessage, SendResult
from torc_watch.news.program import run_program

_PROGRAM = (sys.executable, "-P", "-m", "torc_watch.news.apprise_process")
_TYPES = {  # apprise's words, the gravest first
    NewsKind.HANDED_OVER: "failure",
    NewsKind.STALLED: "warning",
    NewsKind.APPROVAL: "warning",
    NewsKind.TAKEOVER: "warning",
    NewsKind.RETRIES: "info",
    NewsKind.SUCCESS: "success",
}


@dataclass(frozen=True, slots=True)
class AppriseChannel:
    """``number`` counts the URLs as they are configured, from 1."""

    url: str = field(repr=False)
    number: int

    @property
    def name(self) -> str:
        """With the service, which is no secret."""
        return f"notify {self.number} ({self.url.partition('://')[0]})"

    async def send(self, message: NewsMessage) -> SendResult:
        kinds = {item.fact.kind for item in message.items}
        request = {
            "url": self.url,
            "title": message.subject,
            "body": message.body,
            "type": next((word for kind, word in _TYPES.items() if kind in kinds), "info"),
        }
        return await run_program(_PROGRAM, json.dumps(request).encode(), says_why=True)
