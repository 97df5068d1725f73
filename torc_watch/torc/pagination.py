"""One thing, a list of any length, or the length of a list, read from the server."""

from typing import TypeVar

from torc_watch.core.errors import ServerFault
from torc_watch.torc.transport import Transport
from torc_watch.torc.wire import IdRow, Page, Row, read

PAGE_SIZE = 10_000  # Torc's own limit, for what is asked for and for what is sent

RowT = TypeVar("RowT", bound=Row)
NumberedRowT = TypeVar("NumberedRowT", bound=IdRow)
Filter = int | str | None


async def fetch(transport: Transport, path: str, row: type[RowT]) -> RowT:
    return read(row, await transport.get(path), path)


async def list_all(
    transport: Transport, path: str, row: type[NumberedRowT], **filters: Filter
) -> list[NumberedRowT]:
    """Every thing in the list, by ascending id, in one request per 10,000.

    Raises ServerFault when the server keeps sending what it has sent already, or promises more
    and sends nothing: either would go on for ever.
    """
    rows: list[NumberedRowT] = []
    while True:
        answer = await transport.get(
            path, offset=len(rows), limit=PAGE_SIZE, sort_by="id", **filters
        )
        page = read(Page, answer, path)
        new_rows = [read(row, item, path) for item in page.items]
        if new_rows and rows and new_rows[0].id <= rows[-1].id:
            raise ServerFault(f"The server sends the same part of the list {path} again and again.")
        rows += new_rows
        if not page.has_more:
            return rows
        if not new_rows:
            raise ServerFault(f"The server promises more of the list {path} but sends nothing.")


async def count(transport: Transport, path: str, **filters: Filter) -> int:
    """How many things are in the list, for the price of one."""
    page = read(Page, await transport.get(path, limit=1, **filters), path)
    return page.total_count
