"""The table of a plan."""

import re
from datetime import UTC, datetime

from torc_watch.core.allocation import AllocationShape
from torc_watch.core.units import GIB
from torc_watch.planner.cluster_plan import AllocationGroup, ClusterPlan
from torc_watch.render.cluster_plan_text import cluster_plan_lines

_FIRST = AllocationGroup(
    name="small",
    kinds=(0,),
    account="science",
    partition="batch",
    qos="",
    shape=AllocationShape(num_cpus=4, memory=8 * GIB, runtime=3600),
    number=2,
    jobs=1000,
    jobs_at_once=4,
    waves=125,
)
_LATER = AllocationGroup(
    name="large",
    kinds=(1,),
    account="science",
    partition="gpu",
    qos="",
    shape=AllocationShape(num_cpus=8, memory=GIB, num_gpus=2, num_nodes=3, runtime=7200),
    number=1,
    jobs=1,
    jobs_at_once=1,
    waves=1,
    is_exclusive=True,
    gpu_type="a100",
    begins_with_jobs=False,
)


def test_table() -> None:
    plan = ClusterPlan(groups=(_FIRST, _FIRST, _LATER))
    starts = (datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC), None, None)
    heading, first, second, third, total = cluster_plan_lines(plan, starts)

    assert re.split("  +", heading) == [
        *("GROUP", "PARTITION", "NODES", "WALLTIME"),
        *("JOBS", "ALLOCATIONS", "AT ONCE IN EACH", "WAVES", "NODE HOURS", "START"),
    ]
    assert re.split("  +", first) == [
        *("small", "batch", "1 x 4 CPUs, 8g", "1:00:00"),
        *("1,000", "2", "4", "125", "2.0", "2031-05-06 07:08"),
    ]
    assert second.endswith(" 2.0  not known")
    assert third.endswith(" 6.0  after earlier jobs")
    assert "3 x 8 CPUs, 1g, 2 a100 GPUs, exclusive" in third
    assert total == "Total: 5 allocations, at most 10.0 node hours of account science"
