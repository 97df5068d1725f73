"""The user deletes, cancels, archives or restarts a workflow that is watched or recovered."""

import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from torc_watch.core import events
from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.errors import ServerUnreachable
from torc_watch.core.events import Verdict
from torc_watch.core.model import JobStatus
from torc_watch.core.recovery_round import RecoverySettings
from torc_watch.core.return_code import ORPHANED
from torc_watch.core.units import GIB, MIB
from torc_watch.schedulers.base import WorkerAssignment
from torc_watch.torc.api_version import ApiVersion
from torc_watch.torc.requests import NewResult
from torc_watch.torc.runner_api import RunnerApi, WorkerResources

if TYPE_CHECKING:
    from tests.conftest import ApiVersionName, Fault, Forward, OpenSite, Site
    from torc_watch.torc.client import TorcClient

pytestmark = pytest.mark.looptime

OOM = (137, 64 * MIB, 10.0)
UNKNOWN = (1, None, 10.0)
NODE = WorkerResources(num_cpus=1, memory=GIB)
STEPS = {
    "adjust": "POST /resource_requirements",
    "reset": "PUT /jobs/1/manage_status_change/uninitialized/1",
    "reinitialize": "POST /workflows/1/reset_status",
    "allocate": "POST /workflows/1/initialize_jobs",
}


async def delete(client: "TorcClient") -> None:
    await client.delete_workflow(1)


async def cancel(client: "TorcClient") -> None:
    await client.transport.put("/workflows/1/cancel")


async def archive(client: "TorcClient") -> None:
    if client.api_version is ApiVersion.V1_0:
        await client.transport.post("/workflows/1/archive", body={"is_archived": True})
    else:
        status = await client.transport.get("/workflows/1/status")
        body = status | {"is_archived": True}
        await client.transport.put("/workflows/1/status", body=body)


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


@DEEDS
async def test_change_while_it_runs(open_site: "OpenSite", deed: Deed, word: str) -> None:
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


@pytest.mark.parametrize(("deed", "word"), [(cancel, "canceled"), (archive, "archived")])
async def test_change_before_it_is_watched(open_site: "OpenSite", deed: Deed, word: str) -> None:
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


@DEEDS
@pytest.mark.parametrize(
    ("server_name", "step"),
    [
        *(("embedded-1.0", step) for step in STEPS),
        *((name, "reset") for name in ("embedded-0.12", "torc-0.12.2", "torc-1.0.0")),
    ],
    indirect=["server_name"],
)
async def test_change_during_recovery(
    open_site: "OpenSite", deed: Deed, word: str, step: str
) -> None:
    """From then on nothing is changed: no cancellation is undone, no allocation submitted."""
    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM]}
        await site.submit(["a"])
        site.line.fault = once_at(STEPS[step], site, deed)

        ended = await site.watch(1)

        assert ended.verdict is Verdict.HANDED_OVER
        assert word in ended.reason
        assert len(site.scheduler.requests) == 1
        if deed is cancel:
            assert (await site.client.get_workflow(1)).is_canceled


def once_at(place: str, site: "Site", deed: Deed, *, is_late: bool = True) -> "Fault":
    """Does the deed right after the request at ``place`` was answered, or else before."""
    done = False

    async def answer(request: httpx.Request, forward: "Forward") -> httpx.Response:
        nonlocal done
        path = request.url.path.removeprefix("/torc-service/v1")
        is_place = f"{request.method} {path}" == place and not done
        if is_place and not is_late:
            done = True
            await deed(site.client)
        response = await forward(request)
        if is_place and not done:
            done = True
            await deed(site.client)
        return response

    return answer


async def test_user_restarts_it(open_site: "OpenSite") -> None:
    """The round is abandoned, and the workflow is polled again after the interval."""
    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM], "b": [OOM]}
        await site.submit(["a", "b"])
        site.line.fault = once_at(STEPS["adjust"], site, restart)

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
        site.line.fault = once_at(STEPS["adjust"], site, restart)

        ended = await site.watch(1, once=True)

        assert ended.verdict is Verdict.HANDED_OVER
        assert "run 2" in ended.reason


async def start(client: "TorcClient", job_id: int) -> None:
    """A failed job, in the run that there is, on a worker of his own on this machine."""
    await client.transport.post(f"/jobs/{job_id}/retry/1", max_retries=9)
    worker = RunnerApi(client.transport)
    node_id = await worker.register_node(
        1,
        hostname=socket.gethostname(),
        pid=os.getpid(),
        started_at=datetime.now(UTC),
        resources=NODE,
        allocation=None,
    )
    await worker.claim_jobs(1, NODE, limit=1)
    await worker.start_job(job_id, run_id=1, node_id=node_id)


async def end(client: "TorcClient", job_id: int) -> None:
    """What was started so completes."""
    *_, node = await client.list_compute_nodes(1)
    await client.complete_job(job_id, result(attempt=2, node_id=node.id, return_code=0))
    await client.end_compute_node(1, node.id)


async def fail_as_orphan(client: "TorcClient") -> None:
    await client.complete_job(1, result(attempt=1, node_id=1, return_code=ORPHANED))


def result(*, attempt: int, node_id: int, return_code: int) -> NewResult:
    return NewResult(
        workflow_id=1,
        run_id=1,
        attempt=attempt,
        compute_node_id=node_id,
        status=JobStatus.FAILED if return_code else JobStatus.COMPLETED,
        return_code=return_code,
        exec_seconds=1.0,
        completed_at=datetime.now(UTC),
    )


@pytest.mark.parametrize(
    ("step", "job_id", "verdict"),
    [("adjust", 1, Verdict.HANDED_OVER), ("reset", 2, Verdict.SUCCEEDED)],
)
async def test_user_runs_a_job_during_recovery(
    open_site: "OpenSite", step: str, job_id: int, verdict: Verdict
) -> None:
    """Nothing more is reset, and no run begun in which his worker could not report."""
    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM], "odd": [UNKNOWN]}
        await site.submit(["a", "odd"])
        site.line.fault = once_at(STEPS[step], site, lambda client: start(client, job_id))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(site.watch, 1, recovery=RecoverySettings(retry_unknown=False)))
            await anyio.sleep(500)
            assert (await site.client.get_job(job_id)).status is JobStatus.RUNNING
            assert (await site.client.get_workflow(1)).run_id == 1
            assert len(site.seen(events.RecoveryAbandoned)) == 1
            assert bool(site.seen(events.ResetStarted)) is (step == "reset")
            await end(site.client, job_id)

        (ended,) = site.seen(events.WatchEnded)
        assert ended.verdict is verdict
        by_hand = "a" if job_id == 1 else "odd"
        assert (by_hand, 1, 0) in await site.results(1)
        assert (await site.client.get_workflow(1)).run_id == (1 if by_hand == "a" else 2)


async def test_user_completes_a_job_during_recovery(open_site: "OpenSite") -> None:
    """It is not run again."""

    async def run(client: "TorcClient") -> None:
        await start(client, 1)
        await end(client, 1)

    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM], "b": [OOM]}
        await site.submit(["a", "b"])
        site.line.fault = once_at(STEPS["adjust"], site, run)

        ended = await site.watch(1)

        assert ended.verdict is Verdict.SUCCEEDED
        assert await site.results(1) == [("a", 1, 0), ("a", 1, 137), ("b", 1, 137), ("b", 2, 0)]


async def test_user_releases_the_job_of_a_dead_worker(open_site: "OpenSite") -> None:
    async with open_site() as site:
        site.scheduler.deaths = {1: "running"}
        await site.submit(["a", "b"])
        place = "POST /jobs/1/complete_job/failed/1"
        site.line.fault = once_at(place, site, fail_as_orphan, is_late=False)

        ended = await site.watch(1)

        assert ended.verdict is Verdict.SUCCEEDED
        assert not site.seen(events.PollFailed)
        assert await site.results(1) == [
            (name, *e) for name in "ab" for e in ((1, ORPHANED), (2, 0))
        ]


async def test_user_submits_allocations_during_recovery(open_site: "OpenSite") -> None:
    """There is no need for more of them."""
    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM]}
        await site.submit(["a"])
        site.line.fault = once_at(STEPS["allocate"], site, lambda _client: site.allocate(1))

        ended = await site.watch(1)

        assert ended.verdict is Verdict.SUCCEEDED
        assert len(site.scheduler.requests) == 2
        assert len(site.seen(events.RecoveryAbandoned)) == 1


async def test_user_runs_the_rest_after_a_crash(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was left of the round were its allocations, for which there is no use any more."""

    async def submit(_spec: AllocationSpec, _work: WorkerAssignment) -> int:
        raise ServerUnreachable("of this test")

    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM]}
        await site.submit(["a"])
        await site.scheduler.rest()
        with monkeypatch.context() as patch:
            patch.setattr(site.scheduler, "submit", submit)
            assert (await site.watch(1, patience=0)).verdict is Verdict.UNREACHABLE
        await site.allocate(1)
        await site.scheduler.rest()

        ended = await site.watch(1)

        assert ended.verdict is Verdict.SUCCEEDED
        assert len(site.scheduler.requests) == 2


async def test_two_independent_watches(
    open_site: "OpenSite", api_version: "ApiVersionName"
) -> None:
    """Two users, or two state folders, hold different locks: one of them gives way.

    On 0.12 both may write the number of the next run. Then there are allocations to spare. Where
    both start a run at the same moment, nobody runs the first of them.
    """
    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM, UNKNOWN], "b": [OOM]}
        await site.submit(["a", "b"])
        other = replace(site, directory=site.directory / "other")

        async with anyio.create_task_group() as tasks:
            for each in (site, other):
                tasks.start_soon(each.watch, 1)

        assert [ended.verdict for ended in site.seen(events.WatchEnded)] == [Verdict.SUCCEEDED] * 2
        most = {"0.12": 5, "1.0": 3}[api_version]
        assert 2 <= len(site.scheduler.requests) <= most
        results = await site.results(1)
        assert [job for job, _, code in results if code == 0] == ["a", "b"]
        assert len({(job, run) for job, run, _ in results}) == len(results)


@pytest.mark.parametrize(("place", "is_late"), [("PUT /jobs/2", True), ("PUT /jobs/1", False)])
async def test_job_deleted_during_recovery(
    open_site: "OpenSite", place: str, *, is_late: bool
) -> None:
    async def delete_job(client: "TorcClient") -> None:
        await client.transport.delete("/jobs/1")

    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM], "b": [OOM]}
        await site.submit(["a", "b"])
        site.line.fault = once_at(place, site, delete_job, is_late=is_late)

        ended = await site.watch(1)

        assert ended.verdict is Verdict.SUCCEEDED
        assert await site.results(1) == [("b", 1, 137), ("b", 2, 0)]
        counts = await site.client.count_jobs(1)
        assert counts.of(JobStatus.COMPLETED) == counts.total == 1


async def claim(client: "TorcClient") -> None:
    """The failed job 2 again, by a worker of its own on this machine that has not started it."""
    await client.transport.post("/jobs/2/retry/1", max_retries=9)
    worker = RunnerApi(client.transport)
    await worker.register_node(
        1,
        hostname=socket.gethostname(),
        pid=os.getpid(),
        started_at=datetime.now(UTC),
        resources=NODE,
        allocation=None,
    )
    await worker.claim_jobs(1, NODE, limit=1)


@pytest.mark.parametrize("step", ["adjust", "reset"])
async def test_job_that_another_worker_has_claimed_keeps_its_run(
    open_site: "OpenSite", step: str
) -> None:
    """A new run would take the job from under the worker that is about to start it."""
    async with open_site() as site:
        site.scheduler.endings = {"a": [OOM], "odd": [UNKNOWN]}
        await site.submit(["a", "odd"])
        await site.scheduler.rest()
        site.line.fault = once_at(STEPS[step], site, claim)

        ended = await site.watch(
            1, once=True, recovery=RecoverySettings(retry_unknown=False, max_retries=None)
        )

        assert ended.verdict is Verdict.HANDED_OVER
        assert "Another program or user runs jobs of workflow 1." in ended.reason
        assert bool(site.seen(events.ResetStarted)) is (step == "reset")
        assert (await site.client.get_job(2)).status is JobStatus.PENDING
        assert (await site.client.get_workflow(1)).run_id == 1
