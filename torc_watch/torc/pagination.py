"""Fetches a single item, a whole list, or the length of a list from the server."""

from typing import TypeVar

from torc_watch.core.errors import ServerFault
from torc_watch.torc.transport import Transport
from torc_watch.torc.wire import IdRow, ListPage, WireRowT, parse

PAGE_SIZE = 10_000  # Torc's limit for lists and for batches

IdRowT = TypeVar("IdRowT", bound=IdRow)
QueryValue = int | str | None


async def fetch(transport: Transport, path: str, row: type[WireRowT]) -> WireRowT:
    return parse(row, await transport.get(path), path)


async def list_all(
    transport: Transport, path: str, row: type[IdRowT], **filters: QueryValue
) -> list[IdRowT]:
    """All items of the list by ascending id, with one request per 10,000 items.

    Raises ServerFault if the server repeats a page, or announces more items and sends none: either
    would be an endless loop.
    """
    rows: list[IdRowT] = []
    while True:
        answer = await transport.get(
            path, offset=len(rows), limit=PAGE_SIZE, sort_by="id", **filters
        )
        page = parse(ListPage, answer, path)
        new_rows = [parse(row, item, path) for item in page.items]
        if new_rows and rows and new_rows[0].id <= rows[-1].id:
            raise ServerFault(f"The server sends the same page of {path} repeatedly.")
        rows += new_rows
        if not page.has_more:
            return rows
        if not new_rows:
            raise ServerFault(f"The server announces more items of {path} but sends none.")


async def count(transport: Transport, path: str, **filters: QueryValue) -> int:
    """The length of the list, from a request for a single item."""
    page = parse(ListPage, await transport.get(path, limit=1, **filters), path)
    return page.total_count
