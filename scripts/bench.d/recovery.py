"""Requests and seconds of a poll and of a recovery, for workflows with 5 % failed jobs.

For comparison it downloads every job, as `torc watch` does to count them.
"""

import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from workloads import FAILED_OF, failed_workflow

from tests.rigs.embedded import serve_on_loopback
from torc_watch.app import composition
from torc_watch.core.recovery_round import RecoverySettings
from torc_watch.engine.journal import Journal
from torc_watch.engine.messages import EngineContext, WatchRequest
from torc_watch.engine.supervisor import watch_workflow
from torc_watch.engine.workers import observe
from torc_watch.sandbox.server import ServerSettings
from torc_watch.schedulers.cluster import Cluster
from torc_watch.schedulers.local.local_scheduler import LocalScheduler
from torc_watch.schedulers.local.this_machine import ThisMachine
from torc_watch.torc.client import TorcClient
from torc_watch.torc.transport import Connection, Transport

_SIZES = (100, 1_000, 10_000)


async def measure() -> dict[str, float]:
    values: dict[str, float] = {}
    for jobs in _SIZES:
        with tempfile.TemporaryDirectory() as directory:
            values |= await _measure_one(jobs, Path(directory))
    return values


async def _measure_one(jobs: int, directory: Path) -> dict[str, float]:
    values: dict[str, float] = {}
    settings = ServerSettings(directory=directory / "server")
    async with serve_on_loopback(settings) as url, Transport(Connection(url=url)) as transport:
        client = await TorcClient.connect(transport)
        workflow_id = await failed_workflow(client, jobs)
        scheduler = LocalScheduler(directory / "allocations")
        cluster = Cluster.of(scheduler, machine=ThisMachine())

        async def record(name: str, action: Callable[[], Awaitable[Any]]) -> None:
            sent, began = transport.requests_sent, time.perf_counter()
            await action()
            values[f"{name}, {jobs:,} jobs: s"] = time.perf_counter() - began
            values[f"{name}, {jobs:,} jobs: requests"] = transport.requests_sent - sent

        for name, with_counts in (("poll", False), ("poll with counts", True)):
            poll = partial(
                observe, client, cluster, workflow_id, with_counts=with_counts, max_age=0
            )
            await record(name, poll)
        await record("compare: download every job", lambda: client.list_jobs(workflow_id))
        with closing(Journal(directory / "journal.db")) as journal:
            context = EngineContext(
                client=client,
                cluster=cluster,
                journal=journal,
                locks=directory / "locks",
                outputs=composition.job_outputs(),
                report=lambda _: None,
            )
            request = _one_round(workflow_id, directory)
            await record("recovery", lambda: watch_workflow(request, context))
        failed = jobs // FAILED_OF
        values[f"recovery, {jobs:,} jobs: requests per failed job"] = (
            values[f"recovery, {jobs:,} jobs: requests"] / failed
        )
        with anyio.CancelScope(shield=True):
            await scheduler.cancel_all()
    return values


def _one_round(workflow_id: int, directory: Path) -> WatchRequest:
    return WatchRequest(
        workflow_id=workflow_id,
        recovery=RecoverySettings(max_retries=None),
        poll_interval=1,
        show_job_counts=False,
        output_dir=directory / "output",
        once=True,
    )
