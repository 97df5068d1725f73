"""The news that is to be sent, in the journal: each for each channel once.

A piece of news is claimed before it is sent, and marked when it was. After a crash in between it
is still claimed: it is sent again, and says that it may be a repetition. So news arrives at least
once.
"""

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from torc_watch.core.news import NewsFact, NewsItem, NewsKind
from torc_watch.daemon.journal_reader import open_table
from torc_watch.engine.database import Database

_ADD = """
INSERT OR IGNORE INTO news (server, workflow_id, kind, fact, channel, at, subject, body)
VALUES (:server, :workflow_id, :kind, :fact, :channel, :at, :subject, :body)
"""
_WAITS = "sent IS NULL AND failed IS NULL"
_PLAN_WAITS = """
SELECT 1 FROM proposal JOIN watch ON watch.id = proposal.watch_id
WHERE watch.server = news.server AND watch.workflow_id = news.workflow_id
AND proposal.plan_id = news.fact AND proposal.answer IS NULL
AND proposal.ended IS NULL AND watch.ended IS NULL
"""
_MOST_READ = 1000  # of what waits for a channel: a message names fewer


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingNews:
    """``attempts`` have failed; no other is made before ``next_attempt``. ``is_claimed`` says that
    one was cut off."""

    id: int
    item: NewsItem
    attempts: int
    next_attempt: datetime | None
    is_claimed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedNews:
    """Of one channel. Times are ISO 8601, UTC; ``failed`` is when it was given up."""

    server: str
    workflow_id: int
    kind: str
    channel: str
    at: str
    subject: str
    attempts: int
    next_attempt: str | None
    sent: str | None
    failed: str | None
    problem: str | None


class Outbox:
    """Every method raises JournalError; those that write raise LeaseLost, for a daemon."""

    def __init__(self, path: Path, lease: str | None = None) -> None:
        self._database = Database(path, lease)

    def close(self) -> None:
        self._database.close()

    def add(self, item: NewsItem, channels: Iterable[str]) -> None:
        """Unless the same fact is known; writes nothing without channels."""
        rows = [_values(item, channel) for channel in channels]
        if rows:
            self._database.write_all(_ADD, rows)

    def begin_anew(self, server: str, workflow_id: int) -> None:
        """After a decision of the user: the same facts of this workflow are news again.

        Writes nothing where there is no news of it.
        """
        of_workflow = "server = ? AND workflow_id = ? AND NOT retired"
        if self._database.query_one(f"SELECT 1 FROM news WHERE {of_workflow}", server, workflow_id):  # noqa: S608 - our own words
            self._database.write(
                f"UPDATE news SET retired = 1 WHERE {of_workflow}",  # noqa: S608
                server,
                workflow_id,
            )

    def waiting(self, channel: str) -> list[WaitingNews]:
        """The oldest first."""
        rows = self._database.query_all(
            f"SELECT * FROM news WHERE channel = ? AND {_WAITS} ORDER BY id LIMIT {_MOST_READ}",  # noqa: S608
            channel,
        )
        return [_waiting(row) for row in rows if row["kind"] in set(NewsKind)]

    def sent_since(self, channel: str, moment: datetime) -> list[datetime]:
        """The times of the channel's messages: what went together has the same."""
        rows = self._database.query_all(
            "SELECT DISTINCT sent FROM news WHERE channel = ? AND sent > ?", channel, _text(moment)
        )
        return [datetime.fromisoformat(row["sent"]) for row in rows]

    def claim(self, news: Sequence[WaitingNews], at: datetime) -> None:
        self._update("claimed = ?, attempts = attempts + 1", news, _text(at))

    def mark_sent(self, news: Sequence[WaitingNews], at: datetime) -> None:
        self._update("sent = ?, problem = NULL", news, _text(at))

    def mark_problem(
        self, news: Sequence[WaitingNews], problem: str, until: datetime, *, is_unclear: bool
    ) -> None:
        """The next attempt is not before ``until``. What surely was not sent is claimed no more."""
        claimed = "" if is_unclear else ", claimed = NULL"
        self._update(f"problem = ?, next_attempt = ?{claimed}", news, problem, _text(until))

    def give_up(self, news: Sequence[WaitingNews], problem: str, at: datetime) -> None:
        self._update("failed = ?, problem = ?", news, _text(at), problem)

    def give_up_other_channels(self, channels: Collection[str], at: datetime) -> None:
        """What waits for channels that are no longer configured."""
        rows = self._database.query_all(f"SELECT DISTINCT channel FROM news WHERE {_WAITS}")  # noqa: S608
        for channel in {row["channel"] for row in rows} - set(channels):
            self._database.write(
                f"UPDATE news SET failed = ?, problem = ? WHERE channel = ? AND {_WAITS}",  # noqa: S608
                _text(at),
                "This channel is no longer configured.",
                channel,
            )

    def give_up_answered_plans(self, at: datetime) -> None:
        """What was held back until its plan waited for the user no more."""
        answered = f"kind = ? AND {_WAITS} AND claimed IS NULL AND NOT EXISTS ({_PLAN_WAITS})"
        if self._database.query_one(f"SELECT 1 FROM news WHERE {answered}", NewsKind.APPROVAL):  # noqa: S608
            self._database.write(
                f"UPDATE news SET failed = ?, problem = ? WHERE {answered}",  # noqa: S608
                _text(at),
                "The plan did not wait any more.",
                NewsKind.APPROVAL,
            )

    def numbers(self) -> tuple[int, int]:
        """How many wait, and how many were given up."""
        row = self._database.query_one(
            f"SELECT sum({_WAITS}) AS waiting, sum(failed IS NOT NULL) AS failed FROM news"  # noqa: S608
        )
        return (row["waiting"] or 0, row["failed"] or 0) if row else (0, 0)

    def delete_before(self, moment: datetime) -> None:
        """Writes nothing where there is none."""
        if self._database.query_one("SELECT 1 FROM news WHERE at < ?", _text(moment)):
            self._database.write("DELETE FROM news WHERE at < ?", _text(moment))

    def _update(self, change: str, news: Sequence[WaitingNews], *values: object) -> None:
        statement = f"UPDATE news SET {change} WHERE id = ?"  # noqa: S608
        self._database.write_all(statement, [(*values, each.id) for each in news])


def delete_old_news(path: Path, lease: str, moment: datetime) -> None:
    """Raises JournalError and LeaseLost."""
    with closing(Outbox(path, lease)) as outbox:
        outbox.delete_before(moment)


def listed_news(home: Path, limit: int) -> list[ListedNews]:
    """The newest first, without a change of the journal. Raises JournalError."""
    with open_table(home / "journal.db", "news") as database:
        if database is None:
            return []
        columns = ", ".join(ListedNews.__dataclass_fields__)
        rows = database.execute(
            f"SELECT {columns} FROM news ORDER BY id DESC LIMIT ?",  # noqa: S608
            (limit,),
        )
        return [ListedNews(**dict(row)) for row in rows.fetchall()]


def _values(item: NewsItem, channel: str) -> dict[str, object]:
    return {
        **asdict(item),
        "kind": item.fact.kind,
        "fact": item.fact.detail,
        "at": _text(item.at),
        "channel": channel,
    }


def _waiting(row: sqlite3.Row) -> WaitingNews:
    until = row["next_attempt"]
    return WaitingNews(
        id=row["id"],
        item=NewsItem(
            server=row["server"],
            workflow_id=row["workflow_id"],
            fact=NewsFact(NewsKind(row["kind"]), row["fact"]),
            at=datetime.fromisoformat(row["at"]),
            subject=row["subject"],
            body=row["body"],
        ),
        attempts=row["attempts"],
        next_attempt=datetime.fromisoformat(until) if until else None,
        is_claimed=row["claimed"] is not None,
    )


def _text(moment: datetime) -> str:
    """In UTC, so that texts are in the order of times."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
