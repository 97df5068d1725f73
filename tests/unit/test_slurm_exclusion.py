"""Allocations that keep away from nodes, and what Slurm refuses of that."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.rigs.fake_slurm import FakeSlurm
from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.errors import SchedulerError
from torc_watch.core.units import GIB
from torc_watch.schedulers.base import WorkerAssignment
from torc_watch.schedulers.slurm.job_script import RunnerSettings
from torc_watch.schedulers.slurm.slurm_scheduler import SlurmScheduler
from torc_watch.torc.transport import Connection

SPEC = AllocationSpec(
    token="tw42-a-1",  # noqa: S106
    num_cpus=1,
    memory=GIB,
    options=("--partition=batch",),
    excluded_nodes=("n1",),
)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    fake = FakeSlurm.install(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{fake.bin}:{os.environ['PATH']}")
    return fake


@pytest.fixture
def scheduler(tmp_path: Path) -> SlurmScheduler:
    runner = RunnerSettings(command=("runner",), has_claim_pause=True)
    return SlurmScheduler(tmp_path / "names", runner)


@pytest.fixture
def work(tmp_path: Path) -> WorkerAssignment:
    return WorkerAssignment(
        connection=Connection(url="http://torc"),
        workflow_id=42,
        scheduler_config_id=1,
        output_dir=tmp_path / "out",
    )


async def test_nodes_are_excluded(
    slurm: FakeSlurm, scheduler: SlurmScheduler, work: WorkerAssignment
) -> None:
    await scheduler.submit(SPEC, work)
    (job,) = slurm.jobs
    assert "#SBATCH --exclude=n1\n" in job["text"]


async def test_none_is_excluded_where_slurm_needs_it(
    slurm: FakeSlurm, scheduler: SlurmScheduler, work: WorkerAssignment
) -> None:
    slurm.need("n1")
    number = await scheduler.submit(SPEC, work)
    (job,) = slurm.jobs
    assert job["number"] == number
    assert "--exclude" not in job["text"]
    assert "#SBATCH --partition=batch\n" in job["text"]


async def test_each_round_asks_again(
    slurm: FakeSlurm, scheduler: SlurmScheduler, work: WorkerAssignment
) -> None:
    await scheduler.submit(SPEC, work)
    slurm.need("n1")
    for token in ("tw42-a-2", "tw42-b-1", "tw42-b-2"):
        await scheduler.submit(replace(SPEC, token=token), work)
    slurm.need("n2")
    for token in ("tw42-b-3", "tw42-c-1"):
        await scheduler.submit(replace(SPEC, token=token), work)
    excluding = [job["name"] for job in slurm.jobs if "--exclude" in job["text"]]
    assert excluding == ["tw42-a-1", "tw42-c-1"]


async def test_what_slurm_refuses_anyway_is_refused(
    slurm: FakeSlurm, scheduler: SlurmScheduler, work: WorkerAssignment
) -> None:
    slurm.refuse("batch")
    with pytest.raises(SchedulerError, match="Requested node configuration is not available"):
        await scheduler.submit(SPEC, work)
    assert slurm.jobs == []


async def test_classes_have_the_names_of_nodes_in_service(
    slurm: FakeSlurm, scheduler: SlurmScheduler
) -> None:
    assert slurm.jobs == []
    assert await scheduler.cluster_name() == "ridge"
    names = {each.partition: each.names for each in await scheduler.node_classes()}
    assert names == {"batch": frozenset({"n1", "n2"}), "wide": frozenset({"n3"})}
