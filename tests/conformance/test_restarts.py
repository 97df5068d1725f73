"""A server that is killed and restarted on its database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from torc_watch.core.model import JobStatus
from torc_watch.torc.client import TorcClient
from torc_watch.torc.requests import NewJob, NewWorkflow
from torc_watch.torc.transport import Connection, Transport

if TYPE_CHECKING:
    from tests.conformance.conftest import StartServer


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[TorcClient]:
    async with Transport(Connection(url=url)) as transport:
        yield await TorcClient.connect(transport)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["embedded-0.12", "embedded-1.0", "torc-0.12.2", "torc-1.0.0"])
async def test_answered_requests_survive_a_restart(
    tmp_path: Path, start_server: "StartServer", name: str
) -> None:
    with start_server(name, tmp_path) as server:
        async with client_of(server.url) as client:
            workflow_id = await client.create_workflow(NewWorkflow(name="w", user="ada"))
            (job_id,) = await client.create_jobs(workflow_id, [NewJob(name="j", command="true")])
            await client.advance_run(workflow_id, to_run=1)
            await client.initialize_jobs(workflow_id)
    with start_server(name, tmp_path) as server:
        async with client_of(server.url) as client:
            assert (await client.get_workflow(workflow_id)).run_id == 1
            (job,) = await client.list_jobs(workflow_id)
            assert (job.id, job.status) == (job_id, JobStatus.READY)
