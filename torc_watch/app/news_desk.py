"""Decides what of all that happens is news, and hands it to the sender."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from torc_watch.config.settings import Settings
from torc_watch.core import events
from torc_watch.core.errors import InvalidInput, JournalError
from torc_watch.core.news import (
    NewsFact,
    NewsItem,
    NewsSubject,
    RecoveryCost,
    cost_of,
    fact_of,
    takeover_fact,
)
from torc_watch.core.past_watch import PastWatch
from torc_watch.core.recovery_round import RoundOutcome
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.commands import Action
from torc_watch.daemon.daemon_events import CommandApplied, CommandRefused, WorkflowEvent
from torc_watch.daemon.lease_rules import Holder
from torc_watch.daemon.news_sender import NewsChannel, NewsSender
from torc_watch.daemon.status_board import StatusBoard
from torc_watch.daemon.watch_history import watches_of
from torc_watch.news.apprise_channel import AppriseChannel
from torc_watch.news.command_channel import CommandChannel
from torc_watch.news.mail_channel import MailChannel
from torc_watch.render.news_text import NewsContext, news_text, takeover_text
from torc_watch.torc.transport import normalize_url

_DECISIONS = (Action.ADD, Action.RESUME, Action.REMOVE)  # after which the same facts are news again
_CARRIED_OUT = (RoundOutcome.RESUBMITTED, RoundOutcome.CONTINUED)


def news_channels(settings: Settings) -> list[NewsChannel]:
    """Those that are configured."""
    channels: list[NewsChannel] = [
        AppriseChannel(url.get_secret_value(), number)
        for number, url in enumerate(settings.notify, start=1)
    ]
    if settings.notify_command:
        channels.append(CommandChannel(settings.notify_command))
    if settings.notify_mail:
        channels.append(MailChannel(settings.notify_mail))
    return channels


class NewsDesk:
    """``settings`` returns the configuration as it is now."""

    def __init__(
        self, settings: Callable[[], Settings], board: StatusBoard, sender: NewsSender
    ) -> None:
        self._settings = settings
        self._board = board
        self._sender = sender
        self.reconfigure()

    def reconfigure(self) -> None:
        settings = self._settings()
        self._sender.configure(news_channels(settings), settings.news_limits())

    def note(self, event: WorkflowEvent, server: str) -> None:
        """Of verdicts `note_verdict` hears. Raises JournalError and LeaseLost for a command."""
        match event:
            case CommandApplied(workflow_id=workflow_id, verb=verb) if verb in _DECISIONS:
                self._sender.begin_anew(server, workflow_id)
            case CommandApplied() | CommandRefused() | events.WatchEnded():
                pass
            case _:
                if item := self._item(event, server):
                    self._sender.note(item)

    def note_verdict(self, event: WorkflowEvent, server: str) -> None:
        """Before it is stored. Raises JournalError and LeaseLost."""
        if isinstance(event, events.WatchEnded) and (item := self._item(event, server)):
            self._sender.store(item)

    def note_takeover(self, lease: str, predecessor: Holder | None, me: Holder) -> None:
        """Of a lease that was taken; it is news where its holder was on another login node."""
        if predecessor is None or predecessor.host == me.host:
            return
        fact = takeover_fact(lease)
        if self._is_wanted(fact):
            subject, body = takeover_text(predecessor, me)
            self._sender.note(_new(NewsSubject(server="", workflow_id=0), fact, subject, body))

    def _item(self, event: events.Event, server: str) -> NewsItem | None:
        if not self._sender.has_channels:
            return None
        about = _after(event, self._about(WorkflowKey(server, event.workflow_id)))
        fact = fact_of(event, about)
        if fact is None or not self._is_wanted(fact):
            return None
        subject, body = news_text(event, self._context(about))
        return _new(about, fact, subject, body)

    def _is_wanted(self, fact: NewsFact) -> bool:
        return fact.kind in self._settings().notify_on

    def _about(self, key: WorkflowKey) -> NewsSubject:
        view = self._board.view(key)
        if view is None:
            return NewsSubject(server=key.server, workflow_id=key.workflow_id)
        return NewsSubject(
            server=key.server,
            workflow_id=key.workflow_id,
            name=view.name,
            rounds=view.round,
            max_retries=view.max_retries,
            counts=view.counts or {},
        )

    def _context(self, about: NewsSubject) -> NewsContext:
        settings = self._settings()
        with suppress(JournalError):  # the news is worth more than its price
            watches = watches_of(settings.home, about.workflow_id)
            if watch := next((each for each in reversed(watches) if _is_of(each, about)), None):
                began = datetime.fromisoformat(watch.began)
                return NewsContext(
                    about=about,
                    url=self._url(about),
                    cost=_cost(watch),
                    elapsed=datetime.now(UTC) - began,
                )
        return NewsContext(about=about, url=self._url(about))

    def _url(self, about: NewsSubject) -> str | None:
        """The server, where commands do not take it from the configuration."""
        with suppress(InvalidInput):
            if normalize_url(self._settings().api_url) == about.server:
                return None
        return about.server


def _after(event: events.Event, about: NewsSubject) -> NewsSubject:
    """The board shows a verdict later, and until then a round that used no retry as used."""
    if isinstance(event, events.WatchEnded) and event.rounds_used is not None:
        return replace(about, rounds=event.rounds_used)
    return about


def _is_of(watch: PastWatch, about: NewsSubject) -> bool:
    return watch.key == (about.server, about.workflow_id)


def _cost(watch: PastWatch) -> RecoveryCost:
    return cost_of(each.plan for each in watch.rounds if each.plan and each.outcome in _CARRIED_OUT)


def _new(about: NewsSubject, fact: NewsFact, subject: str, body: str) -> NewsItem:
    return NewsItem(
        server=about.server,
        workflow_id=about.workflow_id,
        fact=fact,
        at=datetime.now(UTC),
        subject=subject,
        body=body,
    )
