"""The engine decides nothing, and does nothing twice, while a server is unreachable or fails."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from torc_watch.core import events
from torc_watch.core.events import Verdict
from torc_watch.core.model import JobStatus
from torc_watch.core.recovery_round import Step
from torc_watch.core.units import MIB
from torc_watch.core.workflow_key import WorkflowIdentity

if TYPE_CHECKING:
    from tests.conftest import Fault, Forward, OpenSite, Site

pytestmark = pytest.mark.looptime

OOM = (137, 64 * MIB, 10.0)
UNKNOWN = (1, None, 10.0)


async def refuse(_request: httpx.Request, _forward: "Forward") -> httpx.Response:
    raise httpx.ConnectError("connection refused")


async def be_silent(_request: httpx.Request, _forward: "Forward") -> httpx.Response:
    await anyio.sleep_forever()
    raise AssertionError


async def lose_answer(request: httpx.Request, forward: "Forward") -> httpx.Response:
    await forward(request)
    raise httpx.ReadError("connection reset")


async def fail_after_the_change(request: httpx.Request, forward: "Forward") -> httpx.Response:
    """Torc 0.12 answers with 500 when only a part of its work succeeded."""
    await forward(request)
    return httpx.Response(500, text="An internal error occurred")


def answer(status: int, text: str) -> "Fault":
    async def fault(_request: httpx.Request, _forward: "Forward") -> httpx.Response:
        return httpx.Response(status, text=text)

    return fault


class Endless(httpx.AsyncByteStream):
    """A piece after each pause of so many seconds, without end."""

    def __init__(self, piece: bytes, pause: float) -> None:
        self.piece = piece
        self.pause = pause

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await anyio.sleep(self.pause)
            yield self.piece


def send_without_end(piece: bytes, pause: float = 0.0) -> "Fault":
    async def fault(_request: httpx.Request, _forward: "Forward") -> httpx.Response:
        return httpx.Response(200, stream=Endless(piece, pause))

    return fault


FAULTS = {
    "refused": refuse,
    "silent": be_silent,
    "drips": send_without_end(b" ", pause=1),
    "endless": send_without_end(b" " * 2**20),
    "lost": lose_answer,
    "500": answer(500, "An internal error occurred"),
    "503": answer(503, "upstream is unreachable"),
    "html": answer(200, "<html><body>It works!</body></html>"),
    "half": answer(200, '{"id": 1, "na'),
    "other": answer(200, '{"id": "one"}'),
}
BY_FAULT = pytest.mark.parametrize("name", FAULTS)


def during(fault: "Fault", since: float, until: float) -> "Fault":
    """The fault between two virtual times."""

    async def switch(request: httpx.Request, forward: "Forward") -> httpx.Response:
        if since <= anyio.current_time() < until:
            return await fault(request, forward)
        return await forward(request)

    return switch


@BY_FAULT
async def test_watch_continues_after_an_outage(open_site: "OpenSite", name: str) -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [(0, None, 500.0)]}
        workflow_id = await site.submit(["a"])
        site.line.fault = during(FAULTS[name], 100, 250)

        ended = await site.watch(workflow_id, patience=1200)

        assert ended.verdict is Verdict.SUCCEEDED
        failures = site.seen(events.PollFailed)
        assert 1 <= len(failures) <= 15
        assert all(failure.retry_in <= 60 for failure in failures)
        assert failures[0].retry_in < 2
        assert len(site.seen(events.PollRecovered)) == 1
        assert len(site.seen(events.WorkflowStalled)) == 0


async def test_outage_longer_than_the_limit_ends_the_watch(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [(0, None, 5000.0)]}
        workflow_id = await site.submit(["a"])
        site.line.fault = during(refuse, 1000, 10**9)

        ended = await site.watch(workflow_id, patience=1200)

        assert ended.verdict is Verdict.UNREACHABLE
        assert "connection refused" in ended.reason
        assert 2200 <= anyio.current_time() <= 2400


async def test_first_error_ends_a_watch_whose_outage_limit_is_zero(open_site: "OpenSite") -> None:
    async with open_site() as site:
        workflow_id = await site.submit(["a"])
        site.line.fault = during(refuse, 1, 10**9)

        ended = await site.watch(workflow_id, patience=0)

        assert ended.verdict is Verdict.UNREACHABLE
        assert not site.seen(events.PollFailed)


async def test_denied_access_ends_the_watch(open_site: "OpenSite") -> None:
    async with open_site() as site:
        workflow_id = await site.submit(["a"])
        site.line.fault = during(answer(401, "Unauthorized"), 1, 10**9)

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.UNREACHABLE
        assert "password" in ended.reason


WRITES = {
    "adjust: row": "POST /resource_requirements",
    "adjust: move": "PUT /jobs/1",
    "reset": "PUT /jobs/2/manage_status_change/uninitialized/1",
    "run": "POST /workflows/1/reset_status",
    "initialize": "POST /workflows/1/initialize_jobs",
    "allocate": "POST /scheduled_compute_nodes",
}


@pytest.mark.parametrize(
    ("api_version", "write", "fault"),
    [
        *(
            ("1.0", write, fault)
            for write in WRITES
            for fault in (refuse, lose_answer, fail_after_the_change)
        ),
        ("0.12", "run", lose_answer),  # API 0.12 needs two requests to start a run
    ],
)
async def test_round_continues_after_an_outage_at_any_of_its_changes(
    open_site: "OpenSite", fault: "Fault", write: str
) -> None:
    """One request of the round fails for 20 seconds; its effect must not be repeated."""
    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM], "b": [UNKNOWN]}
        workflow_id = await site.submit(["a", "b", "child"], after={"child": "a"})
        site.line.fault = from_first_request(WRITES[write], fault, seconds=20)

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED
        # The task of a lost answer is found, and awaited as if the answer had arrived.
        is_found = write == "initialize" and fault is not refuse
        assert bool(site.seen(events.PollFailed)) is not is_found
        assert len(site.seen(events.RecoveryPlanned)) == 1
        await assert_one_round(site, workflow_id)


async def test_jobs_are_initialized_once_when_the_answer_is_lost(open_site: "OpenSite") -> None:
    """A second initialization would restart jobs that were terminated in between."""
    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM]}
        workflow_id = await site.submit(["a"])
        site.line.fault = from_first_request(WRITES["initialize"], lose_answer, seconds=20)

        await site.watch(workflow_id)

        assert [path for _, _, path in site.line.sent].count("/workflows/1/initialize_jobs") == 1


async def test_scheduler_row_is_created_once_when_the_answer_is_lost(open_site: "OpenSite") -> None:
    """The workflow never had an allocation."""
    async with open_site() as site:
        workflow_id = await site.submit(["a"], allocations=0)
        site.line.fault = from_first_request("POST /local_schedulers", lose_answer, seconds=1)

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED
        (row,) = await site.client.list_scheduler_configs(workflow_id, "local")
        assert [request.work.scheduler_config_id for request in site.scheduler.requests] == [row.id]


async def assert_one_round(site: "Site", workflow_id: int) -> None:
    rows = [row.name for row in await site.client.list_requirements(workflow_id)]
    assert sorted(rows) == ["default", "small", "small.run2.96m.PT1M"]
    assert (await site.client.get_workflow(workflow_id)).run_id == 2
    assert len(site.scheduler.requests) == 2
    numbers = [each.scheduler_id for each in await site.client.list_allocations(workflow_id)]
    assert numbers == [1, 2]
    assert await site.results(workflow_id) == [
        ("a", 1, 137),
        ("a", 2, 0),
        ("b", 1, 1),
        ("b", 2, 0),
        ("child", 2, 0),
    ]


def from_first_request(place: str, fault: "Fault", *, seconds: float) -> "Fault":
    """The fault for requests to ``place``, for so many seconds from the first of them on."""
    since: float | None = None

    async def switch(request: httpx.Request, forward: "Forward") -> httpx.Response:
        nonlocal since
        path = request.url.path.removeprefix("/torc-service/v1")
        if f"{request.method} {path}" == place:
            since = anyio.current_time() if since is None else since
            if anyio.current_time() < since + seconds:
                return await fault(request, forward)
        return await forward(request)

    return switch


async def test_next_watch_continues_a_round_that_an_outage_interrupted(
    open_site: "OpenSite",
) -> None:
    """It uses the same plan: an unreachable server does not end the round."""
    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM], "b": [UNKNOWN]}
        workflow_id = await site.submit(["a", "b", "child"], after={"child": "a"})
        site.line.fault = from_first_request(WRITES["initialize"], refuse, seconds=10**9)
        assert (await site.watch(workflow_id, patience=600)).verdict is Verdict.UNREACHABLE
        site.line.fault = None

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.SUCCEEDED
        assert len(site.seen(events.RecoveryPlanned)) == 1
        assert site.seen(events.RecoveryContinued)[-1].step is Step.REINITIALIZE
        await assert_one_round(site, workflow_id)


async def test_round_without_a_plan_ends_when_the_workflow_has_succeeded(
    open_site: "OpenSite",
) -> None:
    """An outage interrupts the round before its plan; the user completes the workflow meanwhile."""
    async with open_site() as site:
        site.scheduler.endings = {"a": [UNKNOWN]}
        await site.submit(["a"])
        await site.scheduler.rest()
        site.line.fault = from_first_request("GET /local_schedulers", refuse, seconds=10**9)
        assert (await site.watch(1, patience=0)).verdict is Verdict.UNREACHABLE
        site.line.fault = None
        site.scheduler.endings = {}
        await site.client.transport.post("/jobs/1/retry/1", max_retries=9)
        await site.allocate(1)
        await site.scheduler.rest()

        assert (await site.watch(1)).verdict is Verdict.SUCCEEDED

        assert not site.seen(events.RecoveryInitiated)
        async with site.context() as context:
            identity = WorkflowIdentity(
                server=context.client.transport.connection.url,
                workflow_id=1,
                created=(await site.client.get_workflow(1)).created,
            )
            assert context.journal.begin_watch(identity).open_round is None


async def test_rounds_are_counted_across_watches(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [UNKNOWN] * 9}
        workflow_id = await site.submit(["a"])
        site.line.fault = during(refuse, 25, 10**9)
        assert (await site.watch(workflow_id, patience=600)).verdict is Verdict.UNREACHABLE
        assert site.seen(events.RecoveryInitiated)
        site.line.fault = None

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.EXHAUSTED
        assert len(site.scheduler.requests) == 1 + 3


async def test_watch_without_recovery_does_not_continue_a_round(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM]}
        workflow_id = await site.submit(["a"])
        site.line.fault = from_first_request(WRITES["initialize"], refuse, seconds=10**9)
        await site.watch(workflow_id, patience=600)
        site.line.fault = None
        site.line.sent.clear()

        ended = await site.watch(workflow_id, recovery=None)

        assert ended.verdict is Verdict.STUCK
        assert {method for _, method, _ in site.line.sent} == {"GET"}
        counts = await site.client.count_jobs(workflow_id)
        assert counts.of(JobStatus.UNINITIALIZED) == 1
        # The next watch with recovery finishes the round.
        assert (await site.watch(workflow_id)).verdict is Verdict.SUCCEEDED
        assert len(site.seen(events.RecoveryPlanned)) == 1


@pytest.mark.parametrize("api_version", ["0.12", "1.0"])
@pytest.mark.parametrize("after", ["the first poll", "the failure"])
async def test_watch_continues_after_the_server_changes_its_version(
    open_site: "OpenSite", api_version: str, after: str
) -> None:
    versions = {"0.12": {"version": "1.0.0"}, "1.0": "0.12.2"}
    before = httpx.Response(200, json=versions[api_version])

    async def pretend_the_other_version(
        request: httpx.Request, forward: "Forward"
    ) -> httpx.Response:
        if request.url.path.endswith("/version"):
            site.line.fault = None
            return before
        return await forward(request)

    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM]}
        workflow_id = await site.submit(["a"])
        site.line.fault = pretend_the_other_version

        ended = await site.watch(workflow_id, show_job_counts=after == "the first poll")

        assert ended.verdict is Verdict.SUCCEEDED
        assert site.seen(events.PollFailed)
        assert await site.results(workflow_id) == [("a", 1, 137), ("a", 2, 0)]


async def test_workflow_without_jobs_has_not_succeeded(open_site: "OpenSite") -> None:
    async with open_site() as site:
        workflow_id = await site.submit([])

        ended = await site.watch(workflow_id)

        assert ended.verdict is Verdict.HANDED_OVER
        assert "has no jobs" in ended.reason
