"""The throttle of one server that many watches share."""

from collections import Counter

import anyio
import pytest

from torc_watch.core.errors import ServerUnreachable
from torc_watch.engine.watcher import ServerThrottle

pytestmark = pytest.mark.looptime


async def poll(throttle: ServerThrottle, polls: list[float], *, fails_until: float = 0) -> None:
    """A poll that takes the server a second, repeated after a second until it succeeds."""
    while True:
        try:
            async with throttle.poll_slot():
                polls.append(anyio.current_time())
                await answer(fails_until)
        except ServerUnreachable:
            await anyio.sleep(1)
        else:
            return


async def answer(fails_until: float) -> None:
    await anyio.sleep(1)
    if anyio.current_time() < fails_until:
        raise ServerUnreachable("Refused.")


async def test_at_most_eight_watches_poll_at_once() -> None:
    throttle, polls = ServerThrottle(), list[float]()
    began = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        for _ in range(80):
            tasks.start_soon(poll, throttle, polls)

    assert anyio.current_time() - began == pytest.approx(10)
    assert max(polls.count(moment) for moment in polls) == 8


async def test_only_one_watch_retries_a_failing_server() -> None:
    """80 watches share 8 slots; also watches that waited for a slot do not retry."""
    throttle, polls = ServerThrottle(), list[float]()
    began = anyio.current_time()

    async def failing_poll() -> None:
        await poll(throttle, polls, fails_until=began + 600)

    async with anyio.create_task_group() as tasks:
        for _ in range(80):
            tasks.start_soon(failing_poll)

    retries = [moment - began for moment in polls if 1 < moment - began < 599]
    assert 10 < len(retries) < 30  # pauses of half a minute to a minute
    assert len(set(retries)) == len(retries)
    assert anyio.current_time() - began < 600 + 60 + 20


async def test_simultaneous_errors_count_as_one_failure() -> None:
    throttle, polls = ServerThrottle(), list[float]()
    began = anyio.current_time()

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(lambda: poll(throttle, polls, fails_until=began + 1.5))

    assert polls[8] - began == pytest.approx(2)  # after the pause of one failure


async def test_failure_after_a_success_is_the_first_again() -> None:
    throttle, polls = ServerThrottle(), list[float]()
    for _ in range(2):
        began = anyio.current_time()
        await poll(throttle, polls, fails_until=began + 30)
        retries = [moment - began for moment in polls if moment >= began]
        assert retries[0] == 0
        assert retries[1] <= 2.5  # a second, and the pause of one failure


async def test_poll_with_a_zero_timeout_does_not_wait() -> None:
    throttle, reasons = ServerThrottle(), list[str]()
    began = anyio.current_time()

    async def poll_without_waiting() -> None:
        try:
            async with throttle.poll_slot(0):
                await answer(began + 600)
        except ServerUnreachable as error:
            reasons.append(str(error))

    async with anyio.create_task_group() as tasks:
        for _ in range(1000):
            tasks.start_soon(poll_without_waiting)

    assert anyio.current_time() - began == pytest.approx(1)
    assert reasons == ["Refused."] * 1000


async def test_streams_are_limited() -> None:
    throttle = ServerThrottle()
    allowed: list[bool] = []

    async def listen() -> None:
        async with throttle.stream_slot() as may_listen:
            allowed.append(may_listen)
            await anyio.sleep(10)

    async with anyio.create_task_group() as tasks:
        for _ in range(101):
            tasks.start_soon(listen)
    await listen()

    assert allowed == [True] * 100 + [False, True]


async def test_watches_that_start_together_spread_their_polls() -> None:
    throttle, seconds = ServerThrottle(), list[int]()

    async def watch() -> None:
        wait = throttle.next_poll_delay(60, is_first=True)
        for _ in range(10):
            await anyio.sleep(wait)
            seconds.append(int(anyio.current_time()))
            wait = throttle.next_poll_delay(60, is_first=False)

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(watch)

    assert len(seconds) == 500
    assert max(Counter(seconds).values()) == 1
