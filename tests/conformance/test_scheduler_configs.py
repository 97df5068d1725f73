"""The scheduler configurations of a workflow, local and Slurm."""

import pytest

from torc_watch.core.allocation import AllocationShape
from torc_watch.core.errors import SchedulerError
from torc_watch.core.model import SchedulerConfig
from torc_watch.core.units import GIB
from torc_watch.torc.client import TorcClient
from torc_watch.torc.requests import (
    NewJob,
    NewSchedulingAction,
    NewSlurmScheduler,
    NewWorkflow,
)
from torc_watch.torc.scheduling_actions import create_scheduling_action, list_scheduling_actions


async def test_slurm_configs_are_read(client: TorcClient) -> None:
    workflow_id = await client.create_workflow(NewWorkflow(name="w", user="ada"))
    required = {"workflow_id": workflow_id, "account": "acct1", "nodes": 1, "walltime": "04:00:00"}
    optional = {
        "name": "gpu",
        "nodes": 2,
        "mem": "180G",
        "gres": "gpu:4",
        "extra": "--cpus-per-task=8",
    }
    await client.transport.post("/slurm_schedulers", body=required | {"name": "least"})
    await client.transport.post("/slurm_schedulers", body=required | optional)

    rows = await client.list_scheduler_configs(workflow_id, "slurm")

    assert [row.name for row in rows] == ["least", "gpu"]
    least, gpu = rows
    assert least == SchedulerConfig(
        id=least.id,
        name="least",
        scheduler_type="slurm",
        num_cpus=None,
        memory=None,
        runtime=4 * 3600,
        options=("--account=acct1",),
    )
    assert gpu == SchedulerConfig(
        id=gpu.id,
        name="gpu",
        scheduler_type="slurm",
        num_cpus=8,
        memory=180 * GIB,
        num_gpus=4,
        num_nodes=2,
        runtime=4 * 3600,
        options=("--account=acct1", "--gres=gpu:4", "--cpus-per-task=8"),
    )
    assert await client.list_scheduler_configs(workflow_id, "local") == []
    assert await client.list_scheduler_configs(workflow_id, "pbs") == []


async def test_rows_actions_and_ties_of_a_plan(client: TorcClient) -> None:
    """An action whose jobs are ready already is triggered when it is created, also on Torc."""
    workflow_id = await client.create_workflow(NewWorkflow(name="w", user="ada"))
    row = NewSlurmScheduler(
        name="small", account="acct1", partition="short", num_cpus=2, memory=GIB, runtime=600
    )
    first, second = [await client.create_slurm_scheduler(workflow_id, row) for _ in range(2)]
    jobs = [NewJob(name=name, command="true", scheduler_config_id=first) for name in "ab"]
    ids = await client.create_jobs(workflow_id, jobs)
    await client.initialize_jobs(workflow_id)
    for ready in (1, 2):
        action = NewSchedulingAction(
            scheduler_config_id=second, allocations=3, job_ids=tuple(ids), ready=ready
        )
        await create_scheduling_action(client.transport, workflow_id, action)
    a, b = await client.list_jobs(workflow_id)
    await client.assign_scheduler(workflow_id, b, second)

    actions = await list_scheduling_actions(client.transport, workflow_id)
    assert [(each.job_ids, each.is_due) for each in actions] == [
        (frozenset(ids), False),
        (frozenset(ids), True),
    ]
    tied = [job.scheduler_config_id for job in await client.list_jobs(workflow_id)]
    assert (a.scheduler_config_id, tied) == (first, [first, second])
    [config, _] = await client.list_scheduler_configs(workflow_id, "slurm")
    assert (config.num_cpus, config.partitions, config.runtime) == (2, ("short",), 600)


async def test_slurm_config_cannot_be_created(client: TorcClient) -> None:
    workflow_id = await client.create_workflow(NewWorkflow(name="w", user="ada"))
    shape = AllocationShape(num_cpus=2, memory=GIB)
    with pytest.raises(SchedulerError, match="no slurm scheduler"):
        await client.create_scheduler_config(workflow_id, "slurm", name="two", shape=shape)
