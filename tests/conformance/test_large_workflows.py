"""Large stages behind a barrier, for which a server needs longer than one request may take."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from torc_watch.core.model import JobStatus
from torc_watch.core.units import GIB
from torc_watch.schedulers.local.local_scheduler import LocalScheduler
from torc_watch.spec import expand
from torc_watch.spec.submission import submit
from torc_watch.torc.client import TorcClient
from torc_watch.torc.requests import NewResult
from torc_watch.torc.runner_api import RunnerApi, WorkerResources
from torc_watch.torc.transport import Connection, Transport

if TYPE_CHECKING:
    import subprocess

    from tests.conformance.conftest import StartServer

pytestmark = pytest.mark.slow

STAGE = 3_000
SECONDS = 5.0  # for a request
LONGEST = 300  # seconds for the server's work
SMALL = {"name": "small", "num_cpus": 1, "memory": "64m", "runtime": "PT1M"}
STAGES = {
    "name": "stages",
    "resource_requirements": [SMALL],
    "jobs": [
        {
            "name": "first_{i}",
            "command": "true",
            "resource_requirements": "small",
            "parameters": {"i": f"1:{STAGE}"},
        },
        {
            "name": "barrier",
            "command": "true",
            "resource_requirements": "small",
            "depends_on_regexes": ["^first_.*$"],
        },
        {
            "name": "second_{i}",
            "command": "true",
            "resource_requirements": "small",
            "parameters": {"i": f"1:{STAGE}"},
            "depends_on": ["barrier"],
        },
    ],
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["embedded-1.0", "torc-1.0.0"])
async def test_large_stages_are_submitted_and_recovered(
    start_server: "StartServer", tmp_path: Path, name: str
) -> None:
    (tmp_path / "server").mkdir()
    with start_server(name, tmp_path / "server", unblock_interval=1) as server:
        async with Transport(Connection(url=server.url, timeout=SECONDS)) as transport:
            client = await TorcClient.connect(transport)
            workflow_id = (await submit(client, expand(STAGES), user="ada")).workflow_id
            counts = await client.count_jobs(workflow_id)
            assert counts.of(JobStatus.READY) == STAGE
            assert counts.of(JobStatus.BLOCKED) == STAGE + 1
            await run_first_stage(client, workflow_id)

            ended = await recover(server.url, workflow_id, tmp_path)

            assert ended.returncode == 0, ended.stdout + ended.stderr
            counts = await client.count_jobs(workflow_id)
            workflow = await client.get_workflow(workflow_id)
    assert workflow.run_id == 2
    assert counts.of(JobStatus.FAILED, JobStatus.CANCELED, JobStatus.UNINITIALIZED) == 0
    assert counts.total == 2 * STAGE + 1


async def recover(url: str, workflow_id: int, home: Path) -> "subprocess.CompletedProcess[bytes]":
    """Carries out one round, and ends the allocation that it submits."""
    environment = os.environ | {
        "TORC_WATCHD_HOME": str(home / "home"),
        "TORC_TIMEOUT": str(SECONDS),
    }
    (home / "home").mkdir(mode=0o700)
    command = [sys.executable, "-m", "torc_watch", "recover", str(workflow_id), "--url", url]
    ended = await anyio.run_process(command, env=environment, cwd=home, check=False)
    await LocalScheduler(home / "home" / "allocations").cancel_all()
    return ended


async def run_first_stage(client: TorcClient, workflow_id: int) -> None:
    """One of its jobs runs out of memory. Waits until the server has canceled its dependents."""
    runner = RunnerApi(client.transport)
    resources = WorkerResources(num_cpus=STAGE, memory=STAGE * GIB)
    node_id = await runner.register_node(
        workflow_id,
        hostname="elsewhere",
        pid=1,
        started_at=datetime.now(UTC),
        resources=resources,
        allocation=None,
    )
    jobs = await runner.claim_jobs(workflow_id, resources, limit=STAGE)
    assert len(jobs) == STAGE
    completions = [
        completion(workflow_id, claimed.job.id, node_id, return_code=0 if number else 137)
        for number, claimed in enumerate(jobs)
    ]
    path = f"/workflows/{workflow_id}/batch_complete_jobs"
    for start in range(0, STAGE, 500):
        batch = completions[start : start + 500]
        await client.transport.post(path, body={"completions": batch}, patience=LONGEST)
    await client.end_compute_node(workflow_id, node_id)
    with anyio.fail_after(LONGEST):
        while not await client.is_complete(workflow_id):  # noqa: ASYNC110 - no event tells
            await anyio.sleep(0.5)


def completion(
    workflow_id: int, job_id: int, node_id: int, *, return_code: int
) -> dict[str, object]:
    result = NewResult(
        workflow_id=workflow_id,
        run_id=1,
        attempt=1,
        compute_node_id=node_id,
        status=JobStatus.FAILED if return_code else JobStatus.COMPLETED,
        return_code=return_code,
        exec_seconds=1,
        completed_at=datetime.now(UTC),
    )
    body = {"job_id": job_id, "run_id": 1, "status": result.status.value}
    return body | {"result": result.body(job_id)}
