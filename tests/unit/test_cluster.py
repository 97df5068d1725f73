"""The engine's view of all schedulers together."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import pytest

from torc_watch.core.allocation import (
    AllocationSpec,
    AllocationState,
    AllocationStatus,
    NodeClass,
    StepEnd,
)
from torc_watch.core.errors import SchedulerError
from torc_watch.core.model import Allocation
from torc_watch.core.units import GIB
from torc_watch.schedulers.base import EndedAttempts, WorkerAssignment
from torc_watch.schedulers.cluster import Cluster
from torc_watch.schedulers.local.this_machine import ThisMachine

ALIVE, GONE, UNKNOWN = (AllocationStatus(state=state) for state in AllocationState)


@dataclass
class FixedScheduler:
    """Reports the same status for each of its allocations."""

    type: str
    status: AllocationStatus
    queried: list[set[int]] = field(default_factory=list)
    canceled: list[int] = field(default_factory=list)

    async def node_classes(self) -> tuple[NodeClass, ...]:
        return (NodeClass(num_cpus=1, memory=GIB),)

    async def cluster_name(self) -> str:
        return "ridge"

    async def kill_wait(self) -> None:
        pass

    async def expected_start(self, _spec: AllocationSpec) -> None:
        pass

    async def find(self, _tokens: Collection[str]) -> dict[str, int]:
        return {}

    async def release(self, _numbers: Sequence[int]) -> None:
        pass

    async def submit(self, _spec: AllocationSpec, _work: WorkerAssignment) -> int:
        return 1

    async def statuses(self, numbers: Collection[int]) -> dict[int, AllocationStatus]:
        self.queried.append(set(numbers))
        return dict.fromkeys(numbers, self.status)

    async def steps(self, _numbers: Collection[int]) -> dict[int, dict[str, StepEnd]]:
        return {}

    async def cancel(self, number: int) -> None:
        self.canceled.append(number)

    async def end_remnants(self, _number: int, _attempts: EndedAttempts) -> int:
        return 0


@pytest.fixture
def local() -> FixedScheduler:
    return FixedScheduler("local", GONE)


@pytest.fixture
def slurm() -> FixedScheduler:
    return FixedScheduler("slurm", ALIVE)


@pytest.fixture
def cluster(local: FixedScheduler, slurm: FixedScheduler) -> Cluster:
    return Cluster.of(local, slurm, machine=ThisMachine())


def allocation(scheduler_type: str, number: int) -> Allocation:
    return Allocation(
        id=number,
        scheduler_id=number,
        scheduler_config_id=1,
        scheduler_type=scheduler_type,
        status="active",
    )


async def test_each_scheduler_is_queried_once_for_its_own_allocations(
    cluster: Cluster, local: FixedScheduler, slurm: FixedScheduler
) -> None:
    """Allocations of different schedulers may have the same number."""
    kinds = [("local", 1), ("slurm", 1), ("slurm", 2), ("pbs", 1)]
    allocations = [allocation(kind, number) for kind, number in kinds]

    seen = await cluster.statuses(allocations, max_age=0)

    assert seen == tuple(zip(allocations, (GONE, ALIVE, ALIVE, UNKNOWN), strict=True))
    assert (local.queried, slurm.queried) == ([{1}], [{1, 2}])


async def test_minimum_interval_is_of_one_scheduler(
    local: FixedScheduler, slurm: FixedScheduler
) -> None:
    cluster = Cluster.of(local, slurm, machine=ThisMachine(), min_intervals={"slurm": 3600})
    local.status = ALIVE
    allocations = [allocation("local", 1), allocation("slurm", 1)]
    for _ in range(2):
        await cluster.statuses(allocations, max_age=1e-9)
    assert (local.queried, slurm.queried) == ([{1}, {1}], [{1}])


async def test_no_scheduler_is_queried_without_allocations(
    cluster: Cluster, local: FixedScheduler
) -> None:
    assert await cluster.statuses([], max_age=0) == ()
    assert local.queried == []


async def test_unknown_scheduler_is_an_error_except_when_its_allocation_is_canceled(
    cluster: Cluster, local: FixedScheduler, slurm: FixedScheduler
) -> None:
    await cluster.cancel(allocation("pbs", 1))
    await cluster.cancel(allocation("slurm", 2))
    assert (local.canceled, slurm.canceled) == ([], [2])
    assert cluster.scheduler("slurm").type == "slurm"
    assert cluster.default is cluster.scheduler(None) is cluster.scheduler("local")
    with pytest.raises(SchedulerError, match="no scheduler of type 'pbs'"):
        cluster.scheduler("pbs")
