"""Fetches a single item, a whole list, or the length of a list from the server."""

from collections.abc import AsyncIterator
from typing import Any, TypeVar

from torc_watch.core.errors import AnswerTooLarge, ServerFault
from torc_watch.torc.answer_limits import LIST_BYTES, PAGE_SIZES
from torc_watch.torc.transport import Transport
from torc_watch.torc.wire import IdRow, ListPage, WireRowT, parse

IdRowT = TypeVar("IdRowT", bound=IdRow)


async def fetch(transport: Transport, path: str, row: type[WireRowT]) -> WireRowT:
    return parse(row, await transport.get(path), path)


async def list_all(
    transport: Transport, path: str, row: type[IdRowT], **filters: Any
) -> list[IdRowT]:
    """All items of the list by ascending id, with one request per 10,000 items.

    Smaller pages are requested where these are too large. Raises ServerFault if the server repeats
    a page, or announces more items and sends none: either would be an endless loop.
    """
    return [item async for page in pages(transport, path, row, **filters) for item in page]


async def pages(
    transport: Transport, path: str, row: type[IdRowT], **filters: Any
) -> AsyncIterator[list[IdRowT]]:
    """The same page by page."""
    sizes = list(PAGE_SIZES)
    offset, last = 0, None
    while True:
        page = await _page(transport, path, sizes, offset, filters)
        rows = [parse(row, item, path) for item in page.items]
        if rows and last is not None and rows[0].id <= last:
            raise ServerFault(f"The server sends the same page of {path} repeatedly.")
        yield rows
        if not page.has_more:
            return
        if not rows:
            raise ServerFault(f"The server announces more items of {path} but sends none.")
        offset, last = offset + len(rows), rows[-1].id


async def newest(
    transport: Transport, path: str, row: type[IdRowT], **filters: Any
) -> list[IdRowT]:
    """The items with the highest ids, no more than one request gives."""
    page = await newest_page(transport, path, **filters)
    return [parse(row, item, path) for item in page.items]


async def newest_page(transport: Transport, path: str, **filters: Any) -> ListPage:
    """The same as the server sends them, with how many there are in all."""
    filters = {"reverse_sort": "true", **filters}
    return await _page(transport, path, list(PAGE_SIZES), 0, filters)


async def _page(
    transport: Transport, path: str, sizes: list[int], offset: int, filters: dict[str, Any]
) -> ListPage:
    """A page of the first of ``sizes`` with which the server's answer is not too large.

    Takes away those with which it was. Raises AnswerTooLarge if it was with each.
    """
    while True:
        try:
            answer = await transport.get(
                path, most=LIST_BYTES, offset=offset, limit=sizes[0], sort_by="id", **filters
            )
        except AnswerTooLarge:
            if len(sizes) == 1:
                raise
            del sizes[0]
        else:
            return parse(ListPage, answer, path)


async def count(transport: Transport, path: str, **filters: Any) -> int:
    """The length of the list, from a request for a single item."""
    page = parse(ListPage, await transport.get(path, limit=1, **filters), path)
    return page.total_count
