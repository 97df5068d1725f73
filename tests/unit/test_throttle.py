"""Many watches and one server."""

from collections import Counter

import anyio
import pytest

from torc_watch.core.errors import ServerUnreachable
from torc_watch.engine.throttle import ServerThrottle

pytestmark = pytest.mark.looptime


async def look(throttle: ServerThrottle, looks: list[float], *, fails_until: float = 0) -> None:
    """One second of the server's attention, and again a second later until it was given."""
    while True:
        try:
            async with throttle.poll_slot():
                looks.append(anyio.current_time())
                await answer(fails_until)
        except ServerUnreachable:
            await anyio.sleep(1)
        else:
            return


async def answer(fails_until: float) -> None:
    await anyio.sleep(1)
    if anyio.current_time() < fails_until:
        raise ServerUnreachable("Refused.")


async def test_a_few_look_at_once() -> None:
    throttle, looks = ServerThrottle(), list[float]()
    began = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        for _ in range(80):
            tasks.start_soon(look, throttle, looks)

    assert anyio.current_time() - began == pytest.approx(10)
    assert max(looks.count(moment) for moment in looks) == 8


async def test_an_unwell_server_is_tried_by_one() -> None:
    """Also by those who were waiting for their turn when it fell ill: there are ten times eight."""
    throttle, looks = ServerThrottle(), list[float]()
    began = anyio.current_time()

    async def failing_look() -> None:
        await look(throttle, looks, fails_until=began + 600)

    async with anyio.create_task_group() as tasks:
        for _ in range(80):
            tasks.start_soon(failing_look)

    unwell = [moment - began for moment in looks if 1 < moment - began < 599]
    assert 10 < len(unwell) < 30  # pauses of half a minute to a minute
    assert len(set(unwell)) == len(unwell)
    assert anyio.current_time() - began < 600 + 60 + 20


async def test_what_several_meet_at_once_is_one_failure() -> None:
    throttle, looks = ServerThrottle(), list[float]()
    began = anyio.current_time()

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(lambda: look(throttle, looks, fails_until=began + 1.5))

    assert looks[8] - began == pytest.approx(2)  # after its own pause, and no longer one


async def test_who_is_in_a_hurry_waits_for_nobody() -> None:
    throttle, reasons = ServerThrottle(), list[str]()
    began = anyio.current_time()

    async def hurried_look() -> None:
        try:
            async with throttle.poll_slot(0):
                await answer(began + 600)
        except ServerUnreachable as error:
            reasons.append(str(error))

    async with anyio.create_task_group() as tasks:
        for _ in range(1000):
            tasks.start_soon(hurried_look)

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


async def test_watches_that_begin_together_do_not_go_on_together() -> None:
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
