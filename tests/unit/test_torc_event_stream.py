"""The event stream: parsing, and how a stream ends."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import anyio
import httpx
import pytest

from torc_watch.core.errors import AccessDenied, ServerUnreachable
from torc_watch.torc.event_stream import stream_event_types
from torc_watch.torc.transport import Connection, Transport


class Pieces(httpx.AsyncByteStream):
    """Sends its pieces one by one, then raises an error, stays open or ends."""

    def __init__(self, *pieces: str, error: Exception | None = None, silent: bool = False) -> None:
        self.pieces = pieces
        self.error = error
        self.silent = silent
        self.is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece.encode()
        if self.error is not None:
            raise self.error
        if self.silent:
            await anyio.sleep_forever()

    async def aclose(self) -> None:
        self.is_closed = True


def transport_of(stream: Pieces) -> Transport:
    http = httpx.MockTransport(lambda _: httpx.Response(200, stream=stream))
    return Transport(Connection(url="localhost:8080"), http=http)


@pytest.mark.parametrize(
    ("pieces", "events"),
    [
        ([], []),
        (['event: job_failed\ndata: {"job_id": 7}\n\n'], ["job_failed"]),
        (["event: job_fai", "led\nda", "ta: {}\n", "\nevent:x\r\n\r\n"], ["job_failed", "x"]),
        (["event: a\ndata: {}\n\nevent: b\ndata: {}\n\n"], ["a", "b"]),
        ([": keep-alive\n\n", "data: {}\n\n", "retry: 5\n\n\n\n"], []),
        (["event: once\ndata: {}\n\n\n\n"], ["once"]),
        (["event: cut off in the middle\n"], []),
        (['event: warning\ndata: {"dropped": 3}\n\n'], ["warning"]),
    ],
)
async def test_events_in_a_stream(pieces: list[str], events: list[str]) -> None:
    async with transport_of(Pieces(*pieces)) as transport:
        assert [event async for event in stream_event_types(transport, 1)] == events


async def test_events_arrive_while_the_stream_is_open() -> None:
    stream = Pieces("event: job_failed\ndata: {}\n\n", silent=True)
    async with (
        transport_of(stream) as transport,
        aclosing(stream_event_types(transport, 1)) as events,
    ):
        assert await anext(events) == "job_failed"
    assert stream.is_closed


@pytest.mark.looptime
async def test_stream_without_events_is_not_an_error() -> None:
    async with transport_of(Pieces(silent=True)) as transport:
        with anyio.move_on_after(86_400) as scope:
            async for _ in stream_event_types(transport, 1):
                pytest.fail("there was no event")
    assert scope.cancelled_caught


async def test_broken_stream_is_unreachable() -> None:
    stream = Pieces("event: a\n\n", error=httpx.ReadError("reset"))
    async with transport_of(stream) as transport:
        events = stream_event_types(transport, 1)
        assert await anext(events) == "a"
        with pytest.raises(ServerUnreachable, match="events/stream"):
            await anext(events)
    assert stream.is_closed


async def test_refused_stream_is_an_error() -> None:
    http = httpx.MockTransport(lambda _: httpx.Response(401, text="Unauthorized"))
    async with Transport(Connection(url="localhost:8080"), http=http) as transport:
        with pytest.raises(AccessDenied, match="Unauthorized"):
            await anext(stream_event_types(transport, 1))


@pytest.mark.looptime
async def test_stream_that_does_not_open_is_unreachable() -> None:
    async def be_silent(_: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError

    connection = Connection(url="localhost:8080", timeout=5)
    async with Transport(connection, http=httpx.MockTransport(be_silent)) as transport:
        with pytest.raises(ServerUnreachable, match="within 5 s"):
            await anext(stream_event_types(transport, 1))
        assert transport.requests_sent == 1
