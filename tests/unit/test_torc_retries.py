"""Which requests are repeated, how often, and after which pauses; time is virtual."""

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from torc_watch.core.errors import Conflict, ServerError, ServerFault, ServerUnreachable
from torc_watch.torc.transport import Connection, Transport

pytestmark = pytest.mark.looptime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Outcome = int | Exception


def outcomes_in_turn(*outcomes: Outcome) -> httpx.MockTransport:
    turns: Iterator[Outcome] = iter(outcomes)

    def answer(request: httpx.Request) -> httpx.Response:
        outcome = next(turns)
        if isinstance(outcome, Exception):
            raise outcome
        return httpx.Response(outcome, json={"for": request.method})

    return httpx.MockTransport(answer)


def transport_of(http: httpx.AsyncBaseTransport, timeout: float = 30.0) -> Transport:
    return Transport(Connection(url="localhost:8080", timeout=timeout), http=http)


async def call(transport: Transport, kind: str) -> Any:
    calls: dict[str, Callable[[], Any]] = {
        "GET": lambda: transport.get("/x"),
        "PUT": lambda: transport.put("/x"),
        "PUT once": lambda: transport.put("/x", repeatable=False),
        "DELETE": lambda: transport.delete("/x"),
        "POST": lambda: transport.post("/x", body={}),
        "POST again": lambda: transport.post("/x", repeatable=True),
    }
    return await calls[kind]()


NEVER_SENT = [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow"), httpx.PoolTimeout("")]
MAYBE_ARRIVED = [
    httpx.ReadTimeout("silence"),
    httpx.WriteError("cut"),
    httpx.ReadError("reset"),
    httpx.RemoteProtocolError("closed without an answer"),
]


@pytest.mark.parametrize("kind", ["GET", "PUT", "PUT once", "DELETE", "POST", "POST again"])
@pytest.mark.parametrize("error", NEVER_SENT, ids=repr)
async def test_request_that_was_never_sent_is_repeated(kind: str, error: Exception) -> None:
    async with transport_of(outcomes_in_turn(error, error, error, 200)) as transport:
        assert await call(transport, kind) == {"for": kind.split(maxsplit=1)[0]}
        assert transport.requests_sent == 4


@pytest.mark.parametrize("kind", ["GET", "PUT", "DELETE", "POST again"])
@pytest.mark.parametrize("trouble", [*MAYBE_ARRIVED, 502, 503, 504], ids=repr)
async def test_request_that_is_safe_to_repeat_is_repeated(kind: str, trouble: Outcome) -> None:
    async with transport_of(outcomes_in_turn(trouble, 200)) as transport:
        await call(transport, kind)
        assert transport.requests_sent == 2


@pytest.mark.parametrize("kind", ["POST", "PUT once"])
@pytest.mark.parametrize("trouble", [*MAYBE_ARRIVED, 500, 502, 503, 504], ids=repr)
async def test_request_that_may_have_arrived_and_is_unsafe_is_sent_once(
    kind: str, trouble: Outcome
) -> None:
    async with transport_of(outcomes_in_turn(trouble)) as transport:
        with pytest.raises(ServerError):
            await call(transport, kind)
        assert transport.requests_sent == 1


async def test_read_is_repeated_after_500() -> None:
    async with transport_of(outcomes_in_turn(500, 500, 200)) as transport:
        await transport.get("/x")
        assert transport.requests_sent == 3


@pytest.mark.parametrize("kind", ["PUT", "DELETE", "POST again"])
async def test_change_is_not_repeated_after_500(kind: str) -> None:
    async with transport_of(outcomes_in_turn(500)) as transport:
        with pytest.raises(ServerFault):
            await call(transport, kind)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 409, 422])
async def test_refused_request_is_not_repeated(status: int) -> None:
    async with transport_of(outcomes_in_turn(status)) as transport:
        with pytest.raises(ServerError):
            await transport.get("/x")
        assert transport.requests_sent == 1


@pytest.mark.parametrize("kind", ["GET", "POST", "PUT"])
async def test_request_of_too_many_is_repeated(kind: str) -> None:
    """The server has not looked at it, so that a change too may be sent again."""
    async with transport_of(outcomes_in_turn(429, 429, 200)) as transport:
        await call(transport, kind)
        assert transport.requests_sent == 3


async def test_request_fails_after_four_attempts_with_growing_pauses() -> None:
    sent_at: list[float] = []

    def refuse(_: httpx.Request) -> httpx.Response:
        sent_at.append(asyncio.get_running_loop().time())
        raise httpx.ConnectError("refused")

    async with transport_of(httpx.MockTransport(refuse)) as transport:
        with pytest.raises(ServerUnreachable):
            await transport.get("/x")
    pauses = [later - earlier for earlier, later in pairwise(sent_at)]
    assert len(pauses) == 3
    for pause, least in zip(pauses, (0.25, 0.5, 1.0), strict=True):
        assert least <= pause <= least + 0.26


async def test_error_of_the_last_attempt_is_raised() -> None:
    async with transport_of(outcomes_in_turn(500, httpx.ReadTimeout(""), 503, 409)) as transport:
        with pytest.raises(Conflict):
            await transport.get("/x")


async def test_request_to_a_silent_server_times_out() -> None:
    async def be_silent(_: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError

    async with transport_of(httpx.MockTransport(be_silent), timeout=7) as transport:
        started = asyncio.get_running_loop().time()
        with pytest.raises(ServerUnreachable, match="within 7 s"):
            await transport.post("/x")
        assert asyncio.get_running_loop().time() - started == pytest.approx(7)


async def test_request_canceled_in_a_pause_is_not_repeated() -> None:
    refused = outcomes_in_turn(*[httpx.ConnectError("refused")] * 4)
    async with transport_of(refused) as transport:
        with anyio.move_on_after(0.1) as scope:
            await transport.get("/x")
        assert scope.cancelled_caught
        assert transport.requests_sent == 1


async def test_transport_with_one_attempt_repeats_nothing() -> None:
    http = outcomes_in_turn(httpx.ConnectError("refused"), 200)
    async with Transport(Connection(url="localhost:8080"), http=http, attempts=1) as transport:
        with pytest.raises(ServerUnreachable):
            await transport.get("/x")
