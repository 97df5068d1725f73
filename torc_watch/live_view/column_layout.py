"""Which columns fit into a width, and how wide each of them is."""

from collections.abc import Iterable, Mapping

from torc_watch.live_view.live_row import Column

GAP = 2
BAR = 10  # columns of a progress bar
_NEXT = 9  # of "in 59 min"
_MIN_NAME, _USUAL_NAME, _MAX_NAME = 12, 24, 60
_MIN_LAST = 16
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
    none are left out. What is left of ``width`` goes to what happened last, or else to names.
    """
    widths = _widths(longest)
    chosen: dict[Column, int] = {}
    room = width
    for column in _BY_IMPORTANCE:
        needed = widths.get(column, 0)
        if needed and (needed <= room or not chosen):
            chosen[column] = needed
            room -= needed + GAP
    room = _widened(chosen, longest, room, _USUAL_NAME)
    if room >= _MIN_LAST:
        chosen[Column.LAST] = room
    else:
        _widened(chosen, longest, room, _MAX_NAME)
    return tuple((column, chosen[column]) for column in Column if column in chosen)


def _widened(chosen: dict[Column, int], longest: Mapping[Column, int], room: int, most: int) -> int:
    """Gives names what they need, up to ``most``, if there is room; what is left of it."""
    if Column.NAME not in chosen:
        return room
    more = max(0, min(room, min(longest[Column.NAME], most) - chosen[Column.NAME]))
    chosen[Column.NAME] += more
    return room - more


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
