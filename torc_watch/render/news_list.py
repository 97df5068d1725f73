"""The news of the last weeks, as a table and as values for scripts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from torc_watch.daemon.outbox import ListedNews
from torc_watch.render.terminal_text import printable
from torc_watch.render.text_table import table_lines
from torc_watch.render.time_text import local_time

_MAX_SUBJECT = 80
_MAX_PROBLEM = 300


def news_list_text(news: Sequence[ListedNews]) -> Iterator[str]:
    if not news:
        yield "No news yet. Send a test with: torc-watchd notify test"
        return
    rows = [("AT", "KIND", "CHANNEL", "STATE", "SUBJECT"), *map(_row, news)]
    head, *lines = table_lines(rows)
    yield head
    for each, line in zip(news, lines, strict=True):
        yield line
        if each.problem:
            yield f"    {printable(each.problem, _MAX_PROBLEM)}"


def news_list_values(news: Iterable[ListedNews]) -> list[dict[str, Any]]:
    return [_values(each) for each in news]


def _row(news: ListedNews) -> tuple[str, ...]:
    subject = printable(news.subject, _MAX_SUBJECT)
    return local_time(news.at), news.kind, printable(news.channel), _state_text(news), subject


def _state_text(news: ListedNews) -> str:
    if news.sent:
        return f"sent {local_time(news.sent)}"
    attempts = "attempt" if news.attempts == 1 else "attempts"
    waits = f"waits after {news.attempts} {attempts}" if news.attempts else "waits"
    return "given up" if news.failed else waits


def _values(news: ListedNews) -> dict[str, Any]:
    state = "sent" if news.sent else "failed" if news.failed else "waiting"
    values = asdict(news) | {"state": state}
    values["server"] = news.server or None
    values["workflow_id"] = news.workflow_id or None
    return values
