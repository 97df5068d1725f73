"""The client: a recovery round step by step, and each call of a round."""

from contextlib import aclosing
from datetime import UTC, datetime

import anyio
import pytest

from torc_watch.core.allocation import AllocationShape
from torc_watch.core.errors import Conflict, NotFound, ServerFault
from torc_watch.core.model import JobStatus
from torc_watch.core.units import GIB, MIB
from torc_watch.torc.client import TorcClient
from torc_watch.torc.event_stream import stream_event_types
from torc_watch.torc.requests import (
    NewFile,
    NewJob,
    NewRequirements,
    NewResult,
    NewUserData,
    NewWorkflow,
)
from torc_watch.torc.runner_api import RunnerApi, WorkerResources

NODE = WorkerResources(num_cpus=4, memory=8 * GIB)


async def submit(client: TorcClient, commands: list[str], user: str = "ada") -> int:
    """Submit a workflow in its first run; all jobs request 64 MiB and one minute."""
    workflow_id = await client.create_workflow(NewWorkflow(name="w", user=user))
    small = NewRequirements(name="small", memory=64 * MIB, runtime=60)
    requirements = await client.create_requirements(workflow_id, small)
    jobs = [
        NewJob(name=f"job {index}", command=command, requirements_id=requirements)
        for index, command in enumerate(commands)
    ]
    await client.create_jobs(workflow_id, jobs)
    await client.advance_run(workflow_id, to_run=1)
    await client.initialize_jobs(workflow_id)
    return workflow_id


async def register_node(client: TorcClient, workflow_id: int) -> int:
    return await RunnerApi(client.transport).register_node(
        workflow_id,
        hostname="n1",
        pid=42,
        started_at=datetime.now(UTC),
        resources=NODE,
        allocation=None,
    )


def result(workflow_id: int, node_id: int, run_id: int, *, return_code: int) -> NewResult:
    return NewResult(
        workflow_id=workflow_id,
        run_id=run_id,
        attempt=1,
        compute_node_id=node_id,
        status=JobStatus.FAILED if return_code else JobStatus.COMPLETED,
        return_code=return_code,
        exec_seconds=30.0,
        completed_at=datetime.now(UTC),
        peak_memory=65 * MIB,
    )


async def run_jobs(client: TorcClient, workflow_id: int, run_id: int, *codes: int) -> list[int]:
    """Run the ready jobs on a new node, with these return codes; returns their ids."""
    worker = RunnerApi(client.transport)
    node_id = await register_node(client, workflow_id)
    claimed = await worker.claim_jobs(workflow_id, NODE, limit=10)
    assert len(claimed) == len(codes)
    for job, code in zip(claimed, codes, strict=True):
        await worker.start_job(job.job.id, run_id=run_id, node_id=node_id)
        outcome = result(workflow_id, node_id, run_id, return_code=code)
        await client.complete_job(job.job.id, outcome)
    await client.end_compute_node(workflow_id, node_id)
    return [job.job.id for job in claimed]


async def test_round_of_recovery(client: TorcClient) -> None:
    workflow_id = await submit(client, ["true", "hungry"])
    _, hungry = await run_jobs(client, workflow_id, 1, 0, 137)
    assert await client.is_complete(workflow_id)

    (failure,) = await client.list_results(workflow_id, JobStatus.FAILED)
    assert (failure.job_id, failure.return_code, failure.run_id) == (hungry, 137, 1)
    assert failure.exec_seconds == pytest.approx(30)
    assert failure.peak_memory == 65 * MIB

    more = NewRequirements(name="more", memory=96 * MIB, runtime=90)
    requirements_id = await client.create_requirements(workflow_id, more)
    job = await client.get_job(hungry)
    await client.assign_requirements(workflow_id, job, requirements_id)
    await client.set_job_status(hungry, JobStatus.UNINITIALIZED, 1)
    await client.advance_run(workflow_id, to_run=2)
    await client.initialize_jobs(workflow_id)
    assert not await client.is_complete(workflow_id)

    (again,) = await client.list_jobs(workflow_id, JobStatus.READY)
    assert (again.id, again.requirements_id) == (hungry, requirements_id)
    assert await run_jobs(client, workflow_id, 2, 0) == [hungry]
    counts = await client.count_jobs(workflow_id)
    assert counts.of(JobStatus.COMPLETED) == counts.total == 2
    wanted = {
        row.name: (row.memory, row.runtime) for row in await client.list_requirements(workflow_id)
    }
    assert (wanted["small"], wanted["more"]) == ((64 * MIB, 60), (96 * MIB, 90))


async def test_advancing_to_the_same_run_twice_is_one_run(client: TorcClient) -> None:
    workflow_id = await submit(client, ["true"])
    for _ in range(2):
        await client.advance_run(workflow_id, to_run=2)
        assert (await client.get_workflow(workflow_id)).run_id == 2
    with pytest.raises(Conflict, match="run 2"):
        await client.advance_run(workflow_id, to_run=4)


async def test_run_does_not_advance_while_jobs_run(client: TorcClient) -> None:
    workflow_id = await submit(client, ["true"])
    await RunnerApi(client.transport).claim_jobs(workflow_id, NODE, limit=1)
    with pytest.raises(Conflict, match="running or pending"):
        await client.advance_run(workflow_id, to_run=2)


async def test_jobs_of_a_node_while_it_lives(client: TorcClient) -> None:
    workflow_id = await submit(client, ["true", "true"])
    worker = RunnerApi(client.transport)
    node_id = await register_node(client, workflow_id)
    claimed = await worker.claim_jobs(workflow_id, NODE, limit=1)
    (job,) = claimed
    assert await client.list_active_jobs_on(node_id, workflow_id) == []
    await worker.start_job(job.job.id, run_id=1, node_id=node_id)
    (active,) = await client.list_active_jobs_on(node_id, workflow_id)
    assert (active.id, active.status) == (job.job.id, JobStatus.RUNNING)

    assert [node.has_ended for node in await client.list_compute_nodes(workflow_id)] == [False]
    await client.end_compute_node(workflow_id, node_id)
    assert [node.has_ended for node in await client.list_compute_nodes(workflow_id)] == [True]


async def test_second_end_of_a_job_is_a_conflict(client: TorcClient) -> None:
    workflow_id = await submit(client, ["true"])
    (job_id,) = await run_jobs(client, workflow_id, 1, 0)
    node_id = await register_node(client, workflow_id)
    with pytest.raises(Conflict, match="complete"):
        await client.complete_job(job_id, result(workflow_id, node_id, 1, return_code=1))


async def test_start_of_a_job_that_is_not_pending_is_a_fault(client: TorcClient) -> None:
    workflow_id = await submit(client, ["true"])
    (job,) = await client.list_jobs(workflow_id)
    node_id = await register_node(client, workflow_id)
    with pytest.raises(ServerFault):
        await RunnerApi(client.transport).start_job(job.id, run_id=1, node_id=node_id)


async def test_allocations(client: TorcClient) -> None:
    workflow_id = await submit(client, ["true"])
    shape = AllocationShape(num_cpus=2, memory=GIB)
    scheduler = await client.create_scheduler_config(workflow_id, "local", name="two", shape=shape)
    (row,) = await client.list_scheduler_configs(workflow_id, "local")
    assert (row.id, row.num_cpus, row.memory) == (scheduler, 2, GIB)
    worker = RunnerApi(client.transport)
    assert (
        await worker.find_allocation(workflow_id, scheduler_id=99, scheduler_type="local") is None
    )
    allocation_id = await client.create_allocation(
        workflow_id, scheduler_id=99, scheduler_config_id=scheduler, scheduler_type="local"
    )
    found = await worker.find_allocation(workflow_id, scheduler_id=99, scheduler_type="local")
    assert found is not None
    node_id = await worker.register_node(
        workflow_id,
        hostname="n1",
        pid=42,
        started_at=datetime.now(UTC),
        resources=NODE,
        allocation=found,
    )
    (node,) = await client.list_compute_nodes(workflow_id)
    assert (node.id, node.allocation_id) == (node_id, allocation_id)
    await client.set_allocation_status(found, "complete")
    (allocation,) = await client.list_allocations(workflow_id)
    assert (allocation.id, allocation.status) == (allocation_id, "complete")


async def test_job_with_files_and_user_data(client: TorcClient) -> None:
    workflow_id = await client.create_workflow(NewWorkflow(name="w", user="ada"))
    read, written = await client.create_files(
        workflow_id,
        [NewFile(name="in", path="in.csv", modified=1.0), NewFile(name="out", path="out.csv")],
    )
    (data,) = await client.create_user_data(workflow_id, [NewUserData(name="d", data={"x": 1})])
    job = NewJob(
        name="a",
        command="true",
        input_file_ids=(read,),
        output_file_ids=(written,),
        input_user_data_ids=(data,),
    )
    (job_id,) = await client.create_jobs(workflow_id, [job])
    await client.initialize_jobs(workflow_id)
    worker = RunnerApi(client.transport)
    (claimed,) = await worker.claim_jobs(workflow_id, NODE, limit=1)
    assert (claimed.job.id, claimed.output_file_ids) == (job_id, (written,))
    assert await worker.get_file_path(written) == "out.csv"
    assert claimed.job.requirements_id is not None
    assert (await worker.get_requirements(claimed.job.requirements_id)).num_cpus == 1


async def test_canceled_and_deleted_workflows(client: TorcClient) -> None:
    first = await submit(client, ["true"], user="grace")
    second = await submit(client, ["true"], user="grace")
    await submit(client, ["true"])
    assert [row.id for row in await client.list_workflows(user="grace")] == [first, second]
    assert await client.list_workflows(user="nobody") == []

    await client.transport.put(f"/workflows/{first}/cancel")
    assert (await client.get_workflow(first)).is_canceled
    assert await client.is_complete(first)

    await client.delete_workflow(first)
    with pytest.raises(NotFound):
        await client.get_workflow(first)
    with pytest.raises(NotFound):
        await client.is_complete(first)


async def test_next_run_of_a_canceled_workflow_is_not_canceled(client: TorcClient) -> None:
    workflow_id = await submit(client, ["true"])
    await client.transport.put(f"/workflows/{workflow_id}/cancel")
    await client.advance_run(workflow_id, to_run=2)
    assert not (await client.get_workflow(workflow_id)).is_canceled


async def test_wrong_run_is_a_conflict(client: TorcClient) -> None:
    workflow_id = await submit(client, ["true"])
    (job,) = await client.list_jobs(workflow_id)
    with pytest.raises(Conflict):
        await client.set_job_status(job.id, JobStatus.UNINITIALIZED, 5)


async def test_event_arrives_over_the_network(client: TorcClient) -> None:
    workflow_id = await submit(client, ["true"])

    async def make_events() -> None:
        # Events are not replayed, and it is unknown when the stream is open: repeat until then.
        while True:
            await register_node(client, workflow_id)

    async with (
        aclosing(stream_event_types(client.transport, workflow_id)) as events,
        anyio.create_task_group() as working,
    ):
        working.start_soon(make_events)
        assert await anext(events) == "compute_node_started"
        working.cancel_scope.cancel()
