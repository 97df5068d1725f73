"""What of all that happens to a daemon gets into its outbox."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from pydantic import SecretStr

from tests.rigs.daemon import ELSEWHERE, ME, SERVER, DaemonRig, running
from torc_watch.app.daemon_app import DaemonApp
from torc_watch.app.news_desk import NewsDesk, news_channels
from torc_watch.config.settings import Settings
from torc_watch.core import events
from torc_watch.core.allocation import AllocationState, AllocationStatus
from torc_watch.core.errors import JournalError
from torc_watch.core.events import Verdict, WatchEnded
from torc_watch.daemon.commands import Action, WatchedWorkflow, WatchOptions, WatchState
from torc_watch.daemon.daemon_events import CommandApplied, CommandRefused, LeaseTaken
from torc_watch.daemon.news_sender import NewsSender
from torc_watch.daemon.outbox import ListedNews, listed_news
from torc_watch.daemon.registry import Registry
from torc_watch.daemon.status_board import StatusBoard
from torc_watch.render.news_text import message_of

if TYPE_CHECKING:
    from tests.conftest import OpenSite

ENDED = WatchEnded(workflow_id=42, verdict=Verdict.EXHAUSTED, reason="Retries are used up.")
WORKFLOW = WatchedWorkflow(
    server=SERVER, workflow_id=42, options=WatchOptions(), state=WatchState.WATCHED
)
HELD = events.AllocationUnstartable(
    workflow_id=42,
    scheduler="slurm",
    scheduler_id=7,
    status=AllocationStatus(state=AllocationState.ALIVE, detail="held"),
)


@pytest.fixture
def settings(quick_path: Path) -> Settings:
    return Settings(home=quick_path, notify_command=("true",), api_url=SERVER)


@pytest.fixture
def board() -> StatusBoard:
    board = StatusBoard()
    board.show(WORKFLOW)
    started = events.WatchStarted(
        workflow_id=42,
        workflow_name="train",
        poll_interval=60,
        auto_recover=True,
        max_retries=3,
        show_job_counts=True,
        rounds_used=3,
    )
    board.update(started, SERVER)
    return board


@pytest.fixture
def lease(quick_path: Path) -> Iterator[str]:
    with closing(Registry(quick_path / "journal.db", "1")):
        yield "1"


def desk_of(settings: Settings, board: StatusBoard, lease: str) -> NewsDesk:
    sender = NewsSender(settings.home / "journal.db", lambda: lease, message_of, lambda _: None)
    return NewsDesk(lambda: settings, board, sender)


def stored(settings: Settings) -> list[ListedNews]:
    return listed_news(settings.home, 100)


def test_verdict_is_in_the_outbox_at_once(
    settings: Settings, board: StatusBoard, lease: str
) -> None:
    desk = desk_of(settings, board, lease)
    desk.note_verdict(ENDED, SERVER)
    desk.note(ENDED, SERVER)
    desk.note_verdict(ENDED, SERVER)

    (news,) = stored(settings)
    assert (news.kind, news.channel) == ("handed_over", "notify_command")
    assert news.subject == "Workflow 42 (train) needs you: all retries are used"


def test_round_whose_plan_was_rejected_uses_no_retry(
    quick_path: Path, settings: Settings, board: StatusBoard, lease: str
) -> None:
    board.update(events.RecoveryAttempted(workflow_id=42, number=1, max_retries=3), SERVER)
    rejected = replace(ENDED, verdict=Verdict.HANDED_OVER, reason="Rejected", rounds_used=0)
    desk_of(settings, board, lease).note_verdict(rejected, SERVER)

    with closing(Registry(quick_path / "journal.db")) as registry:
        (row,) = registry._database.query_all("SELECT body FROM news")
    assert "Cost: 0 of 3 retries" in row["body"]


def test_kinds_that_are_not_wanted_are_left_out(
    settings: Settings, board: StatusBoard, lease: str
) -> None:
    wanted = settings.model_copy(update={"notify_on": ("success",)})
    desk_of(wanted, board, lease).note_verdict(ENDED, SERVER)
    assert stored(settings) == []


@pytest.mark.parametrize(
    ("verb", "number"),
    [(Action.RESUME, 2), (Action.ADD, 2), (Action.REMOVE, 2), (Action.SET, 1), (Action.PAUSE, 1)],
)
def test_the_same_verdict_after_a_command(
    settings: Settings, board: StatusBoard, lease: str, verb: Action, number: int
) -> None:
    desk = desk_of(settings, board, lease)
    desk.note_verdict(ENDED, SERVER)
    desk.note(CommandApplied(workflow_id=42, verb=verb), SERVER)
    desk.note(CommandRefused(workflow_id=42, verb=verb), SERVER)
    desk.note_verdict(ENDED, SERVER)
    assert len(stored(settings)) == number


@pytest.mark.parametrize(
    ("url", "target"),
    [(SERVER, "42"), ("http://b", f"42 --url {SERVER}")],
    ids=["configured", "another"],  # not the URL: each process of the tests has its own
)
def test_commands_name_the_server_where_it_is_not_the_configured_one(
    quick_path: Path, settings: Settings, board: StatusBoard, lease: str, url: str, target: str
) -> None:
    elsewhere = settings.model_copy(update={"api_url": url})
    desk_of(elsewhere, board, lease).note_verdict(ENDED, SERVER)
    with closing(Registry(quick_path / "journal.db")) as registry:
        (row,) = registry._database.query_all("SELECT body FROM news")
    assert f"torc-watchd resume {target}  " in row["body"]


@pytest.mark.looptime
async def test_other_news_waits_for_the_sender(
    settings: Settings, board: StatusBoard, lease: str
) -> None:
    sender = NewsSender(settings.home / "journal.db", lambda: lease, message_of, lambda _: None)
    sender._limits = replace(sender._limits, per_hour=0)
    desk = NewsDesk(lambda: settings, board, sender)
    sender._limits = replace(sender._limits, per_hour=0)
    desk.note(HELD, SERVER)
    desk.note_takeover("2", ELSEWHERE, ME)
    desk.note_takeover("3", replace(ME, pid=1), ME)
    desk.note_takeover("4", None, ME)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sender.run)
        await anyio.sleep(10)
        tasks.cancel_scope.cancel()

    assert [each.subject for each in reversed(stored(settings))] == [
        "Workflow 42 (train) has an allocation that will never start",
        f"The daemon on {ME.host} took over from login02",
    ]


def test_every_channel_is_made_of_its_setting(settings: Settings) -> None:
    configured = Settings(
        home=settings.home,
        notify=(SecretStr("slack://secret"), SecretStr("mailto://u:secret@host")),
        notify_mail=("ada", "grace@example.org"),
        notify_command=("/bin/cat", "-n"),
    )
    channels = news_channels(configured)
    assert [channel.name for channel in channels] == [
        *("notify 1 (slack)", "notify 2 (mailto)", "notify_command", "notify_mail")
    ]
    assert "secret" not in repr(channels)


def test_daemon_tells_of_a_takeover(settings: Settings) -> None:
    app = DaemonApp(settings, lambda: settings, lambda *_: None, lambda _: None)
    app._lease.predecessor, app._lease.epoch = ELSEWHERE, 2
    app._announce(LeaseTaken(workflows=1))
    (noted,) = app._sender._noted
    assert noted.subject == f"The daemon on {app._lease.me.host} took over from login02"


@pytest.mark.looptime
@pytest.mark.usefixtures("no_threads")
async def test_verdict_is_told_before_it_is_stored(open_site: "OpenSite") -> None:
    """Where it is not stored, it is told again; a successor tells it no more."""
    async with open_site() as site:
        await site.submit(["job"])
        told: list[list[WatchState]] = []

        def tell(*_: object) -> None:
            told.append([each.state for each in first.workflows()])
            if len(told) == 1:
                raise JournalError("The disk is full.")

        first = DaemonRig(site, ME)
        first.before_verdict = tell
        first.send(Action.ADD)
        async with running(first):
            await first.until_ended(1)
        assert told == [[WatchState.WATCHED], [WatchState.WATCHED]]

        successor = DaemonRig(site, ME)
        successor.before_verdict = tell
        async with running(successor):
            await anyio.sleep(1000)
        assert len(told) == 2
