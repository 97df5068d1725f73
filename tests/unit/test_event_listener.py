"""Events that trigger a poll before the poll interval is over, and servers without events."""

from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from torc_watch.core.events import Verdict
from torc_watch.engine.wake_up import Wake, WakeUp

if TYPE_CHECKING:
    from tests.conftest import OpenSite

pytestmark = pytest.mark.looptime


async def test_wait_without_an_event_lasts_for_the_interval() -> None:
    await WakeUp().wait(60)
    assert anyio.current_time() == 60


@pytest.mark.parametrize("early", [True, False])
async def test_event_ends_the_wait(*, early: bool) -> None:
    """An event between the poll and the wait also ends it."""
    wake_up = WakeUp()
    async with anyio.create_task_group() as tasks:
        if early:
            wake_up.set()
        tasks.start_soon(wake_up.wait, 60)
        await anyio.sleep(0 if early else 10)
        wake_up.set()
    assert anyio.current_time() == (0 if early else 10)


async def test_event_before_a_poll_does_not_end_the_wait() -> None:
    wake_up = WakeUp()
    wake_up.set()
    wake_up.forget()
    await wake_up.wait(60)
    assert anyio.current_time() == 60


@pytest.mark.parametrize(
    ("answer", "most"),
    [
        (httpx.Response(404), 1),
        (httpx.Response(404, json={"error": {"message": "what?"}}), 1),
        (httpx.Response(400, text="no"), 1),
        (httpx.Response(200, text="x" * 100_000), 1),
        (httpx.Response(200, text=""), 30),
        (httpx.Response(500, text="An internal error occurred"), 30),
        (httpx.Response(401, text="Unauthorized"), 30),
    ],
)
async def test_watch_polls_a_server_without_an_event_stream(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch, answer: httpx.Response, most: int
) -> None:
    """The stream is requested once, or with growing pauses."""
    asked: list[float] = []

    async def open_stream(_request: httpx.Request) -> httpx.Response:
        asked.append(anyio.current_time())
        return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)

    async with open_site() as site:
        monkeypatch.setattr(site.line, "open_stream", open_stream)
        site.scheduler.endings = {"a": [(0, None, 600.0)]}
        workflow_id = await site.submit(["a"])

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED
        assert 1 <= len(asked) <= most
        assert 600 <= anyio.current_time() <= 680


async def test_failures_are_awaited_until_there_are_no_more_for_a_moment() -> None:
    wake_up = WakeUp()

    async def fail() -> None:
        for _ in range(5):
            wake_up.set(Wake.FAILURE)
            await anyio.sleep(0.2)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fail)
        assert await wake_up.wait(60) is Wake.FAILURE
        assert await wake_up.settle(quiet=0.3, at_most=5) is Wake.FAILURE
        assert anyio.current_time() == pytest.approx(1.1)


async def test_endless_failures_are_not_awaited_for_ever() -> None:
    wake_up = WakeUp()

    async def fail() -> None:
        while True:
            wake_up.set(Wake.FAILURE)
            await anyio.sleep(0.2)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fail)
        await wake_up.wait(60)
        await wake_up.settle(quiet=0.3, at_most=1.1)
        assert anyio.current_time() == pytest.approx(1.1)
        tasks.cancel_scope.cancel()


async def test_other_event_among_failures_counts_more() -> None:
    wake_up = WakeUp()
    wake_up.set(Wake.FAILURE)
    wake_up.set(Wake.CHANGE)
    wake_up.set(Wake.FAILURE)
    assert await wake_up.wait(60) is Wake.CHANGE
