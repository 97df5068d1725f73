"""What happens on each server between two requests of a retry beside running jobs."""

from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from tests.conformance.recovery.test_recovery_in_place import submit
from tests.rigs.driven_worker import start_worker, statuses
from torc_watch.core.model import JobStatus

if TYPE_CHECKING:
    from tests.conftest import Forward, OpenSite

pytestmark = [pytest.mark.looptime, pytest.mark.timeout(300)]

CHAIN = {"x": "", "a": "", "b": "a", "c": "b"}


@pytest.mark.parametrize("late", ["b", "c"])
@pytest.mark.parametrize("seconds", [25, 40], ids=["late", "too late"])
async def test_no_dependent_is_canceled_again_before_the_next_waits(
    open_site: "OpenSite", late: str, seconds: float
) -> None:
    """Another job ends while the dependents of a failed one are set to blocked.

    After 30 s the client gives the request up, and the step begins again.
    """
    async with open_site(scheduler_type="slurm") as site, anyio.create_task_group() as tasks:
        workflow_id = await submit(site, CHAIN)
        worker = await start_worker(site, workflow_id)
        await worker.claim()
        await worker.fail("a")
        await anyio.sleep(40)
        jobs = {job.name: job for job in await site.client.list_jobs(workflow_id)}
        path = f"/jobs/{jobs[late].id}/manage_status_change/blocked/"
        happened = anyio.Event()

        async def delay(request: httpx.Request, forward: "Forward") -> httpx.Response:
            if path in request.url.path:
                site.line.fault = None
                happened.set()
                await worker.end("x", JobStatus.COMPLETED)
                await anyio.sleep(seconds)
            return await forward(request)

        site.line.fault = delay
        tasks.start_soon(site.watch, workflow_id)
        await anyio.sleep(90)
        assert happened.is_set()
        for name in "abc":
            assert await worker.claim() == [name]
            await worker.end(name, JobStatus.COMPLETED)
            await anyio.sleep(40)
        found = await statuses(site, workflow_id)
        assert {found[name][0] for name in "abcx"} == {"completed"}
        tasks.cancel_scope.cancel()


async def test_job_that_a_user_retries_before_it_is_held_stays_ready(
    open_site: "OpenSite",
) -> None:
    async with open_site(scheduler_type="slurm") as site, anyio.create_task_group() as tasks:
        workflow_id = await submit(site, CHAIN)
        worker = await start_worker(site, workflow_id)
        await worker.claim()
        await worker.fail("a")
        a = worker.jobs["a"].job.id
        happened = anyio.Event()

        async def retry(request: httpx.Request, forward: "Forward") -> httpx.Response:
            if f"/jobs/{a}/manage_status_change/running/" in request.url.path:
                site.line.fault = None
                happened.set()
                await site.client.retry_job(a, run_id=1, attempt=1)
            return await forward(request)

        site.line.fault = retry
        tasks.start_soon(site.watch, workflow_id)
        await anyio.sleep(20)
        assert happened.is_set()
        assert (await statuses(site, workflow_id))["a"] == ("ready", 2)
        assert await worker.claim() == ["a"]
        tasks.cancel_scope.cancel()
