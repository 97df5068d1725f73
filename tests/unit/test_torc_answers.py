"""Answers that are too large, too slow, compressed, or without end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import anyio
import httpx
import pytest

from torc_watch.core.errors import AnswerTooLarge, ServerError, ServerFault, ServerUnreachable
from torc_watch.torc.answer_limits import ERROR_BYTES, EVENT_BYTES, LIST_BYTES, OBJECT_BYTES
from torc_watch.torc.api_version import ApiVersion
from torc_watch.torc.client import TorcClient
from torc_watch.torc.event_stream import stream_event_types
from torc_watch.torc.pagination import list_all
from torc_watch.torc.retry_policy import stream_policy
from torc_watch.torc.scheduling_actions import list_scheduling_actions
from torc_watch.torc.transport import Connection, Transport
from torc_watch.torc.wire import IdRow

pytestmark = pytest.mark.looptime

PIECE = b" " * 65_536
TIMEOUT = 30.0
Call = Callable[[TorcClient], Awaitable[Any]]


class Endless(httpx.AsyncByteStream):
    """The same piece again and again, with a pause of so many seconds before each."""

    def __init__(self, piece: bytes = PIECE, pause: float = 0.0) -> None:
        self.piece = piece
        self.pause = pause
        self.sent = 0
        self.is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await anyio.sleep(self.pause)
            self.sent += len(self.piece)
            yield self.piece

    async def aclose(self) -> None:
        self.is_closed = True


def transport_of(answer: Callable[[httpx.Request], httpx.Response]) -> Transport:
    connection = Connection(url="node1:8080", timeout=TIMEOUT)
    return Transport(connection, http=httpx.MockTransport(answer))


def transport_with(
    stream: httpx.AsyncByteStream, status: int = 200, headers: dict[str, str] | None = None
) -> Transport:
    return transport_of(lambda _: httpx.Response(status, headers=headers, stream=stream))


CALLS: dict[str, tuple[Call, int]] = {
    "version": (lambda c: c.ask_version(), OBJECT_BYTES),
    "workflow": (lambda c: c.get_workflow(1), OBJECT_BYTES),
    "counts": (lambda c: c.count_jobs(1), OBJECT_BYTES),
    "change": (lambda c: c.transport.put("/jobs/1"), OBJECT_BYTES),
    "deletion": (lambda c: c.delete_workflow(1), OBJECT_BYTES),
    "actions": (lambda c: list_scheduling_actions(c.transport, 1), LIST_BYTES),
}


@pytest.mark.parametrize(("call", "most"), CALLS.values(), ids=CALLS)
async def test_endless_answer_is_an_error_that_names_the_limit(call: Call, most: int) -> None:
    stream = Endless()
    async with transport_with(stream) as transport:
        with pytest.raises(AnswerTooLarge, match=f"more than {most // 2**20} MiB"):
            await call(TorcClient(transport, ApiVersion.V1_0, "1.0.0"))
    assert stream.sent <= most + len(PIECE)
    assert stream.is_closed
    assert transport.requests_sent == 1


async def test_answer_of_a_size_that_is_announced_is_not_read_if_it_is_too_large() -> None:
    stream = Endless()
    async with transport_with(stream, headers={"content-length": str(300 * 2**20)}) as transport:
        with pytest.raises(AnswerTooLarge):
            await transport.get("/workflows/1/status")
    assert stream.sent == 0
    assert stream.is_closed


def pages(total: int, size_of_item: int, limits: list[int]) -> Callable[..., httpx.Response]:
    """A server with a list of ``total`` items; notes the limit of each request."""

    def answer(request: httpx.Request) -> httpx.Response:
        limit, offset = (int(request.url.params[name]) for name in ("limit", "offset"))
        limits.append(limit)
        ids = range(offset + 1, min(offset + limit, total) + 1)
        if len(ids) * size_of_item > LIST_BYTES:
            return httpx.Response(200, stream=Endless())
        items = [{"id": number} for number in ids]
        has_more = bool(ids) and ids[-1] < total
        page = {"items": items, "total_count": total, "has_more": has_more}
        return httpx.Response(200, json=page)

    return answer


async def test_list_of_large_items_is_read_in_smaller_pages() -> None:
    limits: list[int] = []
    async with transport_of(pages(1_500, 15_000, limits)) as transport:
        rows = await list_all(transport, "/jobs", IdRow)
    assert [row.id for row in rows] == list(range(1, 1_501))
    assert limits == [10_000, 1_000, 1_000]


async def test_endless_list_is_an_error() -> None:
    limits: list[int] = []
    async with transport_of(pages(1_500, 15_000_000, limits)) as transport:
        with pytest.raises(AnswerTooLarge, match=r"GET .*/jobs was .* more than 16 MiB"):
            await list_all(transport, "/jobs", IdRow)
    assert limits == [10_000, 1_000, 100]


async def test_endless_dependencies_are_as_good_as_too_many() -> None:
    async with transport_with(Endless()) as transport:
        client = TorcClient(transport, ApiVersion.V1_0, "1.0.0")
        assert await client.list_dependents(1) is None


@pytest.mark.parametrize("status", [404, 500])
async def test_beginning_of_an_endless_error_says_what_happened(status: int) -> None:
    stream = Endless(b"The disk is full.\n")
    async with transport_with(stream, status) as transport:
        with pytest.raises(ServerError, match="The disk is full"):
            await transport.post("/x")
    assert stream.sent <= ERROR_BYTES + 100
    assert stream.is_closed


@pytest.mark.parametrize("attempts", [1, 4])
async def test_answer_that_drips_has_the_time_of_one_request(attempts: int) -> None:
    connection = Connection(url="node1:8080", timeout=TIMEOUT)
    http = httpx.MockTransport(lambda _: httpx.Response(200, stream=Endless(b" ", pause=1.0)))
    async with Transport(connection, http=http, attempts=attempts) as transport:
        began = asyncio.get_running_loop().time()
        with pytest.raises(ServerUnreachable, match=r"No complete answer from .*/x within 30 s"):
            await transport.get("/x")
        took = asyncio.get_running_loop().time() - began
    assert attempts * TIMEOUT <= took < attempts * (TIMEOUT + 2)


async def test_answer_is_asked_for_uncompressed_and_else_not_read() -> None:
    """A few bytes of a compressed answer may be gigabytes."""
    asked: list[str] = []
    stream = Endless()

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["accept-encoding"])
        return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=stream)

    async with transport_of(answer) as transport:
        with pytest.raises(ServerFault, match="'gzip'"):
            await transport.get("/x")
        with pytest.raises(ServerFault, match="'gzip'"):
            await anext(stream_event_types(transport, 1))
    assert asked == ["identity"] * 2
    assert stream.sent == 0


@pytest.mark.parametrize(
    "piece", [PIECE, b"x" * 99, b"data: x\n"], ids=["blocks", "small pieces", "lines"]
)
async def test_stream_is_given_up_when_an_event_does_not_end(piece: bytes) -> None:
    stream = Endless(piece)
    headers = {"content-type": "text/event-stream"}
    async with transport_with(stream, headers=headers) as transport:
        with pytest.raises(AnswerTooLarge, match="an event of more than 64 KiB"):
            await stream_policy()(_first_event, transport)
    assert stream.sent <= EVENT_BYTES + 2 * len(PIECE)
    assert stream.is_closed
    assert transport.requests_sent == 1


async def _first_event(transport: Transport) -> str:
    return await anext(stream_event_types(transport, 1))


async def test_stream_of_events_has_no_limit() -> None:
    event = b"event: job_failed\ndata: " + b"x" * 1_000 + b"\r\n\r\n"
    async with (
        transport_with(Endless(event)) as transport,
        aclosing(stream_event_types(transport, 1)) as events,
    ):
        for _ in range(100):
            assert await anext(events) == "job_failed"
