"""A text on the whole screen, read in the background: status, why, log, history, help."""

from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from torc_watch.core.errors import TorcWatchError
from torc_watch.live_view.glyphs import Glyphs, shown, shown_lines
from torc_watch.live_view.own_thread import in_own_thread

_KEYS = "Esc back  r again  up/down PgUp/PgDn scroll"

ReadText = Callable[[], Awaitable[Sequence[str]]]


class TextScreen(Screen[None]):
    """``read`` runs in a thread; leaving the screen cancels it. Its error is shown as its text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", show=False),
        Binding("r", "again", show=False),
        Binding("j", "down", show=False),
        Binding("k", "up", show=False),
        Binding("space", "page", show=False),
    ]

    def __init__(self, title: str, read: ReadText, glyphs: Glyphs, *, at_end: bool = False) -> None:
        super().__init__()
        self._title = shown(title, glyphs)
        self._read = read
        self._glyphs = glyphs
        self._at_end = at_end
        self._began = 0.0
        self._is_read = False

    def compose(self) -> ComposeResult:
        yield Static(self._title, id="head", markup=False)
        with VerticalScroll(id="body"):
            yield Static("", id="text", markup=False)
        yield Static(_KEYS, id="keys", markup=False)

    def on_mount(self) -> None:
        self.query_one("#body").focus()
        self.set_interval(1, self._show_wait)
        self.action_again()

    def action_again(self) -> None:
        self._began, self._is_read = monotonic(), False
        self._show_wait()
        self.run_worker(self._load(), exclusive=True)

    def action_down(self) -> None:
        self.query_one("#body").scroll_down(animate=False)

    def action_up(self) -> None:
        self.query_one("#body").scroll_up(animate=False)

    def action_page(self) -> None:
        self.query_one("#body").scroll_page_down(animate=False)

    async def _load(self) -> None:
        try:
            lines = await in_own_thread(self._read)
        except TorcWatchError as error:
            lines = [str(error)]
        self._is_read = True
        self._show(shown_lines(lines, self._glyphs) or "There is nothing.")
        if self._at_end:
            self.query_one("#body").scroll_end(animate=False)

    def _show_wait(self) -> None:
        if not self._is_read:
            seconds = int(monotonic() - self._began)
            self._show(f"Reading ... {seconds} s; Esc cancels." if seconds else "Reading ...")

    def _show(self, text: str) -> None:
        self.query_one("#text", Static).update(text)
