"""Lists of any length, and servers whose pages never end."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.errors import ServerFault
from torc_watch.torc.pagination import count, list_all
from torc_watch.torc.transport import Connection, Transport
from torc_watch.torc.wire import IdRow


class ListServer:
    """Serves ``total`` items with ids 1, 2, 3, …, at most ``most`` in an answer."""

    def __init__(self, total: int, most: int = 10_000) -> None:
        self.total = total
        self.most = most
        self.queries: list[dict[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        query = dict(request.url.params)
        self.queries.append(query)
        offset, limit = int(query.get("offset", 0)), min(int(query["limit"]), self.most)
        ids = range(1, self.total + 1)[offset : offset + limit]
        page = {
            "items": [{"id": number} for number in ids],
            "total_count": self.total,
            "has_more": offset + limit < self.total,
        }
        return httpx.Response(200, content=json.dumps(page))

    def transport(self) -> Transport:
        return Transport(Connection(url="localhost:8080"), http=httpx.MockTransport(self))


@given(total=st.integers(0, 40), most=st.integers(1, 9))
async def test_every_item_is_read_once_with_any_page_size(total: int, most: int) -> None:
    server = ListServer(total, most)
    async with server.transport() as transport:
        rows = await list_all(transport, "/jobs", IdRow)
    assert [row.id for row in rows] == list(range(1, total + 1))
    assert len(server.queries) == max(1, -(-total // most))


async def test_requests_are_limited_sorted_and_filtered() -> None:
    server = ListServer(10_001)
    async with server.transport() as transport:
        assert len(await list_all(transport, "/jobs", IdRow, status="failed", x=None)) == 10_001
    common = {"limit": "10000", "sort_by": "id", "status": "failed"}
    assert server.queries == [{**common, "offset": "0"}, {**common, "offset": "10000"}]


async def test_counting_sends_one_small_request() -> None:
    server = ListServer(123_456)
    async with server.transport() as transport:
        assert await count(transport, "/jobs", status="failed") == 123_456
    assert server.queries == [{"limit": "1", "status": "failed"}]


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ({"items": [{"id": 1}], "total_count": 9, "has_more": True}, "repeatedly"),
        ({"items": [], "total_count": 9, "has_more": True}, "sends none"),
        ({"items": [{"id": 1}], "total_count": 9}, "has_more"),
        ({"items": [{"name": "x"}], "total_count": 1, "has_more": False}, "id"),
        ([], "the whole answer"),
        (None, "the whole answer"),
    ],
)
async def test_endless_lists_are_faults(page: Any, words: str) -> None:
    http = httpx.MockTransport(lambda _: httpx.Response(200, json=page))
    async with Transport(Connection(url="localhost:8080"), http=http) as transport:
        with pytest.raises(ServerFault, match=words) as fault:
            await list_all(transport, "/jobs", IdRow)
    assert "/jobs" in str(fault.value)
    assert transport.requests_sent <= 2
