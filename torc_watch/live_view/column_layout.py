"""Which columns fit into a width, and how wide each of them is."""

from collections.abc import Iterable, Mapping

from torc_watch.live_view.workflow_row import Column

GAP = 2
BAR = 10  # columns of a progress bar
_NEXT = 9  # of "in 59 min"
_MIN_NAME, _MAX_NAME = 12, 40
_MIN_LAST = 20
# Those that come later are left out first.
_BY_IMPORTANCE = (
    Column.ID,
    Column.STATE,
    Column.NAME,
    Column.SERVER,
    Column.DONE,
    Column.FAILED,
    Column.PROGRESS,
    Column.ALLOCATIONS,
    Column.ROUND,
    Column.NEXT,
)

Layout = tuple[tuple[Column, int], ...]


def column_layout(width: int, longest: Mapping[Column, int]) -> Layout:
    """Columns from left to right with their widths; the last one may be cut at the screen's edge.

    ``longest`` has the width of the longest text of each column that has one; columns that have
    none are left out. What is left of ``width`` goes to names, then to what happened last.
    """
    widths = _widths(longest)
    chosen: dict[Column, int] = {}
    room = width
    for column in _BY_IMPORTANCE:
        needed = widths.get(column, 0)
        if needed and (needed + GAP <= room or not chosen):
            chosen[column] = needed
            room -= needed + GAP
    if Column.NAME in chosen:
        more = min(room, max(0, min(longest[Column.NAME], _MAX_NAME) - chosen[Column.NAME]))
        chosen[Column.NAME] += more
        room -= more
    if room >= _MIN_LAST:
        chosen[Column.LAST] = room
    return tuple((column, chosen[column]) for column in Column if column in chosen)


def _widths(longest: Mapping[Column, int]) -> dict[Column, int]:
    """Of each column that is needed; of names the least."""
    widths = {column: max(size, len(column)) for column, size in longest.items() if size}
    if Column.NAME in widths:
        widths[Column.NAME] = min(widths[Column.NAME], _MIN_NAME)
    return widths | {Column.PROGRESS: BAR, Column.NEXT: _NEXT}


def longest_cells(rows: Iterable[Mapping[Column, int]]) -> dict[Column, int]:
    """The widest cell of each column."""
    longest: dict[Column, int] = {}
    for row in rows:
        for column, size in row.items():
            longest[column] = max(size, longest.get(column, 0))
    return longest
