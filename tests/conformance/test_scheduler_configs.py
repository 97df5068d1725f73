"""The scheduler configurations of a workflow, local and Slurm."""

import pytest

from torc_watch.core.allocation import AllocationShape
from torc_watch.core.errors import SchedulerError
from torc_watch.core.model import SchedulerConfig
from torc_watch.core.units import GIB
from torc_watch.torc.client import TorcClient
from torc_watch.torc.requests import NewWorkflow


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


async def test_slurm_config_cannot_be_created(client: TorcClient) -> None:
    workflow_id = await client.create_workflow(NewWorkflow(name="w", user="ada"))
    shape = AllocationShape(num_cpus=2, memory=GIB)
    with pytest.raises(SchedulerError, match="no slurm scheduler"):
        await client.create_scheduler_config(workflow_id, "slurm", name="two", shape=shape)
