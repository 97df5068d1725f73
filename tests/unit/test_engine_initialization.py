"""A round of recovery on a server that needs minutes to initialize the jobs."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from torc_watch.core import events
from torc_watch.core.events import Verdict
from torc_watch.core.units import MIB

if TYPE_CHECKING:
    from tests.conftest import Forward, OpenSite

pytestmark = pytest.mark.looptime

OOM = (137, 64 * MIB, 10.0)


@dataclass
class SlowInitialization:
    """Torc 1.0 with a large workflow: a task works for ``seconds`` before anything changes."""

    seconds: float
    queries: list[str] = field(default_factory=list)
    begun: anyio.Event = field(default_factory=anyio.Event)
    ends: float = 0.0
    started: httpx.Request | None = None

    async def __call__(self, request: httpx.Request, forward: "Forward") -> httpx.Response:
        path = request.url.path
        if path.endswith("/initialize_jobs"):
            return self._start(request)
        if self.started is not None:
            if anyio.current_time() >= self.ends:
                plain = self.started.url.copy_remove_param("async")
                await forward(httpx.Request("POST", plain, headers=request.headers))
                self.started = None
            elif path.endswith("/active_task"):
                return httpx.Response(200, json={"task": self._task("running")})
        if "/tasks/" in path:
            return httpx.Response(200, json=self._task("running" if self.started else "succeeded"))
        return await forward(request)

    def _start(self, request: httpx.Request) -> httpx.Response:
        assert self.started is None, "started twice"
        self.begun.set()
        self.queries.append(request.url.query.decode())
        self.started, self.ends = request, anyio.current_time() + self.seconds
        return httpx.Response(202, json=self._task("queued"))

    def _task(self, status: str) -> dict[str, object]:
        return {"id": 1, "workflow_id": 1, "operation": "initialize_jobs", "status": status}


@pytest.fixture
def slow() -> SlowInitialization:
    return SlowInitialization(300)


async def test_round_waits_for_the_server_and_says_so(
    open_site: "OpenSite", slow: SlowInitialization
) -> None:
    async with open_site() as site:
        site.scheduler.endings = {"big": [OOM]}
        workflow_id = await site.submit(["big", "next"], after={"next": "big"})
        site.line.fault = slow

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED
        assert slow.queries == ["only_uninitialized=true&async=true"]
        awaited = site.seen(events.InitializationAwaited)
        assert [event.seconds for event in awaited] == [10, 20, 40, 80, 160]
        assert await site.results(workflow_id) == [("big", 1, 137), ("big", 2, 0), ("next", 2, 0)]


@pytest.mark.parametrize("seconds", [20, 250])
async def test_watch_that_was_killed_goes_on_waiting(
    open_site: "OpenSite", slow: SlowInitialization, seconds: float
) -> None:
    async with open_site() as site:
        site.scheduler.endings = {"big": [OOM]}
        workflow_id = await site.submit(["big", "next"], after={"next": "big"})
        site.line.fault = slow
        async with anyio.create_task_group() as first:
            first.start_soon(site.watch, workflow_id)
            await slow.begun.wait()
            await anyio.sleep(seconds)
            first.cancel_scope.cancel()

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED
        assert len(slow.queries) == 1
        assert await site.results(workflow_id) == [("big", 1, 137), ("big", 2, 0), ("next", 2, 0)]


async def test_lost_answer_costs_no_round(open_site: "OpenSite", slow: SlowInitialization) -> None:
    async def lose_answer(request: httpx.Request, forward: "Forward") -> httpx.Response:
        answer = await slow(request, forward)
        if request.url.path.endswith("/initialize_jobs"):
            raise httpx.ReadError("connection reset")
        return answer

    async with open_site() as site:
        site.scheduler.endings = {"big": [OOM]}
        workflow_id = await site.submit(["big"])
        site.line.fault = lose_answer

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED
        assert len(slow.queries) == 1
        assert len(site.seen(events.RecoveryAttempted)) == 1
