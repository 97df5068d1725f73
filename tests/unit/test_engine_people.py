"""Somebody deletes, cancels, archives or restarts a workflow that is watched or recovered."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from torc_watch.core import events
from torc_watch.core.events import Verdict
from torc_watch.core.model import JobStatus
from torc_watch.core.units import MIB

if TYPE_CHECKING:
    from tests.unit.conftest import Fault, Forward, OpenSite, Site
    from torc_watch.torc.client import TorcClient

pytestmark = pytest.mark.looptime
BOTH = pytest.mark.parametrize("dialect", ["0.12", "0.35"])

OOM = (137, 64 * MIB, 10.0)
STEPS = {
    "adjust": "POST /resource_requirements",
    "reset": "PUT /jobs/1/manage_status_change/uninitialized/1",
    "reinitialize": "POST /workflows/1/reset_status",
    "allocate": "POST /workflows/1/initialize_jobs",
}


async def delete(client: "TorcClient") -> None:
    await client.delete_workflow(1)


async def cancel(client: "TorcClient") -> None:
    await client.cancel_workflow(1)


async def archive(client: "TorcClient") -> None:
    await client.archive_workflow(1)


async def restart(client: "TorcClient") -> None:
    """As with Torc's own commands: a new run, with the failed jobs in it."""
    await client.transport.post("/workflows/1/reset_job_status", failed_only=True)
    run_id = (await client.get_workflow(1)).run_id
    await client.advance_run(1, to_run=run_id + 1)
    await client.initialize_jobs(1)


DEEDS = pytest.mark.parametrize(
    ("deed", "word"), [(delete, "gone"), (cancel, "canceled"), (archive, "archived")]
)
Deed = Callable[["TorcClient"], Awaitable[None]]


@BOTH
@DEEDS
async def test_while_it_runs(open_site: "OpenSite", deed: Deed, word: str) -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [(0, None, 500.0)]}
        await site.submit(["a"])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(site.watch, 1)
            await anyio.sleep(100)
            await deed(site.client)

        (ended,) = site.seen(events.WatchEnded)
        assert ended.verdict is Verdict.HANDED_OVER
        assert word in ended.reason
        assert anyio.current_time() <= 200
        assert {method for _, method, _ in site.line.sent} == {"GET"}


@BOTH
@pytest.mark.parametrize(("deed", "word"), [(cancel, "canceled"), (archive, "archived")])
async def test_before_it_is_watched(open_site: "OpenSite", deed: Deed, word: str) -> None:
    """Although some of its jobs failed."""
    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM]}
        await site.submit(["a"])
        await site.scheduler.rest()
        await deed(site.client)

        ended = await site.watch(1)

        assert ended.verdict is Verdict.HANDED_OVER
        assert word in ended.reason
        assert {method for _, method, _ in site.line.sent} == {"GET"}


@BOTH
@DEEDS
@pytest.mark.parametrize("step", STEPS)
async def test_in_the_middle_of_recovery(
    open_site: "OpenSite", deed: Deed, word: str, step: str
) -> None:
    """From then on nothing is changed: no cancellation undone, no allocation for nobody."""
    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM]}
        await site.submit(["a"])
        site.line.fault = once_before(STEPS[step], site, deed)

        ended = await site.watch(1)

        assert ended.verdict is Verdict.HANDED_OVER
        assert word in ended.reason
        assert len(site.scheduler.requests) == 1
        if deed is cancel:
            assert (await site.client.get_workflow(1)).is_canceled


def once_before(place: str, site: "Site", deed: Deed) -> "Fault":
    """Does the deed right after the request before ``place`` was answered."""
    done = False

    async def answer(request: httpx.Request, forward: "Forward") -> httpx.Response:
        nonlocal done
        path = request.url.path.removeprefix("/torc-service/v1")
        response = await forward(request)
        if f"{request.method} {path}" == place and not done:
            done = True
            await deed(site.client)
        return response

    return answer


async def test_somebody_else_restarts_it(open_site: "OpenSite") -> None:
    """The round is abandoned, and what is there then is looked at afresh, without a hurry."""
    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM], "b": [OOM]}
        await site.submit(["a", "b"])
        site.line.fault = once_before(STEPS["adjust"], site, restart)

        ended = await site.watch(1)

        assert ended.verdict is Verdict.SUCCEEDED
        assert len(site.seen(events.RecoveryAbandoned)) == 1
        assert (await site.client.get_workflow(1)).run_id == 2
        assert await site.results(1) == [
            ("a", 1, 137),
            ("a", 2, 0),
            ("b", 1, 137),
            ("b", 2, 0),
        ]


async def test_one_round_that_is_abandoned(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM]}
        await site.submit(["a"])
        await site.scheduler.rest()
        site.line.fault = once_before(STEPS["adjust"], site, restart)

        ended = await site.watch(1, once=True)

        assert ended.verdict is Verdict.HANDED_OVER
        assert "refused" in ended.reason


async def test_job_deleted_in_the_middle(open_site: "OpenSite") -> None:
    async def delete_job(client: "TorcClient") -> None:
        await client.transport.delete("/jobs/1")

    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM], "b": [OOM]}
        await site.submit(["a", "b"])
        site.line.fault = once_before("PUT /jobs/2", site, delete_job)

        ended = await site.watch(1)

        assert ended.verdict is Verdict.SUCCEEDED
        assert await site.results(1) == [("b", 1, 137), ("b", 2, 0)]
        counts = await site.client.count_jobs(1)
        assert counts.of(JobStatus.COMPLETED) == counts.total == 1
