"""The process that sends one message by apprise: ``python -m torc_watch.news.apprise_process``.

It reads a JSON object with url, title, body and type, and ends with 0 when the message is sent.
Otherwise it says why, without anything of the URL that may be secret.
"""

import json
import logging
import re
import signal
import sys
from urllib.parse import unquote

from torc_watch.core.missing_extra import missing_extra

_UNUSABLE = (
    "apprise cannot use this URL. Check it against the list of services: "
    "https://appriseit.com/services/"
)
_LONGEST = 120  # seconds; the daemon ends it after 60
_SECRET_LENGTH = 3  # a shorter word would mask half of a sentence
_WORDS = re.compile(r"[^\s/:@?&=,+#<>|]+")


class _Complaints(logging.Handler):
    """What apprise says of a failure."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def main() -> int:
    signal.alarm(_LONGEST)  # also where the daemon that would end it was killed
    request = json.load(sys.stdin)
    try:
        problem = _send(**request)
    except Exception as error:  # noqa: BLE001 - its text and its lines may have the URL
        problem = f"apprise cannot send this: {type(error).__name__}."
    print(problem, end="")  # noqa: T201 - what the channel reads
    return 1 if problem else 0


def _send(url: str, title: str, body: str, type: str) -> str:  # noqa: A002 - apprise's name
    """Why it failed; empty where the message was sent."""
    try:
        import apprise  # noqa: PLC0415 - an extra
    except ImportError:
        return missing_extra("notify")
    complaints = _Complaints()
    log = logging.getLogger("apprise")
    log.addHandler(complaints)
    log.propagate = False
    service = apprise.Apprise.instantiate(url)
    if service is None:
        return _UNUSABLE
    channel = apprise.Apprise()
    channel.add(service)
    kind = apprise.NotifyType(type)
    if channel.notify(body, title=title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT):
        return ""
    said = " ".join(complaints.said) or "the service did not take the message."
    return masked(said, url, service.url(privacy=True))  # type: ignore[no-untyped-call]


def masked(text: str, url: str, private_url: str) -> str:
    """``text`` without the words of ``url`` that may be secret.

    Only the service, and a host that apprise itself shows, are not.
    """
    service, _, rest = url.partition("://")
    shown = {service, *_hosts(private_url)}
    words = {*_WORDS.findall(rest), *_WORDS.findall(unquote(rest))}
    parts = words | {unquote(word) for word in words}  # of which one may hold @ and :
    for part in sorted(parts - shown, key=len, reverse=True):
        if len(part) >= _SECRET_LENGTH:
            text = text.replace(part, "****")
    return text


def _hosts(private_url: str) -> set[str]:
    """The host of a URL in which apprise has masked what is secret, if it looks like one."""
    rest = private_url.partition("://")[2]
    host = re.split(r"[/?]", rest, maxsplit=1)[0].rpartition("@")[2].partition(":")[0]
    return {host} if "..." not in host and ("." in host or host == "localhost") else set()


if __name__ == "__main__":
    sys.exit(main())
