"""News: what users are told of where they look, by mail, chat or a program of theirs.

Which events are news is decided here; `render.news_text` has the words, `core.news_schedule` says
when they go.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from torc_watch.core import events
from torc_watch.core.events import Event, Verdict
from torc_watch.core.plan_price import price_of
from torc_watch.core.recovery_round import Plan


class NewsKind(StrEnum):
    """What users name in ``notify_on``. The names do not change."""

    HANDED_OVER = "handed_over"  # a watch ended without success: the user has to act
    STALLED = "stalled"  # a workflow is stuck, or an allocation waits for what may not come
    APPROVAL = "approval"  # a plan waits for the user
    RETRIES = "retries"  # half of the allowed rounds are used
    TAKEOVER = "takeover"  # the daemon of another login node took over
    SUCCESS = "success"


_KIND_OF_VERDICT = {
    Verdict.SUCCEEDED: NewsKind.SUCCESS,
    Verdict.FAILED: NewsKind.HANDED_OVER,
    Verdict.HANDED_OVER: NewsKind.HANDED_OVER,
    Verdict.EXHAUSTED: NewsKind.HANDED_OVER,
    Verdict.CRASHED: NewsKind.HANDED_OVER,
    Verdict.STUCK: NewsKind.STALLED,
}


@dataclass(frozen=True, slots=True)
class NewsFact:
    """What makes news the same however often it is reported: its kind, and the rest of it.

    What tries the channels has the kind ``test``.
    """

    kind: NewsKind | Literal["test"]
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsItem:
    """One piece of news. ``server`` is empty, and ``workflow_id`` 0, for news of the daemon."""

    server: str
    workflow_id: int
    fact: NewsFact
    at: datetime
    subject: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsMessage:
    """What a channel sends: one piece of news, or a digest of several.

    ``may_be_repeated``: an earlier attempt may have arrived.
    """

    subject: str
    body: str
    items: tuple[NewsItem, ...]
    may_be_repeated: bool = False


@dataclass(frozen=True, slots=True)
class SendResult:
    """``problem`` is empty where the message was sent; ``is_unclear`` where it may have been."""

    problem: str = ""
    is_unclear: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCost:
    """What the rounds of a watch submitted: allocations, and the node hours of Slurm that these use
    at most, None where they are on this machine."""

    allocations: int = 0
    node_hours: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsSubject:
    """What is known of the workflow that news is about; ``counts`` has its jobs by status."""

    server: str
    workflow_id: int
    name: str = ""
    rounds: int = 0
    max_retries: int | None = None
    counts: dict[str, int] = field(default_factory=dict)


def fact_of(event: Event, about: NewsSubject) -> NewsFact | None:
    """The news in an event of a workflow; None for all that is none.

    Reported again, after a restart or by another daemon, it is the same fact.
    """
    match event:
        case events.WatchEnded(verdict=verdict):
            kind = _KIND_OF_VERDICT.get(verdict)
            return None if kind is None else NewsFact(kind, verdict.label)
        case events.AllocationUnstartable(scheduler=scheduler, scheduler_id=number):
            return NewsFact(NewsKind.STALLED, f"{scheduler} {number}")
        case events.AllocationsWaiting(detail=detail):
            return NewsFact(NewsKind.STALLED, detail)
        case events.RecoveryPlanned(plan=plan) if plan.uses_retry and _half_used(about):
            return NewsFact(NewsKind.RETRIES, "half")
        case events.PlanProposed(plan_id=plan_id):
            return NewsFact(NewsKind.APPROVAL, plan_id)
        case _:
            return None


def _half_used(about: NewsSubject) -> bool:
    """``rounds`` counts the one that begins. Where one is all, how it ends is news enough."""
    return about.max_retries is not None and 2 * about.rounds >= about.max_retries > 1


def takeover_fact(lease: str) -> NewsFact:
    """Of the lease of that name, which no other has."""
    return NewsFact(NewsKind.TAKEOVER, lease)


def cost_of(plans: Iterable[Plan]) -> RecoveryCost:
    """Of rounds that were carried out."""
    prices = list(map(price_of, plans))
    hours = [price.node_hours for price in prices if price.node_hours is not None]
    return RecoveryCost(
        allocations=sum(price.allocations for price in prices),
        node_hours=sum(hours) if hours else None,
    )
