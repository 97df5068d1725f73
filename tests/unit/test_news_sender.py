"""The outbox and its sender, in virtual time: each piece of news once, in bounds, or given up."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path

import anyio
import pytest

from tests.rigs.virtual_clock import VirtualClock, virtual_now
from torc_watch.core.approval import PlanAnswer
from torc_watch.core.errors import JournalError, LeaseLost
from torc_watch.core.news import NewsFact, NewsItem, NewsKind, NewsMessage, SendResult
from torc_watch.core.news_schedule import NewsLimits, QuietHours
from torc_watch.core.recovery_round import Plan
from torc_watch.core.workflow_key import WorkflowIdentity
from torc_watch.daemon import news_sender
from torc_watch.daemon.daemon_events import DaemonEvent, NewsFailed, NewsSent
from torc_watch.daemon.news_sender import NewsSender
from torc_watch.daemon.outbox import Outbox, listed_news
from torc_watch.daemon.registry import Registry
from torc_watch.engine.journal import Journal
from torc_watch.render.news_text import message_of

pytestmark = pytest.mark.looptime
SERVER = "http://torc"
UNLIMITED = NewsLimits(per_hour=10_000)
PLAN = Plan(
    workflow_id=42,
    run_id=1,
    number=1,
    retries=(),
    uninitialized=0,
    left_alone=(),
    adjustments=(),
    scheduler_config_id=None,
    allocations=(),
)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news_sender, "datetime", VirtualClock)


@dataclass
class Channel:
    """Takes ``seconds`` for each message; ``results`` are those of the first, then it works."""

    name: str = "mail"
    seconds: float = 1
    results: list[SendResult] = field(default_factory=list)
    took: list[tuple[float, NewsMessage]] = field(default_factory=list)

    async def send(self, message: NewsMessage) -> SendResult:
        self.took.append((anyio.current_time(), message))
        await anyio.sleep(self.seconds)
        return self.results.pop(0) if self.results else SendResult()

    @property
    def times(self) -> list[float]:
        return [moment for moment, _ in self.took]

    @property
    def items(self) -> list[int]:
        """The workflows of all messages."""
        return [item.workflow_id for _, message in self.took for item in message.items]


class Desk:
    """A daemon's sender. Making one claims the journal, as a takeover does."""

    def __init__(
        self,
        home: Path,
        channels: Sequence[Channel],
        limits: NewsLimits = UNLIMITED,
        epoch: int = 1,
    ) -> None:
        self.home = home
        self.announced: list[DaemonEvent] = []
        lease = str(epoch)
        with closing(Registry(home / "journal.db", lease)):
            pass
        self.sender = NewsSender(
            home / "journal.db", lambda: lease, message_of, self.announced.append
        )
        self.sender.configure(channels, limits)

    def tell(self, workflow_id: int, fact: str = "succeeded") -> None:
        self.sender.store(item(workflow_id, fact))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Until it is killed."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.sender.run)
            yield
            tasks.cancel_scope.cancel()


def item(workflow_id: int, fact: str = "succeeded") -> NewsItem:
    return NewsItem(
        server=SERVER,
        workflow_id=workflow_id,
        fact=NewsFact(NewsKind.SUCCESS, fact),
        at=virtual_now(),
        subject=f"Workflow {workflow_id} {fact}",
        body="",
    )


async def test_each_is_sent_once_over_restarts_and_takeovers(quick_path: Path) -> None:
    channel = Channel()
    for epoch in (1, 2, 3):
        desk = Desk(quick_path, [channel], epoch=epoch)
        async with desk.running():
            desk.tell(1)
            desk.tell(1, "failed")
            await anyio.sleep(100)

    assert channel.items == [1, 1]
    assert [each.sent is not None for each in listed_news(quick_path, 10)] == [True, True]


async def test_what_happens_together_goes_together(quick_path: Path) -> None:
    channel = Channel()
    desk = Desk(quick_path, [channel])
    async with desk.running():
        desk.sender.note(item(1))
        await anyio.sleep(1)
        desk.sender.note(item(2))
        await anyio.sleep(100)
        desk.sender.note(item(3))
        await anyio.sleep(100)

    assert [len(message.items) for _, message in channel.took] == [2, 1]
    assert desk.announced == [
        NewsSent(channel="mail", news=2, subject="Workflow 1 succeeded"),
        NewsSent(channel="mail", news=1, subject="Workflow 3 succeeded"),
    ]


async def test_cut_off_attempt_is_repeated_and_says_so(quick_path: Path) -> None:
    slow, second = Channel(seconds=1000), Channel()
    first_daemon = Desk(quick_path, [slow])
    async with first_daemon.running():
        first_daemon.tell(1)
        await anyio.sleep(100)
    successor = Desk(quick_path, [second], epoch=2)
    async with successor.running():
        await anyio.sleep(100)

    assert [message.may_be_repeated for _, message in (*slow.took, *second.took)] == [False, True]


async def test_daemon_that_lost_the_lease_sends_nothing(quick_path: Path) -> None:
    channel = Channel()
    old = Desk(quick_path, [channel])
    old.tell(1)
    Desk(quick_path, [channel], epoch=2)

    with pytest.raises(LeaseLost):
        old.tell(2)
    with pytest.raises(ExceptionGroup) as raised:
        async with old.running():
            await anyio.sleep(100)
    assert raised.group_contains(LeaseLost)
    assert channel.took == []


async def test_decision_of_the_user_makes_the_same_fact_news_again(quick_path: Path) -> None:
    channel = Channel()
    desk = Desk(quick_path, [channel])
    async with desk.running():
        desk.tell(1)
        desk.tell(2)
        await anyio.sleep(100)
        desk.sender.begin_anew(SERVER, 1)
        desk.tell(1)
        desk.tell(2)
        await anyio.sleep(100)

    assert channel.items == [1, 2, 1]


async def test_limit_of_an_hour_makes_digests(quick_path: Path) -> None:
    channel = Channel()
    desk = Desk(quick_path, [channel], NewsLimits(per_hour=3))
    async with desk.running():
        for number in range(120):
            desk.tell(number)
            await anyio.sleep(60)
        await anyio.sleep(3700)

    assert channel.items == list(range(120))
    for moment in channel.times:
        assert sum(moment - 3600 < other <= moment for other in channel.times) <= 3


async def test_digest_waits_for_its_interval(quick_path: Path) -> None:
    channel = Channel()
    desk = Desk(quick_path, [channel], NewsLimits(digest=timedelta(hours=1)))
    async with desk.running():
        for number in range(5):
            desk.tell(number)
            await anyio.sleep(600)
        await anyio.sleep(3600)

    assert [len(message.items) for _, message in channel.took] == [5]
    assert 3600 <= channel.times[0] <= 3600 + 60


async def test_quiet_hours_hold_news_back(quick_path: Path) -> None:
    local = virtual_now().astimezone()
    quiet = QuietHours(_clock(local - timedelta(hours=1)), _clock(local + timedelta(hours=5)))
    channel = Channel()
    desk = Desk(quick_path, [channel], NewsLimits(quiet_hours=quiet))
    async with desk.running():
        for number in range(3):
            desk.tell(number)
            await anyio.sleep(3600)
        assert channel.took == []
        await anyio.sleep(5 * 3600)

    assert [len(message.items) for _, message in channel.took] == [3]
    assert 5 * 3600 - 60 <= channel.times[0] <= 5 * 3600 + 60


def _clock(moment: datetime) -> time:
    return moment.time().replace(second=0, microsecond=0)


async def test_channel_that_hangs_delays_no_other(quick_path: Path) -> None:
    hanging, working = Channel("hanging", seconds=1e6), Channel()
    desk = Desk(quick_path, [hanging, working])
    async with desk.running():
        for number in range(3):
            desk.tell(number)
            await anyio.sleep(100)

    assert working.items == [0, 1, 2]
    assert hanging.items == [0]


async def test_failing_channel_is_retried_less_and_less_often(quick_path: Path) -> None:
    failed = SendResult("Connection refused.")
    channel = Channel(results=[failed, failed, failed])
    desk = Desk(quick_path, [channel])
    async with desk.running():
        desk.tell(1)
        await anyio.sleep(45)
        desk.tell(2)
        await anyio.sleep(3600)

    pauses = [later - earlier for earlier, later in pairwise(channel.times)]
    assert [30 <= pauses[0] <= 65, 60 <= pauses[1] <= 95, 120 <= pauses[2] <= 155] == [True] * 3
    assert channel.took[-1][1].may_be_repeated is False
    assert {item.workflow_id for item in channel.took[-1][1].items} == {1, 2}
    assert desk.announced == [
        NewsFailed(channel="mail", news=1, reason="Connection refused.", retry_in=30),
        NewsSent(channel="mail", news=2, subject="Workflow 1 succeeded"),
    ]


async def test_unclear_end_makes_the_next_attempt_a_possible_repetition(quick_path: Path) -> None:
    channel = Channel(results=[SendResult("It did not end.", is_unclear=True)])
    desk = Desk(quick_path, [channel])
    async with desk.running():
        desk.tell(1)
        await anyio.sleep(200)

    assert [message.may_be_repeated for _, message in channel.took] == [False, True]


async def test_news_is_given_up_after_a_day(
    quick_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news_sender, "_INTERVAL", 600.0)  # thousands of looks prove no more
    channel = Channel(results=[SendResult("Refused.")] * 1000)
    desk = Desk(quick_path, [channel])
    async with desk.running():
        desk.tell(1)
        await anyio.sleep(30 * 3600)

    lost = NewsFailed(channel="mail", news=1, reason="Refused.", retry_in=None)
    assert desk.announced[1:] == [lost]
    assert 22 * 3600 <= channel.times[-1] <= 26 * 3600
    (listed,) = listed_news(quick_path, 10)
    assert (listed.failed is not None, listed.problem) == (True, "Refused.")


async def test_channel_that_is_no_longer_configured(quick_path: Path) -> None:
    channel, other = Channel(), Channel("chat")
    quiet = NewsLimits(digest=timedelta(hours=1))
    desk = Desk(quick_path, [channel], quiet)
    async with desk.running():
        desk.tell(1)
        await anyio.sleep(100)
        desk.sender.configure([other], quiet)
        desk.tell(2)
        await anyio.sleep(2 * 3600)

    assert (channel.items, other.items) == ([], [2])
    listed = {each.channel: each.problem for each in listed_news(quick_path, 10)}
    assert listed["mail"] == "This channel is no longer configured."


async def test_without_channels_nothing_is_stored(quick_path: Path) -> None:
    desk = Desk(quick_path, [])
    async with desk.running():
        desk.tell(1)
        desk.sender.note(item(2))
        await anyio.sleep(100)

    assert listed_news(quick_path, 10) == []


async def test_flush_waits_for_what_may_go(quick_path: Path) -> None:
    channel = Channel(seconds=20)
    desk = Desk(quick_path, [channel])
    async with desk.running():
        desk.tell(1)
        await desk.sender.flush(60)
        assert desk.announced
        began = anyio.current_time()
        await desk.sender.flush(60)
        assert anyio.current_time() - began < 5
        channel.seconds = 1000
        desk.tell(2)
        await desk.sender.flush(60)
        assert anyio.current_time() - began < 70


async def test_news_of_another_version_is_left_alone(quick_path: Path) -> None:
    with closing(Outbox(quick_path / "journal.db")) as outbox:
        outbox.add(item(1), ["mail"])
        outbox._database.write("UPDATE news SET kind = 'weather'")
        assert outbox.waiting("mail") == []


async def test_old_news_is_removed(quick_path: Path) -> None:
    with closing(Outbox(quick_path / "journal.db")) as outbox:
        outbox.add(item(1), ["mail"])
        outbox.delete_before(virtual_now().astimezone(UTC) - timedelta(days=1))
        assert len(outbox.waiting("mail")) == 1
        outbox.delete_before(virtual_now().astimezone(UTC) + timedelta(seconds=1))
        assert outbox.waiting("mail") == []


async def test_what_was_noted_while_the_disk_was_full_is_sent_later(
    quick_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = Channel()
    desk = Desk(quick_path, [channel])
    desk.sender.note(item(1))
    desk.sender.note(item(2))

    def refuse(*_: object) -> None:
        raise JournalError("No space left on device")

    with monkeypatch.context() as full:
        full.setattr(Outbox, "add", refuse)
        with pytest.RaisesGroup(JournalError, allow_unwrapped=True, flatten_subgroups=True):
            await desk.sender.run()
    async with desk.running():
        await anyio.sleep(100)

    assert channel.items == [1, 2]


async def test_approval_of_a_plan_that_was_answered_is_no_news(quick_path: Path) -> None:
    desk = Desk(quick_path, [channel := Channel()])
    with closing(Journal(quick_path / "journal.db", "1")) as journal:
        identity = WorkflowIdentity(server=SERVER, workflow_id=42, created="")
        watch_id = journal.begin_watch(identity).id
        for plan_id, is_answered in (("7f3a2c1b", False), ("1b2c3a7f", True)):
            proposal = journal.proposals.propose(
                watch_id, PLAN, plan_id=plan_id, starts_at=None, reason="large"
            )
            if is_answered:
                answer = PlanAnswer(approves=True, by="ada@login1", at=virtual_now())
                assert journal.proposals.answer(proposal, answer)
            fact = NewsFact(NewsKind.APPROVAL, plan_id)
            desk.sender.store(replace(item(42), fact=fact))
            async with desk.running():
                await anyio.sleep(600)

    sent = [each.fact.detail for _, message in channel.took for each in message.items]
    assert sent == ["7f3a2c1b"]
    (given_up, _) = listed_news(quick_path, 10)
    assert given_up.problem == "The plan did not wait any more."
