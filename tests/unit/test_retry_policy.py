"""The policies for calls that are retried for a long time; time is virtual."""

from collections.abc import AsyncIterator, Iterator
from itertools import pairwise

import anyio
import httpx
import pytest
from tenacity import RetryCallState

from torc_watch.core.errors import ServerError, ServerFault, ServerUnreachable
from torc_watch.engine.wake_up import WakeUp
from torc_watch.engine.watcher import listen
from torc_watch.torc.retry_policy import FAULTS, outage_policy
from torc_watch.torc.transport import Connection, Transport

pytestmark = pytest.mark.looptime

EVENT = b"event: job_completed\n\n"


def streams(*contents: bytes | int) -> tuple[httpx.MockTransport, list[float]]:
    """A server that answers with these streams and statuses, then with 404; its request times."""
    turns: Iterator[bytes | int] = iter([*contents, 404])
    requested_at: list[float] = []

    async def body(content: bytes) -> AsyncIterator[bytes]:
        yield content

    def answer(_: httpx.Request) -> httpx.Response:
        requested_at.append(anyio.current_time())
        turn = next(turns)
        if isinstance(turn, int):
            return httpx.Response(turn, json={})
        return httpx.Response(200, content=body(turn))

    return httpx.MockTransport(answer), requested_at


async def pauses(*contents: bytes | int) -> list[float]:
    """The seconds between requests for an event stream, until the server answers 404."""
    http, requested_at = streams(*contents)
    async with Transport(Connection(url="localhost:8080"), http=http) as transport:
        await listen(transport, 7, WakeUp())
    return [later - earlier for earlier, later in pairwise(requested_at)]


def is_backoff(waited: list[float]) -> bool:
    longest = [min(60.0, 2.0**failures) for failures in range(len(waited))]
    return all(most / 2 <= pause <= most for pause, most in zip(waited, longest, strict=True))


@pytest.mark.parametrize("trouble", [b"", 500, 401, 503])
async def test_stream_that_ends_or_fails_is_reopened_with_growing_pauses(
    trouble: bytes | int,
) -> None:
    assert is_backoff(await pauses(*[trouble] * 12))


async def test_stream_that_works_resets_the_backoff() -> None:
    waited = await pauses(*[500] * 5, EVENT, *[500] * 5)
    assert is_backoff(waited[:5])
    assert is_backoff(waited[5:])


@pytest.mark.parametrize("status", [404, 400])
async def test_stream_that_does_not_exist_is_not_requested_again(status: int) -> None:
    assert await pauses(status) == []


async def test_only_error_responses_count_as_faults() -> None:
    calls = 0

    async def fail() -> None:
        nonlocal calls
        calls += 1
        error: type[ServerError] = ServerUnreachable if calls % 2 else ServerFault
        raise error(str(calls))

    async def pause(state: RetryCallState) -> None:
        await anyio.sleep(state.upcoming_sleep)

    with pytest.raises(ServerFault):
        await outage_policy(pause)(fail)
    assert calls == 2 * FAULTS
    assert anyio.current_time() == 1 + 2 + 4 + 8 + 16 + 4 * 30
