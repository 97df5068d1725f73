"""Counts of what happened since this daemon started, for metrics."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

from torc_watch.core import events
from torc_watch.core.plan_price import price_of
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.daemon_events import DaemonEvent, NewsFailed, NewsSent, WorkflowEvent

_POLLED = (events.Polled, events.JobsCounted)


@dataclass(slots=True)
class EventCounts:
    """``polls_failed`` is by server, ``ended`` by verdict, ``last_poll`` has the last that was
    answered. ``retries_in_place`` are jobs that were retried while others ran. ``node_hours`` are
    those of allocations of Slurm that rounds planned, at most."""

    polls_failed: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    last_poll: dict[WorkflowKey, datetime] = field(default_factory=dict)
    rounds: int = 0
    retries_in_place: int = 0
    node_hours: float = 0.0
    news_sent: int = 0
    news_failed: int = 0

    def count(self, event: WorkflowEvent, server: str) -> None:
        match event:
            case events.PollFailed():
                self.polls_failed[server] += 1
            case events.WatchEnded(verdict=verdict):
                self.ended[verdict.label] += 1
            case events.RecoveryPlanned(plan=plan) if plan.in_place:
                self.retries_in_place += len(plan.retries)
            case events.RecoveryPlanned(plan=plan):
                self.rounds += 1
                self.node_hours += price_of(plan).node_hours or 0.0
            case _ if isinstance(event, _POLLED):
                self.last_poll[WorkflowKey(server, event.workflow_id)] = datetime.now(UTC)

    def count_of_daemon(self, event: DaemonEvent) -> None:
        match event:
            case NewsSent(news=number):
                self.news_sent += number
            case NewsFailed(retry_in=None, news=number):
                self.news_failed += number
