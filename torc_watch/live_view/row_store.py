"""The rows of all workflows, of which only those are made anew that have changed."""

from collections.abc import Sequence

from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.commands import Action
from torc_watch.daemon.workflow_view import WorkflowView
from torc_watch.live_view.column_layout import longest_cells
from torc_watch.live_view.glyphs import Glyphs
from torc_watch.live_view.live_row import Column, LiveRow, live_row
from torc_watch.live_view.live_state import LiveState
from torc_watch.live_view.row_order import RowOrder, chosen_rows
from torc_watch.render.terminal_text import columns


class RowStore:
    """What is shown is found anew only where a change may be seen in it.

    1,000 workflows change 17 times a second, and mostly in the time of their next poll alone.
    """

    def __init__(self, glyphs: Glyphs) -> None:
        self._glyphs = glyphs
        self._rows: dict[WorkflowKey, LiveRow] = {}
        self._sizes: dict[WorkflowKey, dict[Column, int]] = {}
        self._chosen: list[WorkflowKey] | None = None
        self._longest: dict[Column, int] | None = None
        self._order = RowOrder.ATTENTION
        self._wanted = ""

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def order(self) -> RowOrder:
        return self._order

    @property
    def wanted(self) -> str:
        """The filter."""
        return self._wanted

    def choose(self, *, order: RowOrder | None = None, wanted: str | None = None) -> None:
        """Changes the order, or the filter."""
        self._order = self._order if order is None else order
        self._wanted = self._wanted if wanted is None else wanted
        self._chosen = None

    def update(self, state: LiveState) -> bool:
        """Whether anything is different now."""
        views = {view.key: view for view in state.views}
        keys = dict.fromkeys([*views, *state.waiting])
        gone = self._rows.keys() - keys
        for key in gone:
            del self._rows[key], self._sizes[key]
        if gone:
            self._chosen = self._longest = None
        has_changed = bool(gone)
        for key in keys:
            view, waiting = views.get(key), state.waiting.get(key, ())
            if not self._is_known(key, view, waiting):
                self._put(live_row(key, view, waiting, self._glyphs))
                has_changed = True
        return has_changed

    def _is_known(
        self, key: WorkflowKey, view: WorkflowView | None, waiting: Sequence[Action]
    ) -> bool:
        row = self._rows.get(key)
        if row is None or row.waiting != tuple(waiting):
            return False
        return row.view is view or row.view == view  # the first is usual, and quick

    def _put(self, row: LiveRow) -> None:
        before = self._rows.get(row.key)
        self._rows[row.key] = row
        if before is None or before.search_text != row.search_text:
            self._sizes[row.key] = {column: columns(text) for column, text in row.cells.items()}
            self._chosen = self._longest = None

    def rows(self) -> list[LiveRow]:
        """Those that are shown, in their order."""
        if self._chosen is None:
            found = chosen_rows(self._rows.values(), self._order, self._wanted)
            self._chosen = [row.key for row in found]
        return [self._rows[key] for key in self._chosen]

    def longest(self) -> dict[Column, int]:
        """The widest cell of each column, also of rows that are not shown."""
        if self._longest is None:
            self._longest = longest_cells(self._sizes.values())
            if len({key.server for key in self._rows}) < 2:
                self._longest.pop(Column.SERVER, None)
        return self._longest
