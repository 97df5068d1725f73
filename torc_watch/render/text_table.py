"""Rows of text as a table with aligned columns."""

from collections.abc import Iterator, Sequence

from torc_watch.render.terminal_text import columns

_GAP = "  "


def table_lines(rows: Sequence[tuple[str, ...]], numbers: Sequence[int] = ()) -> Iterator[str]:
    """The first row is the head; columns of ``numbers`` are aligned at the right."""
    widths = [max(map(columns, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        spaces = [" " * (width - columns(cell)) for cell, width in zip(row, widths, strict=True)]
        cells = (
            space + cell if index in numbers else cell + space
            for index, (cell, space) in enumerate(zip(row, spaces, strict=True))
        )
        yield _GAP.join(cells).rstrip()
