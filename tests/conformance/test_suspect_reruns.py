"""A completed job that runs again, and the lists of files from which it is known to be suspect."""

from typing import TYPE_CHECKING

import pytest

from torc_watch.core.model import JobStatus
from torc_watch.torc.client import TorcClient
from torc_watch.torc.declared_files import count_files, list_file_paths, list_job_files
from torc_watch.torc.requests import NewFile, NewJob, NewWorkflow

if TYPE_CHECKING:
    from tests.conformance.conftest import Torc

LAYERS = {"make": [], "other": [], "plot": ["make"], "paper": ["plot"]}  # what each waits for


@pytest.mark.parametrize("plot", [0, 1])
async def test_completed_job_starts_over_with_all_behind_it(
    torc: "Torc", client: TorcClient, plot: int
) -> None:
    await torc.add(LAYERS)
    await torc.workflow("POST", "initialize_jobs")
    await torc.finish(make=0, other=0)
    await torc.statuses_become({"plot": "ready"})
    await torc.finish(plot=plot)
    await torc.background_work_done()

    assert await torc.set_status("make", "uninitialized") == 200
    await torc.set_status("plot", "uninitialized")  # the server may have done it already
    if plot == 0:
        await torc.complete("paper")
    await client.advance_run(torc.workflow_id, to_run=1)
    await client.initialize_jobs(torc.workflow_id)
    expected = {"make": "ready", "other": "completed", "plot": "blocked", "paper": "blocked"}
    assert await torc.statuses() == expected

    torc.run_id = 1
    assert await torc.claim() == ["make"]
    assert await torc.start("make") == 200
    assert await torc.complete("make") == 200
    await torc.statuses_become({"plot": "ready"})

    failed = await client.list_results(torc.workflow_id, JobStatus.FAILED, all_runs=True)
    assert [(each.run_id, each.return_code) for each in failed] == [(0, 1)] * plot


async def test_declared_files_are_listed_with_their_jobs(client: TorcClient) -> None:
    workflow_id = await client.create_workflow(NewWorkflow(name="w", user="ada"))
    assert await count_files(client.transport, workflow_id) == 0
    files = [NewFile(name=name, path=f"/data/{name}") for name in ("raw", "table")]
    raw, table = await client.create_files(workflow_id, files)
    new = [
        NewJob(name="make", command="true", input_file_ids=(raw,), output_file_ids=(table,)),
        NewJob(name="other", command="true"),
    ]
    await client.create_jobs(workflow_id, new)

    assert await count_files(client.transport, workflow_id) == 2
    paths = await list_file_paths(client.transport, workflow_id)
    assert paths == {raw: "/data/raw", table: "/data/table"}
    listed = await list_job_files(client.transport, workflow_id, JobStatus.UNINITIALIZED)
    assert [(each.job.name, each.inputs, each.outputs) for each in listed] == [
        ("make", (raw,), (table,)),
        ("other", (), ()),
    ]
    assert await list_job_files(client.transport, workflow_id, JobStatus.COMPLETED) == []


async def test_many_declared_files_are_listed_in_pages(client: TorcClient) -> None:
    workflow_id = await client.create_workflow(NewWorkflow(name="w", user="ada"))
    files = [NewFile(name=f"f{number}", path=f"/data/f{number}") for number in range(150)]
    ids = await client.create_files(workflow_id, files)
    new = [
        NewJob(name=f"job{number}", command="true", output_file_ids=(file,))
        for number, file in enumerate(ids)
    ]
    await client.create_jobs(workflow_id, new)
    listed = await list_job_files(client.transport, workflow_id, JobStatus.UNINITIALIZED)
    assert [each.outputs for each in listed] == [(file,) for file in ids]
