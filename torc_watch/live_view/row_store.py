"""The rows of all workflows, of which only those are made anew that have changed."""

from typing import TYPE_CHECKING

from torc_watch.live_view.column_layout import longest_cells
from torc_watch.live_view.glyphs import Glyphs
from torc_watch.live_view.live_state import LiveState
from torc_watch.live_view.row_order import RowOrder, chosen_rows
from torc_watch.live_view.workflow_row import Column, WorkflowRow, workflow_row
from torc_watch.render.terminal_text import columns

if TYPE_CHECKING:
    from torc_watch.core.workflow_key import WorkflowKey


class RowStore:
    """``order`` and ``wanted`` (the filter) say which rows are shown; changed, call `choose`."""

    def __init__(self, glyphs: Glyphs) -> None:
        self._glyphs = glyphs
        self._rows: dict[WorkflowKey, WorkflowRow] = {}
        self._sizes: dict[WorkflowKey, dict[Column, int]] = {}
        self.order = RowOrder.ATTENTION
        self.wanted = ""

    def __len__(self) -> int:
        return len(self._rows)

    def update(self, state: LiveState) -> bool:
        """Whether anything is different now."""
        views = {view.key: view for view in state.views}
        keys = dict.fromkeys([*views, *state.waiting])
        gone = self._rows.keys() - keys
        for key in gone:
            del self._rows[key], self._sizes[key]
        has_changed = bool(gone)
        for key in keys:
            view, waiting = views.get(key), state.waiting.get(key, ())
            before = self._rows.get(key)
            if before is None or before.view != view or before.waiting != waiting:
                row = workflow_row(key, view, waiting, self._glyphs)
                self._rows[key] = row
                self._sizes[key] = {column: columns(text) for column, text in row.cells.items()}
                has_changed = True
        return has_changed

    def choose(self) -> list[WorkflowRow]:
        return chosen_rows(self._rows.values(), self.order, self.wanted)

    def longest(self) -> dict[Column, int]:
        """The widest cell of each column, also of rows that are not shown."""
        longest = longest_cells(self._sizes.values())
        if len({key.server for key in self._rows}) < 2:
            longest.pop(Column.SERVER, None)
        return longest
