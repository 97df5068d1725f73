"""The screen of ``torc-watchd top``: shows what the daemon publishes, and asks before it acts."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.widgets import Input, Static

from torc_watch.core.errors import TorcWatchError
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.commands import Action
from torc_watch.live_view.column_layout import column_layout
from torc_watch.live_view.glyphs import Glyphs, shown, shown_lines
from torc_watch.live_view.key_line import HELP, key_line, resumes
from torc_watch.live_view.live_row import LiveRow
from torc_watch.live_view.live_state import LiveState
from torc_watch.live_view.own_thread import in_own_thread
from torc_watch.live_view.question import Question
from torc_watch.live_view.row_store import RowStore
from torc_watch.live_view.text_screen import TextScreen
from torc_watch.live_view.workflow_panel import panel_lines
from torc_watch.live_view.workflow_table import WorkflowTable
from torc_watch.render.status_table import summary

INTERRUPTED = 130
_MARGIN = 3  # columns of the table's mark and its scroll bar
_PANEL_FROM = 18  # lines of a screen that has room for the panel
_MAX_MESSAGE = 500
_TICK = 2.0  # seconds between updates of what changes with the time alone
_FIXED_HEIGHT = ("head", "panel", "keys")

Read = Callable[[WorkflowKey], Awaitable[Sequence[str]]]
Answer = Callable[[WorkflowKey, str], Awaitable[str]]
Act = Callable[[], Awaitable[str]]  # returns what there is to say of it


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSource:
    """Where the screen gets everything from.

    ``states`` never end. The texts are those of the commands with these names, of one workflow.
    ``send`` gives the daemon a command, ``approve`` and ``reject`` answer the plan with an ID; all
    return what there is to say of it.
    """

    states: Callable[[], AsyncIterator[LiveState]]
    status: Read
    why: Read
    log: Read
    history: Read
    send: Callable[[Action, WorkflowKey], Awaitable[str]]
    approve: Answer
    reject: Answer


class LiveApp(App[None]):
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { layout: vertical; overflow: hidden; }
    Static { height: auto; }
    * { scrollbar-color: ansi_bright_black; scrollbar-background: ansi_default;
        scrollbar-color-active: ansi_default; scrollbar-background-hover: ansi_default; }
    #head { height: 1; text-style: bold; }
    #notice { display: none; text-style: bold; color: ansi_yellow; }
    #empty { display: none; }
    WorkflowTable { height: 1fr; }
    #panel { height: 7; display: none; }
    #message { display: none; text-style: bold; }
    #filter { height: 1; border: none; padding: 0; display: none; }
    #keys { height: 1; text-style: reverse; }
    #body { height: 1fr; scrollbar-size-vertical: 1; }
    .ascii WorkflowTable, .ascii #body { scrollbar-size-vertical: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", show=False),
        Binding("ctrl+c", "interrupt", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", show=False, priority=True),
        Binding("question_mark", "help", show=False),
        Binding("s,enter", "status", show=False),
        Binding("w", "why", show=False),
        Binding("l", "log", show=False),
        Binding("h", "history", show=False),
        Binding("p", "pause", show=False),
        Binding("a", "approve", show=False),
        Binding("r", "reject", show=False),
        Binding("slash", "filter", show=False),
        Binding("o", "order", show=False),
        Binding("escape", "clear", show=False),
    ]

    def __init__(self, source: LiveSource, glyphs: Glyphs) -> None:
        super().__init__(ansi_color=True)
        self.animation_level = "none"
        self.set_class(glyphs.is_ascii, "ascii")
        self._source = source
        self._glyphs = glyphs
        self._state = LiveState()
        self._has_state = False
        self._store = RowStore(glyphs)
        self._table = WorkflowTable(glyphs)

    def compose(self) -> ComposeResult:
        yield Static("torc-watchd top", id="head", markup=False)
        yield Static(id="notice", markup=False)
        yield Static(id="empty", markup=False)
        yield self._table
        yield Static(id="panel", markup=False)
        yield Static(id="message", markup=False)
        yield Input(id="filter", placeholder="words; Enter keeps, Esc clears", compact=True)
        yield Static(id="keys", markup=False)

    def on_mount(self) -> None:
        self._table.focus()
        self.query_one("#filter", Input).cursor_blink = False
        self.run_worker(self._follow())
        self.set_interval(_TICK, self._tick)
        if not self.is_headless:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, self.action_interrupt)

    async def _follow(self) -> None:
        async for state in self._source.states():
            has_changed = self._store.update(state) or not self._has_state
            is_new = has_changed or state.notice != self._state.notice
            self._state, self._has_state = state, True
            if is_new:
                self._show_rows()

    def on_resize(self, event: Resize) -> None:
        """A small screen has more room for workflows than for what is said of them."""
        is_small = event.size.height < _PANEL_FROM
        self.query_one("#notice").styles.max_height = 2 if is_small else 4
        self.query_one("#message").styles.max_height = 1 if is_small else 3
        self.call_after_refresh(self._show_rows)

    def _show_rows(self) -> None:
        width = self.size.width - _MARGIN
        rows = self._store.rows()
        layout = column_layout(width, self._store.longest()) if rows else ()
        self._table.show(rows, layout, _now())
        self._put("notice", self._state.notice)
        self._put("empty", self._why_empty(rows))
        self._show_texts()
        self._show_selected()

    def _why_empty(self, rows: Sequence[LiveRow]) -> str:
        if rows or self._state.notice:
            return ""
        if not self._has_state:
            return "Asking the daemon ..."
        if len(self._store):
            return f"None of {len(self._store)} workflows has: {self._store.wanted}. Esc shows all."
        return "No workflows are watched. Add one with: torc-watchd add ID"

    def _tick(self) -> None:
        self._table.tick(_now())
        self._show_texts()
        self._show_selected()

    def _show_texts(self) -> None:
        self._put("head", self._summary(_now()))

    def _show_selected(self) -> None:
        selected, now = self._table.selected, _now()
        width, height = self.size
        lines = list(panel_lines(selected, now, self._glyphs)) if height >= _PANEL_FROM else []
        panel = "\n".join([self._glyphs.rule * width, *lines]) if lines else ""
        self._put("panel", panel)
        self._put("keys", key_line(selected, width).ljust(width))

    def _summary(self, now: datetime) -> str:
        text = summary(self._state.views, now) if self._state.views else "torc-watchd top"
        if len(text) > self.size.width:
            text = text.partition(";")[0]
        return f"/{self._store.wanted}: {text}" if self._store.wanted else text

    def _put(self, name: str, text: str) -> None:
        """Draws nothing where the text is the same."""
        widget = self.query_one(f"#{name}", Static)
        safe = shown_lines([text], self._glyphs)
        if widget.content != safe:
            widget.update(safe, layout=name not in _FIXED_HEIGHT)
            widget.display = bool(safe)

    def on_workflow_table_selected(self) -> None:
        self._put("message", "")
        self._show_selected()

    def action_interrupt(self) -> None:
        self.exit(return_code=INTERRUPTED)

    def action_help(self) -> None:
        glyphs = self._glyphs
        text = HELP.format(
            done=glyphs.done, running=glyphs.running, left=glyphs.left, failed=glyphs.failed
        )

        async def read() -> list[str]:
            return text.splitlines()

        self.push_screen(TextScreen("torc-watchd top: help", read, glyphs))

    def action_status(self) -> None:
        self._show_text("Status", self._source.status)

    def action_why(self) -> None:
        self._show_text("Why jobs failed", self._source.why)

    def action_log(self) -> None:
        self._show_text("The daemon's log", self._source.log, at_end=True)

    def action_history(self) -> None:
        self._show_text("History", self._source.history)

    def _show_text(self, title: str, read: Read, *, at_end: bool = False) -> None:
        if row := self._table.selected:
            title = f"{title}: {self._called(row)}"
            text = TextScreen(title, partial(read, row.key), self._glyphs, at_end=at_end)
            self.push_screen(text)

    def _called(self, row: LiveRow) -> str:
        name = f" ({row.view.name})" if row.view and row.view.name else ""
        return shown(f"workflow {row.key.workflow_id}{name}", self._glyphs, 60)

    def action_pause(self) -> None:
        if row := self._table.selected:
            action = Action.RESUME if resumes(row) else Action.PAUSE
            act = partial(self._source.send, action, row.key)
            self._ask(f"{action.capitalize()} {self._called(row)}", act)

    def action_approve(self) -> None:
        self._ask_about_plan("Approve", self._source.approve)

    def action_reject(self) -> None:
        self._ask_about_plan("Reject", self._source.reject)

    def _ask_about_plan(self, verb: str, answer: Answer) -> None:
        row = self._table.selected
        if row is None or row.proposal is None:
            self._put("message", "No plan of this workflow waits for approval.")
            return
        act = partial(answer, row.key, row.proposal.plan_id)
        plan = row.proposal.phrase.removeprefix("for approval of ")
        self._ask(f"{verb} {plan}, of {self._called(row)}", act)

    def _ask(self, what: str, act: Act) -> None:
        def on_answer(is_yes: bool | None) -> None:
            if is_yes:
                self._put("message", f"{what} ...")
                self.run_worker(self._act(act))
            else:
                self._put("message", "Nothing was changed.")

        self.push_screen(Question(f"{what}?"), on_answer)

    async def _act(self, act: Act) -> None:
        try:
            said = await in_own_thread(act)
        except TorcWatchError as error:
            said = f"Error: {error}"
        self._put("message", shown(said, self._glyphs, _MAX_MESSAGE))

    def action_filter(self) -> None:
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._store.choose(wanted=event.value)
        self._show_rows()

    def on_input_submitted(self) -> None:
        self._leave_filter()

    def _leave_filter(self) -> None:
        self.query_one("#filter", Input).display = False
        self._table.focus()

    def action_clear(self) -> None:
        self.query_one("#filter", Input).value = ""
        self._put("message", "")
        self._leave_filter()

    def action_order(self) -> None:
        self._store.choose(order=self._store.order.following)
        self._show_rows()
        self._put("message", f"Order: {self._store.order}")


def _now() -> datetime:
    return datetime.now(UTC)
