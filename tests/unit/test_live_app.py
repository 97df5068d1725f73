"""The screen of `top`: keys, details, questions and the daemon's coming and going."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Static

from tests.unit.test_plan_identity import PLAN
from torc_watch.cli.live_source import live_source
from torc_watch.core import events
from torc_watch.core.errors import ServerUnreachable
from torc_watch.core.waiting_plan import WaitingPlan
from torc_watch.core.workflow_key import WorkflowIdentity, WorkflowKey
from torc_watch.daemon.commands import Action, WatchedWorkflow, WatchOptions, WatchState
from torc_watch.daemon.lease import this_holder
from torc_watch.daemon.open_proposals import open_proposals
from torc_watch.daemon.status_board import StatusBoard
from torc_watch.daemon.status_file import utc_now, write_status
from torc_watch.daemon.workflow_view import DaemonView
from torc_watch.engine.journal import Journal
from torc_watch.ipc.socket_paths import socket_paths
from torc_watch.ipc.socket_server import ControlServer
from torc_watch.live_view import live_state
from torc_watch.live_view.glyphs import UNICODE
from torc_watch.live_view.live_app import INTERRUPTED, LiveApp
from torc_watch.live_view.text_screen import TextScreen
from torc_watch.live_view.workflow_table import WorkflowTable

SERVER = "http://127.0.0.1:9/torc-service/v1"
SIZES = [(1, 1), (20, 4), (40, 10), (200, 50), (80, 24)]


class Desk:
    """What the screen asked for, and what it is answered."""

    def __init__(self) -> None:
        self.sent: list[tuple[Action, int]] = []
        self.approved: list[tuple[int, str]] = []
        self.rejected: list[tuple[int, str]] = []
        self.was_canceled = False
        self.trouble = ""

    async def text(self, key: WorkflowKey) -> Sequence[str]:
        if self.trouble:
            raise ServerUnreachable(self.trouble)
        return [f"text of {key.workflow_id} [bold]\x1b[2J", *map(str, range(100))]

    async def slow_text(self, key: WorkflowKey) -> Sequence[str]:  # noqa: ARG002 - as of others
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            self.was_canceled = True
            raise
        return ()

    async def send(self, action: Action, key: WorkflowKey) -> str:
        if self.trouble:
            raise ServerUnreachable(self.trouble)
        self.sent.append((action, key.workflow_id))
        return f"Workflow {key.workflow_id} [b]done[/b]\x1b[2J"

    async def approve(self, key: WorkflowKey, plan_id: str) -> str:
        self.approved.append((key.workflow_id, plan_id))
        return f"Approved plan {plan_id}"

    async def reject(self, key: WorkflowKey, plan_id: str) -> str:
        self.rejected.append((key.workflow_id, plan_id))
        return f"Rejected plan {plan_id}"


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Textual's pilot sleeps several times for each key."""
    monkeypatch.setattr("textual._wait.SLEEP_GRANULARITY", 0.002)


@pytest.fixture
def board() -> StatusBoard:
    board = StatusBoard()
    for number in range(1, 31):
        state = WatchState.PAUSED if number == 30 else WatchState.WATCHED
        options = WatchOptions()
        board.show(WatchedWorkflow(server=SERVER, workflow_id=number, options=options, state=state))
        if state is WatchState.WATCHED:
            board.update(events.Polled(workflow_id=number, next_in=60), SERVER)
    return board


@pytest.fixture
def home(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path / "run"))
    monkeypatch.setattr(live_state, "_INTERVAL", 0.1)
    (short_path / "run").mkdir(mode=0o700)
    return short_path


@asynccontextmanager
async def daemon(home: Path, board: StatusBoard) -> AsyncIterator[None]:
    path = socket_paths(home, {"XDG_RUNTIME_DIR": str(home / "run")})[0]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ControlServer(board, anyio.sleep_forever).serve, path)
        yield
        tasks.cancel_scope.cancel()


def app_of(home: Path, desk: Desk) -> LiveApp:
    source = live_source(home)
    text = desk.text
    source = replace(source, status=text, why=text, log=text, history=text)
    source = replace(source, send=desk.send, approve=desk.approve, reject=desk.reject)
    return LiveApp(source, UNICODE)


def text_of(app: App[None], name: str) -> str:
    return str(app.screen.query_one(f"#{name}", Static).content)


def selected(app: LiveApp) -> int:
    row = app.query_one(WorkflowTable).selected
    return row.key.workflow_id if row else 0


async def until_shown(pilot: Pilot[None], wanted: str, name: str = "head") -> None:
    with anyio.fail_after(30):
        while wanted not in text_of(pilot.app, name):
            await pilot.pause(0.01)


def lines_of(app: LiveApp) -> list[str]:
    """The whole screen, as it is drawn."""
    return [strip.text.rstrip() for strip in app.screen._compositor.render_strips()]


async def test_workflows_are_shown_as_they_change(home: Path, board: StatusBoard) -> None:
    app = app_of(home, Desk())
    async with daemon(home, board), app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "30 workflows: 29 watching")
        _, head, first, *_ = lines_of(app)
        assert head.startswith("  ID  STATE")
        assert first.startswith("> ")
        board.update(
            events.WatchStarted(
                workflow_id=2,
                workflow_name="[red]evil\x1b[2J",
                poll_interval=60,
                auto_recover=True,
                max_retries=3,
                show_job_counts=True,
            ),
            SERVER,
        )
        board.update(
            events.WatchEnded(
                workflow_id=2, verdict=events.Verdict.EXHAUSTED, reason="No more rounds."
            ),
            SERVER,
        )
        await until_shown(pilot, "1 exhausted")
        assert any("[red]evil\\x1b[2J" in line and "exhausted" in line for line in lines_of(app))
        board.remove(WorkflowKey(SERVER, 2))
        await until_shown(pilot, "29 workflows")


async def test_selection_follows_its_workflow(home: Path, board: StatusBoard) -> None:
    app = app_of(home, Desk())
    async with daemon(home, board), app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "30 workflows")
        first = selected(app)
        await pilot.press("down", "j", "down", "k")
        assert selected(app) == first + 2
        await pilot.press("end")
        assert any(line.startswith("> ") for line in lines_of(app))
        await pilot.press("o")
        assert "by ID" in text_of(app, "message")
        last = selected(app)
        board.remove(WorkflowKey(SERVER, last - 1))
        await until_shown(pilot, "29 workflows")
        assert selected(app) == last
        board.remove(WorkflowKey(SERVER, last))
        await until_shown(pilot, "28 workflows")
        assert selected(app) not in (0, last)
        await pilot.press("home", "pagedown", "pageup")
        assert selected(app) == 1


async def test_filter(home: Path, board: StatusBoard) -> None:
    app = app_of(home, Desk())
    async with daemon(home, board), app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "30 workflows")
        await pilot.press("slash", *"paused")
        assert selected(app) == 30
        await pilot.press("enter")
        assert text_of(app, "head").startswith("/paused: ")
        await pilot.press("slash", "q")
        assert selected(app) == 0
        assert "None of 30 workflows has: q" in text_of(app, "empty")
        await pilot.press("p", "enter", "s")  # there is none to act upon
        await pilot.press("escape")
        assert selected(app) == 1
        assert len([line for line in lines_of(app) if "watching" in line]) > 5


TITLES = {
    "s": "Status: workflow 1",
    "w": "Why jobs failed: workflow 1",
    "l": "The daemon's log: workflow 1",
    "h": "History: workflow 1",
}


async def test_details(home: Path, board: StatusBoard) -> None:
    desk = Desk()
    app = app_of(home, desk)
    async with daemon(home, board), app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "30 workflows")
        for key, title in TITLES.items():
            await pilot.press(key)
            await until_shown(pilot, "text of 1 [bold]\\x1b[2J", "text")
            assert text_of(app, "head") == title
            await pilot.press("escape")
            assert not isinstance(app.screen, TextScreen)
        desk.trouble = "No answer."
        await pilot.press("enter", "j", "k", "space", "r")
        await until_shown(pilot, "No answer.", "text")


async def test_leaving_a_text_cancels_its_reading(home: Path, board: StatusBoard) -> None:
    desk = Desk()
    app = LiveApp(replace(live_source(home), why=desk.slow_text), UNICODE)
    async with daemon(home, board), app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "30 workflows")
        await pilot.press("w")
        await until_shown(pilot, "Reading", "text")
        await pilot.pause(0.1)
        await pilot.press("escape")
        with anyio.fail_after(30):
            while not desk.was_canceled:
                await pilot.pause(0.01)


async def test_pause_asks_first(home: Path, board: StatusBoard) -> None:
    desk = Desk()
    app = app_of(home, desk)
    async with daemon(home, board), app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "30 workflows")
        for key in ("n", "escape", "p", "enter"):
            await pilot.press("p", key)
            await until_shown(pilot, "Nothing was changed.", "message")
            await pilot.press("down", "up")
        assert desk.sent == []
        await pilot.press("p", "y")
        await until_shown(pilot, "Workflow 1 [b]done[/b]\\x1b[2J", "message")
        await pilot.press("end", "p", "y")
        await until_shown(pilot, "Workflow 30 ", "message")
        assert desk.sent == [(Action.PAUSE, 1), (Action.RESUME, 30)]


async def test_plan_that_waits_is_answered(home: Path, board: StatusBoard) -> None:
    desk = Desk()
    app = app_of(home, desk)
    plan = WaitingPlan(
        plan_id="7f3a2c1b",
        jobs=12,
        node_hours=40.0,
        allocations=2,
        starts_at=None,
        reason="approve is set",
        proposed_at="2026-01-01T00:00:00+00:00",
    )
    async with daemon(home, board), app.run_test(size=(100, 24)) as pilot:
        await until_shown(pilot, "30 workflows")
        await pilot.press("a")
        await until_shown(pilot, "No plan of this workflow waits for approval.", "message")
        board.update(events.Polled(workflow_id=20, next_in=60, waiting=plan), SERVER)
        while not any("20  approval" in line for line in lines_of(app)):
            await pilot.pause(0.05)
        await pilot.press("home", "a")
        question = app.screen.query_one(Static)
        assert str(question.content).startswith(
            "Approve plan 7f3a2c1b: 12 jobs, at most 40.0 node hours, of workflow 20?"
        )
        await pilot.press("y")
        await until_shown(pilot, "Approved plan 7f3a2c1b", "message")
        assert desk.approved == [(20, "7f3a2c1b")]
        await pilot.press("r")
        assert str(app.screen.query_one(Static).content).startswith("Reject plan 7f3a2c1b: 12 jobs")
        await pilot.press("n")
        assert not desk.rejected
        await pilot.press("r", "y")
        await until_shown(pilot, "Rejected plan 7f3a2c1b", "message")
        assert (desk.approved, desk.rejected) == ([(20, "7f3a2c1b")], [(20, "7f3a2c1b")])


@pytest.mark.parametrize("approves", [True, False])
async def test_answer_is_in_the_journal(
    approves: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORC_WATCHD_HOME", str(tmp_path))
    with closing(Journal(tmp_path / "journal.db")) as journal:
        identity = WorkflowIdentity(server=SERVER, workflow_id=1, created="")
        watch = journal.begin_watch(identity).id
        journal.proposals.propose(watch, PLAN, plan_id="7f3a2c1b", starts_at=None, reason="why")
    source = live_source(tmp_path)
    answer = source.approve if approves else source.reject
    said = await answer(WorkflowKey(SERVER, 1), "7f3a2c1b")
    assert said.startswith("Approved plan 7f3a2c1b" if approves else "Rejected plan 7f3a2c1b")
    (waiting,) = open_proposals(tmp_path)
    assert waiting.proposal.answer is not None
    assert waiting.proposal.answer.approves is approves


async def test_command_that_fails_is_told(home: Path, board: StatusBoard) -> None:
    desk = Desk()
    desk.trouble = "The state folder cannot be written."
    app = app_of(home, desk)
    async with daemon(home, board), app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "30 workflows")
        await pilot.press("p", "y")
        await until_shown(pilot, "Error: The state folder cannot be written.", "message")


async def test_daemon_comes_and_goes(home: Path, board: StatusBoard) -> None:
    app = app_of(home, Desk())
    async with app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "The daemon has never run. Start it with: ", "notice")
        assert not app.query_one("#empty", Static).display
        async with daemon(home, StatusBoard()):
            view = DaemonView(holder=this_holder(), at=utc_now().isoformat(), workflows=())
            write_status(home / "status.json", view)
            await until_shown(pilot, "No workflows are watched. Add one with", "empty")
        async with daemon(home, board):
            await until_shown(pilot, "30 workflows")
            ended = events.WatchEnded(workflow_id=3, verdict=events.Verdict.STUCK)
            board.update(ended, SERVER)
            await until_shown(pilot, "1 stuck")
            assert any("3  stuck" in line for line in lines_of(app))
            assert not app.query_one("#notice", Static).display
        stopped = replace(view, at="2026-01-01T00:00:00+00:00", workflows=board.views)
        write_status(home / "status.json", stopped)
        await until_shown(pilot, "has not updated its status", "notice")
        async with daemon(home, board):
            await until_shown(pilot, "30 workflows")


async def test_every_size_of_terminal(home: Path, board: StatusBoard) -> None:
    app = app_of(home, Desk())
    async with daemon(home, board), app.run_test(size=(1, 1)) as pilot:
        for size in SIZES:
            await pilot.resize_terminal(*size)
            await until_shown(pilot, "30 workflows")
            await pilot.press("down", "home", "p", "n", "slash", "escape")
        await pilot.press("question_mark")
        await until_shown(pilot, "ROUND", "text")
        await pilot.press("escape")
        await until_shown(pilot, "Workflow 1 on", "panel")


@pytest.mark.parametrize(("key", "status"), [("q", 0), ("ctrl+c", INTERRUPTED)])
async def test_quit(home: Path, board: StatusBoard, key: str, status: int) -> None:
    app = app_of(home, Desk())
    async with daemon(home, board), app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "30 workflows")
        await pilot.press(key)
    assert app.return_code == status
