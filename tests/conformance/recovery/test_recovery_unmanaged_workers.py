"""Unmanaged workers, outside of allocations, such as ``torc run``: only their process can tell."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from torc_watch.core import events, intervals
from torc_watch.core.allocation import NodeClass
from torc_watch.core.errors import ServerUnreachable
from torc_watch.core.events import Verdict
from torc_watch.core.model import JobStatus
from torc_watch.core.return_code import ORPHANED
from torc_watch.core.units import GIB
from torc_watch.host.processes import Process, end_all, find_process, processes_with_environment
from torc_watch.schedulers.local import orphan_processes
from torc_watch.torc.requests import NewResult
from torc_watch.torc.runner_api import RunnerApi, WorkerResources

if TYPE_CHECKING:
    from tests.conftest import Forward, OpenSite, Site

pytestmark = pytest.mark.looptime

HERE = socket.gethostname()
NODE = WorkerResources(num_cpus=1, memory=GIB)
FAILURE = NewResult(
    workflow_id=1,
    run_id=1,
    attempt=1,
    compute_node_id=1,
    status=JobStatus.FAILED,
    return_code=1,
    exec_seconds=1,
    completed_at=datetime.now(UTC),
)


def dead_pid() -> int:
    with subprocess.Popen(["true"]) as process:
        process.wait()
        return process.pid


async def start_unmanaged_worker(site: "Site", *, hostname: str, pid: int, jobs: int) -> None:
    """A worker that registered itself, and has started so many jobs of workflow 1."""
    worker = RunnerApi(site.client.transport)
    node_id = await worker.register_node(
        1,
        hostname=hostname,
        pid=pid,
        started_at=datetime.now(UTC),
        resources=NODE,
        allocation=None,
    )
    for _ in range(jobs):
        await take_job(site, node_id)


async def take_job(site: "Site", node_id: int) -> None:
    worker = RunnerApi(site.client.transport)
    (claimed,) = await worker.claim_jobs(1, NODE, limit=1)
    await worker.start_job(claimed.job.id, run_id=1, node_id=node_id)


@pytest.mark.parametrize(
    ("hostname", "pid", "jobs"),
    [(HERE, os.getpid(), 0), (HERE, os.getpid(), 1), ("elsewhere", 1, 1)],
    ids=["idle here", "busy here", "busy elsewhere"],
)
async def test_worker_that_may_be_alive_is_waited_for(
    open_site: "OpenSite", hostname: str, pid: int, jobs: int
) -> None:
    async with open_site() as site:
        await site.submit(["a", "b"], allocations=0)
        await start_unmanaged_worker(site, hostname=hostname, pid=pid, jobs=jobs)

        ended = await site.watch(1, once=True)

        assert "still has workers" in ended.reason
        assert {method for _, method, _ in site.line.sent} == {"GET"}


async def test_worker_that_is_alive_after_the_last_job_is_waited_for(open_site: "OpenSite") -> None:
    """It has not noticed yet, and would claim jobs of the run that a recovery starts."""
    async with open_site() as site:
        await site.submit(["a"], allocations=0)
        await start_unmanaged_worker(site, hostname=HERE, pid=os.getpid(), jobs=1)
        (job,) = await site.client.list_jobs(1)
        await site.client.complete_job(job.id, FAILURE)

        ended = await site.watch(1, once=True)

        assert "still has workers" in ended.reason
        assert {method for _, method, _ in site.line.sent} == {"GET"}


@pytest.mark.parametrize("pid", [dead_pid(), 1], ids=["of its own", "of torc run"])
async def test_jobs_of_a_dead_worker_on_this_host_run_again(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch, pid: int
) -> None:
    """One that calls itself process 1, as ``torc run`` does, has no log open."""
    this_host = f"test-{os.getpid()}"  # another user may run a workflow 1 on this machine
    monkeypatch.setattr(socket, "gethostname", lambda: this_host)
    async with open_site() as site:
        await site.submit(["a", "b"], allocations=0)
        await start_unmanaged_worker(site, hostname=this_host, pid=pid, jobs=1)

        ended = await site.watch(1)

        assert ended.verdict is Verdict.SUCCEEDED
        assert await site.results(1) == [("a", 1, ORPHANED), ("a", 2, 0), ("b", 2, 0)]
        assert all(node.has_ended for node in await site.client.list_compute_nodes(1))


async def test_worker_that_died_between_two_starts_of_a_round(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first process ended before it had a plan: the next searches for dead workers again."""

    async def node_classes() -> tuple[NodeClass, ...]:
        raise ServerUnreachable("of this test")

    async with open_site() as site:
        await site.submit(["a"], allocations=0)
        await start_unmanaged_worker(site, hostname=HERE, pid=dead_pid(), jobs=1)
        with monkeypatch.context() as patch:
            patch.setattr(site.scheduler, "node_classes", node_classes)
            assert (await site.watch(1, patience=0)).verdict is Verdict.UNREACHABLE
        await site.client.transport.post("/jobs/1/retry/1", max_retries=9)
        await start_unmanaged_worker(site, hostname=HERE, pid=dead_pid(), jobs=1)

        ended = await site.watch(1)

        assert ended.verdict is Verdict.SUCCEEDED
        assert await site.results(1) == [("a", 1, ORPHANED), ("a", 1, ORPHANED), ("a", 2, 0)]
        assert not site.seen(events.RecoveryAbandoned)


@pytest.fixture
def start_orphan_process() -> Iterator[Callable[..., Process]]:
    """Starts what a job of workflow 1 is: left to the system when its runner was killed."""
    marker = {"TORC_WATCH_TEST": str(os.getpid())}

    def marked() -> list[Process]:
        return processes_with_environment("=".join(*marker.items()).encode())

    def start(server: str, job_id: int) -> Process:
        job = {"TORC_WORKFLOW_ID": "1", "TORC_JOB_ID": str(job_id), "TORC_API_URL": server}
        line = ["/bin/sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!"]
        started = subprocess.run(line, env=marker | job, stdout=subprocess.PIPE, check=True)
        return next(process for process in marked() if process.pid == int(started.stdout))

    yield start
    end_all(marked, patience=30)


@pytest.mark.parametrize("started", [1, 0])
async def test_orphan_processes_are_ended_first(
    open_site: "OpenSite", start_orphan_process: Callable[..., Process], started: int
) -> None:
    """Before anything is changed. A job may also run before the server knows."""
    async with open_site() as site:
        await site.submit(["a"], allocations=0)
        await start_unmanaged_worker(site, hostname=HERE, pid=dead_pid(), jobs=started)
        (job,) = await site.client.list_jobs(1)
        if not started:
            await RunnerApi(site.client.transport).claim_jobs(1, NODE, limit=1)
        url = site.client.transport.connection.url
        left, other = start_orphan_process(url, job.id), start_orphan_process(url, job.id + 1)
        changes: list[bool] = []

        async def see(request: httpx.Request, forward: "Forward") -> httpx.Response:
            if request.method != "GET":
                changes.append(is_running(left))
            return await forward(request)

        site.line.fault = see
        ended = await site.watch(1)

        assert ended.verdict is Verdict.SUCCEEDED
        assert changes
        assert not any(changes)
        assert is_running(other)
        assert [event.processes for event in site.seen(events.OrphanProcessesEnded)] == [1]


def is_running(process: Process) -> bool:
    now = find_process(process.pid)
    return now is not None and now.identity == process.identity and not now.is_dead


async def test_orphan_process_that_does_not_end(
    open_site: "OpenSite",
    start_orphan_process: Callable[..., Process],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The user has to end it; until then nothing runs beside it."""
    monkeypatch.setattr(orphan_processes, "end_all", lambda *_, **__: None)
    async with open_site() as site:
        await site.submit(["a"], allocations=0)
        await start_unmanaged_worker(site, hostname=HERE, pid=dead_pid(), jobs=1)
        (job,) = await site.client.list_jobs(1)
        start_orphan_process(site.client.transport.connection.url, job.id)

        ended = await site.watch(1)

        assert ended.verdict is Verdict.HANDED_OVER
        assert "do not end when they are killed" in ended.reason
        assert {method for _, method, _ in site.line.sent} == {"GET"}


def changes_begin(site: "Site") -> float:
    """The virtual time of the first change of a watch."""
    return next(when for when, method, _ in site.line.sent if method != "GET")


async def test_dead_worker_gets_no_grace(open_site: "OpenSite") -> None:
    """What it held will never move: no grace is needed to call that a stall."""
    async with open_site() as site:
        await site.submit(["a"], allocations=0)
        await start_unmanaged_worker(site, hostname=HERE, pid=dead_pid(), jobs=1)
        assert (await site.watch(1, recovery=None)).verdict is Verdict.STUCK
        assert anyio.current_time() < 1


@pytest.mark.parametrize("has_failed", [False, True])
async def test_idle_worker_elsewhere_has_a_grace_to_leave(
    open_site: "OpenSite", has_failed: bool
) -> None:
    """Alive it would take jobs of the next run; dead it must not be waited for forever."""
    async with open_site() as site:
        await site.submit(["a"], allocations=0)
        await start_unmanaged_worker(site, hostname="elsewhere", pid=1, jobs=has_failed)
        if has_failed:
            (job,) = await site.client.list_jobs(1)
            await site.client.complete_job(job.id, FAILURE)

        ended = await site.watch(1)

        assert ended.verdict is Verdict.SUCCEEDED
        assert intervals.LEAVING_GRACE <= changes_begin(site) <= intervals.LEAVING_GRACE + 60
        assert [event.hostnames for event in site.seen(events.WorkersAwaited)] == [("elsewhere",)]
        assert all(node.has_ended for node in await site.client.list_compute_nodes(1))


@pytest.mark.parametrize("changes", [{"recovery": None}, {"once": True}])
async def test_idle_worker_elsewhere_is_not_waited_for_without_a_recovery(
    open_site: "OpenSite", changes: dict[str, Any]
) -> None:
    """Nothing will be reset, or the user says that nothing runs."""
    async with open_site() as site:
        await site.submit(["a"], allocations=0)
        await start_unmanaged_worker(site, hostname="elsewhere", pid=1, jobs=0)
        await site.watch(1, **changes)
        assert anyio.current_time() <= 60
        assert not site.seen(events.WorkersAwaited)


async def test_idle_workers_elsewhere_that_come_one_after_the_other(open_site: "OpenSite") -> None:
    """Each has all of its grace; once they have left there is no wait."""
    async with open_site() as site:
        await site.submit(["a"], allocations=0)
        await start_unmanaged_worker(site, hostname="elsewhere", pid=1, jobs=0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(site.watch, 1)
            await anyio.sleep(500)
            await start_unmanaged_worker(site, hostname="farther", pid=1, jobs=0)
            await anyio.sleep(500)
            assert {method for _, method, _ in site.line.sent} == {"GET"}
            for node in await site.client.list_compute_nodes(1):
                await site.client.end_compute_node(1, node.id)

        assert 1000 <= changes_begin(site) <= 1060
        assert await site.results(1) == [("a", 1, 0)]


async def test_worker_elsewhere_that_takes_a_job_is_waited_for(open_site: "OpenSite") -> None:
    """It lives, or did: that cannot be told, however long it takes."""
    async with open_site() as site:
        await site.submit(["a"], allocations=0)
        await start_unmanaged_worker(site, hostname="elsewhere", pid=1, jobs=0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(site.watch, 1)
            await anyio.sleep(300)
            await take_job(site, (await site.client.list_compute_nodes(1))[0].id)
            await anyio.sleep(10 * intervals.LEAVING_GRACE)
            tasks.cancel_scope.cancel()
        assert {method for _, method, _ in site.line.sent} == {"GET"}


async def test_result_that_the_server_could_not_store_is_sent_again(
    open_site: "OpenSite",
) -> None:
    """An internal error need not mean that there is one already."""
    async with open_site() as site:
        await site.submit(["a"], allocations=0)
        await start_unmanaged_worker(site, hostname=HERE, pid=dead_pid(), jobs=1)
        refused: list[str] = []

        async def refuse_once(request: httpx.Request, forward: "Forward") -> httpx.Response:
            if "complete_job" in request.url.path and not refused:
                refused.append(request.url.path)
                return httpx.Response(500, text="database is locked")
            return await forward(request)

        site.line.fault = refuse_once
        ended = await site.watch(1)

        assert refused
        assert ended.verdict is Verdict.SUCCEEDED
        assert await site.results(1) == [("a", 1, -128), ("a", 2, 0)]
