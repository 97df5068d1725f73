"""Workers outside of allocations, such as ``torc run``: nobody but their process can say."""

import os
import socket
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from torc_watch.core import events
from torc_watch.core.diagnosis import ORPHANED
from torc_watch.core.errors import ServerUnreachable
from torc_watch.core.events import Verdict
from torc_watch.core.model import JobStatus
from torc_watch.core.provisioning import Capacity
from torc_watch.core.units import GIB
from torc_watch.torc.drafts import NewResult
from torc_watch.torc.worker import NodeResources, WorkerApi

if TYPE_CHECKING:
    from tests.conftest import OpenSite, Site

pytestmark = pytest.mark.looptime

HERE = socket.gethostname()
NODE = NodeResources(num_cpus=1, memory=GIB)
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


async def start_stray(site: "Site", *, hostname: str, pid: int, jobs: int) -> None:
    """A worker that registered itself, and has started so many jobs of workflow 1."""
    worker = WorkerApi(site.client.transport)
    node_id = await worker.register_node(
        1,
        hostname=hostname,
        pid=pid,
        started_at=datetime.now(UTC),
        resources=NODE,
        allocation=None,
    )
    for _ in range(jobs):
        (claimed,) = await worker.claim_jobs(1, NODE, limit=1)
        await worker.start_job(claimed.job.id, run_id=1, node_id=node_id)


@pytest.mark.parametrize(
    ("hostname", "pid", "jobs"),
    [(HERE, os.getpid(), 0), (HERE, os.getpid(), 1), ("elsewhere", 1, 1)],
)
async def test_may_be_alive(open_site: "OpenSite", hostname: str, pid: int, jobs: int) -> None:
    async with open_site() as site:
        await site.submit(["a", "b"], allocations=0)
        await start_stray(site, hostname=hostname, pid=pid, jobs=jobs)

        ended = await site.watch(1, once=True)

        assert "still has workers" in ended.reason
        assert {method for _, method, _ in site.line.sent} == {"GET"}


async def test_alive_after_the_last_job(open_site: "OpenSite") -> None:
    """It has not noticed yet, and would claim jobs of the run that a recovery starts."""
    async with open_site() as site:
        await site.submit(["a"], allocations=0)
        await start_stray(site, hostname=HERE, pid=os.getpid(), jobs=1)
        (job,) = await site.client.list_jobs(1)
        await site.client.complete_job(job.id, FAILURE)

        ended = await site.watch(1, once=True)

        assert "still has workers" in ended.reason
        assert {method for _, method, _ in site.line.sent} == {"GET"}


@pytest.mark.parametrize("pid", [dead_pid(), 1])
async def test_dead_on_this_host(open_site: "OpenSite", pid: int) -> None:
    """One that calls itself process 1, as ``torc run`` does, has no log open."""
    async with open_site() as site:
        await site.submit(["a", "b"], allocations=0)
        await start_stray(site, hostname=HERE, pid=pid, jobs=1)

        ended = await site.watch(1)

        assert ended.verdict is Verdict.SUCCEEDED
        assert await site.results(1) == [("a", 1, ORPHANED), ("a", 2, 0), ("b", 2, 0)]
        assert all(node.has_ended for node in await site.client.list_compute_nodes(1))


async def test_dead_between_the_beginnings_of_a_round(
    open_site: "OpenSite", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first process ended before it had a plan: the next looks for dead workers again."""

    async def capacity() -> Capacity:
        raise ServerUnreachable("of this test")

    async with open_site() as site:
        await site.submit(["a"], allocations=0)
        await start_stray(site, hostname=HERE, pid=dead_pid(), jobs=1)
        with monkeypatch.context() as patch:
            patch.setattr(site.scheduler, "capacity", capacity)
            assert (await site.watch(1, patience=0)).verdict is Verdict.UNREACHABLE
        await site.client.transport.post("/jobs/1/retry/1", max_retries=9)
        await start_stray(site, hostname=HERE, pid=dead_pid(), jobs=1)

        ended = await site.watch(1)

        assert ended.verdict is Verdict.SUCCEEDED
        assert await site.results(1) == [("a", 1, ORPHANED), ("a", 1, ORPHANED), ("a", 2, 0)]
        assert not site.seen(events.RecoveryAbandoned)


async def test_elsewhere_without_a_job(open_site: "OpenSite") -> None:
    """It has nothing to lose."""
    async with open_site() as site:
        await site.submit(["a"], allocations=0)
        await start_stray(site, hostname="elsewhere", pid=1, jobs=0)

        ended = await site.watch(1)

        assert ended.verdict is Verdict.SUCCEEDED
        assert await site.results(1) == [("a", 1, 0)]
