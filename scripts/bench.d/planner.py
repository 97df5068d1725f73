"""CPU time of a plan for many jobs of many kinds on a cluster with many partitions."""

import time
from datetime import UTC, datetime
from statistics import median

from tests.rigs.cluster_descriptions import large_cluster
from torc_watch.core.units import GIB
from torc_watch.planner.allocation_planner import plan_cluster
from torc_watch.planner.cluster_description import ClusterDescription
from torc_watch.planner.cluster_plan import PlanOptions
from torc_watch.planner.workload import JobKind, Workload

_PARTITIONS = 60
_SIZES = ((1, 1), (50, 10_000), (500, 100_000))  # kinds, jobs
_REPETITIONS = 5
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def measure() -> dict[str, float]:
    cluster = large_cluster(_PARTITIONS)
    values: dict[str, float] = {}
    for kinds, jobs in _SIZES:
        workload = Workload(kinds=tuple(_kind(n, jobs // kinds) for n in range(kinds)))
        times = [_cpu_seconds(cluster, workload) for _ in range(_REPETITIONS)]
        name = f"plan, {jobs:,} jobs of {kinds} kinds, {_PARTITIONS} partitions"
        values[f"{name}: CPU ms"] = 1000 * median(times)
    return values


def _cpu_seconds(cluster: ClusterDescription, workload: Workload) -> float:
    began = time.process_time()
    plan_cluster(cluster, workload, PlanOptions(), _NOW)
    return time.process_time() - began


def _kind(number: int, jobs: int) -> JobKind:
    return JobKind(
        name=f"kind_{number}",
        example=f"kind_{number}_1",
        jobs=jobs,
        num_cpus=1 + number % 16,
        memory=(1 + number % 100) * GIB,
        num_gpus=number % 7 // 5,
        runtime=60 * (1 + number % 300),
        after=frozenset({number % 3}) if number > 25 else frozenset(),
    )
