"""The table: only the rows on the screen are made, and only those drawn that look different."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.live_view.column_layout import GAP, Layout
from torc_watch.live_view.glyphs import Glyphs
from torc_watch.live_view.live_row import Column, LiveRow, last_text, next_text
from torc_watch.live_view.progress_bar import progress_bar

_MARK = 2  # columns before a row: "> " for the selected one
_RIGHT_ALIGNED = (Column.ID, Column.FAILED)
_PLAIN = Style()
_HEAD = Style(bold=True)
_SELECTED = Style(reverse=True)
_FAILED = Style(color="red")


class WorkflowTable(ScrollView, can_focus=True):
    """The first line is the head, which does not scroll."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup,ctrl+b", "page(-1)", show=False),
        Binding("pagedown,space,ctrl+f", "page(1)", show=False),
        Binding("home,g", "move(-1000000)", show=False),
        Binding("end,G", "move(1000000)", show=False),
    ]
    DEFAULT_CSS = """
    WorkflowTable { overflow-x: hidden; scrollbar-size-vertical: 1; }
    """

    class Selected(Message):
        """The user has selected another workflow."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs
        self._rows: Sequence[LiveRow] = ()
        self._columns: Layout = ()
        self._now: datetime | None = None
        self._cursor = 0
        self._drawn: dict[int, Strip] = {}  # by line of the screen
        self._shown: dict[int, LiveRow | None] = {}

    @property
    def selected(self) -> LiveRow | None:
        return self._rows[self._cursor] if self._rows else None

    def show(self, rows: Sequence[LiveRow], layout: Layout, now: datetime) -> None:
        """The selection stays at its workflow, else at its place."""
        key = self.selected.key if self.selected else None
        are_moved = layout != self._columns
        self._rows, self._columns, self._now = rows, layout, now
        if self.virtual_size.height != len(rows) + 1:
            self.virtual_size = Size(self.size.width, len(rows) + 1)  # with the head
        before, self._cursor = self._cursor, self._place_of(key)
        if self._cursor != before:
            self._scroll_to_cursor()
            are_moved = True
        for line in range(self.size.height):
            if are_moved or self._row_of(line) is not self._shown.get(line):
                self._update(line)

    def tick(self, now: datetime) -> None:
        """Draws what looks different at that time."""
        self._now = now
        for line in range(self.size.height):
            self._update(line)

    def _update(self, line: int) -> None:
        strip = self._strip(line)
        looks_new = strip != self._drawn.get(line)
        self._keep(line, strip)
        if looks_new:
            self._draw(line)

    def _keep(self, line: int, strip: Strip) -> None:
        self._drawn[line] = strip
        self._shown[line] = self._row_of(line)

    def _row_of(self, line: int) -> LiveRow | None:
        """None on the first line, the head, and below the last row."""
        place = self.scroll_offset.y + line - 1
        return self._rows[place] if line and place < len(self._rows) else None

    def _draw(self, line: int) -> None:
        self.refresh(Region(0, line, self.size.width, 1))

    def _draw_all(self) -> None:
        self._drawn.clear()
        self.refresh()

    def _place_of(self, key: WorkflowKey | None) -> int:
        if self._cursor < len(self._rows) and self._rows[self._cursor].key == key:
            return self._cursor
        places = (place for place, row in enumerate(self._rows) if row.key == key)
        return next(places, max(0, min(self._cursor, len(self._rows) - 1)))

    def action_move(self, rows: int) -> None:
        place = max(0, min(self._cursor + rows, len(self._rows) - 1))
        if place != self._cursor:
            places, self._cursor = (self._cursor, place), place
            self._scroll_to_cursor()
            for each in places:
                line = each - self.scroll_offset.y + 1
                if self._drawn.pop(line, None):
                    self._draw(line)
            self.post_message(self.Selected())

    def action_page(self, pages: int) -> None:
        self.action_move(pages * max(1, self._body_height - 1))

    @property
    def _body_height(self) -> int:
        return max(1, self.size.height - 1)

    def _scroll_to_cursor(self) -> None:
        top = self.scroll_offset.y
        lowest = self._cursor - self._body_height + 1
        wanted = min(max(top, lowest), self._cursor)
        if wanted != top:
            self.scroll_to(y=wanted, animate=False, immediate=True)

    def on_resize(self) -> None:
        self._scroll_to_cursor()
        self._draw_all()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        self._drawn.clear()  # what is on a line is on another one now
        super().watch_scroll_y(old_value, new_value)

    def render_line(self, y: int) -> Strip:
        if y not in self._drawn:
            self._keep(y, self._strip(y))
        return self._drawn[y]

    def _strip(self, line: int) -> Strip:
        if line == 0:
            return self._fitted([Segment(self._head(), _HEAD)])
        row = self._row_of(line)
        if row is None:
            return Strip.blank(self.size.width)
        is_selected = self.scroll_offset.y + line - 1 == self._cursor
        return self._fitted(self._segments(row, is_selected=is_selected), is_selected)

    def _fitted(self, segments: list[Segment], is_selected: bool = False) -> Strip:
        style = _SELECTED if is_selected else _PLAIN
        return Strip(segments).adjust_cell_length(self.size.width, style)

    def _head(self) -> str:
        cells = [self._padded(column.value, column, width) for column, width in self._columns]
        return f"{' ' * _MARK}{(' ' * GAP).join(cells)}"

    def _segments(self, row: LiveRow, *, is_selected: bool) -> list[Segment]:
        base = _SELECTED if is_selected else _PLAIN
        segments = [Segment("> " if is_selected else "  ", base)]
        for column, width in self._columns:
            text = self._padded(self._cell(row, column, width), column, width)
            segments += [Segment(text, base + self._style(row, column)), Segment("  ", base)]
        return segments

    def _cell(self, row: LiveRow, column: Column, width: int) -> str:
        assert self._now is not None  # noqa: S101 - there are no rows before `show`
        match column:
            case Column.PROGRESS:
                return progress_bar(row.counts, width, self._glyphs)
            case Column.NEXT:
                return next_text(row, self._now)
            case Column.LAST:
                return last_text(row, self._now, self._glyphs)
            case _:
                return row.cells.get(column, "")

    def _style(self, row: LiveRow, column: Column) -> Style:
        if column is Column.STATE and row.color:
            return Style(color=row.color.name.lower())
        return _FAILED if column is Column.FAILED else _PLAIN

    def _padded(self, text: str, column: Column, width: int) -> str:
        if cell_len(text) > width:
            return set_cell_size(text, width - 1) + self._glyphs.cut
        return text.rjust(width) if column in _RIGHT_ALIGNED else set_cell_size(text, width)
