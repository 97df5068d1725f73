from dataclasses import replace
from typing import Any

import pytest

from torc_watch.core.allocation import AllocationSpec, NodeClass
from torc_watch.core.allocation_plan import HEAD_ROOM, plan_allocations
from torc_watch.core.demand import Demand
from torc_watch.core.model import Requirements, SchedulerConfig
from torc_watch.core.node_classes import class_with_longest_runtime, class_with_most_memory
from torc_watch.core.units import GIB

HOUR = 3600
MACHINE = NodeClass(num_cpus=8, memory=16 * GIB)
SHORT = NodeClass(num_cpus=8, memory=64 * GIB, runtime=HOUR, count=4)
LONG = NodeClass(num_cpus=8, memory=16 * GIB, runtime=48 * HOUR, count=100)
GPU = NodeClass(num_cpus=16, memory=32 * GIB, num_gpus=4, runtime=24 * HOUR, count=2)
CLUSTER = (SHORT, LONG, GPU)


def shape(num_cpus: int | None, memory: int | None, **more: Any) -> SchedulerConfig:
    return SchedulerConfig(
        id=1, name="local", scheduler_type="local", num_cpus=num_cpus, memory=memory, **more
    )


def demand(jobs: int, *, num_cpus: int = 1, memory: int = GIB, **more: int) -> Demand:
    return Demand(jobs=jobs, num_cpus=num_cpus, memory=memory, **more)


def planned(
    wanted: Demand,
    usual: SchedulerConfig | None,
    *nodes: NodeClass,
    places: range = range(1, 1000),
    spreads_jobs: bool = True,
    avoided: tuple[str, ...] = (),
) -> tuple[AllocationSpec, ...]:
    return plan_allocations(
        wanted,
        usual=usual,
        node_classes=nodes,
        places=places,
        allocation_stem="abc.wf42",
        spreads_jobs=spreads_jobs,
        avoided=avoided,
    )


@pytest.mark.parametrize(
    ("usual", "wanted", "number", "num_cpus", "memory"),
    [
        pytest.param(
            None, demand(100), 1, 8, 16 * GIB, id="the whole machine without a usual shape"
        ),
        pytest.param(shape(2, 4 * GIB), demand(1), 1, 2, 4 * GIB, id="one allocation for one job"),
        pytest.param(
            shape(2, 4 * GIB), demand(3), 2, 2, 4 * GIB, id="two jobs at a time in each allocation"
        ),
        pytest.param(
            shape(2, 4 * GIB), demand(99), 4, 2, 4 * GIB, id="limited by the machine's CPUs"
        ),
        pytest.param(
            shape(2, 4 * GIB),
            demand(3, memory=3 * GIB),
            3,
            2,
            4 * GIB,
            id="one job at a time by memory",
        ),
        pytest.param(
            shape(2, 4 * GIB),
            demand(1, num_cpus=3, memory=5 * GIB),
            1,
            3,
            5 * GIB,
            id="raised for a job larger than the shape",
        ),
        pytest.param(
            shape(2, None),
            demand(1, memory=99 * GIB),
            1,
            2,
            16 * GIB,
            id="limited by the machine's memory",
        ),
        pytest.param(
            shape(2, 4 * GIB),
            demand(1, num_cpus=9),
            1,
            9,
            4 * GIB,
            id="one allocation although no node has the CPUs",
        ),
    ],
)
def test_allocations_of_one_machine(
    usual: SchedulerConfig | None, wanted: Demand, number: int, num_cpus: int, memory: int
) -> None:
    specs = planned(wanted, usual, MACHINE)
    assert [spec.token for spec in specs] == [f"abc.wf42-{n}" for n in range(1, number + 1)]
    assert {(spec.num_cpus, spec.memory) for spec in specs} == {(num_cpus, memory)}
    assert {(spec.num_gpus, spec.num_nodes, spec.runtime) for spec in specs} == {(0, 1, None)}


@pytest.mark.parametrize(("count", "number"), [(1, 2), (4, 8)])
def test_memory_of_each_node_limits_the_allocations(count: int, number: int) -> None:
    nodes = replace(MACHINE, count=count)
    assert len(planned(demand(99), shape(1, 8 * GIB), nodes)) == number


@pytest.mark.parametrize(
    ("wanted", "usual", "number", "expected"),
    [
        pytest.param(
            demand(6, num_gpus=2, runtime=HOUR),
            shape(16, 32 * GIB, num_gpus=1, runtime=HOUR),
            2,  # the number of GPU nodes; each runs two jobs at once
            {"num_gpus": 2, "runtime": HOUR + HEAD_ROOM},
            id="as many GPUs as the largest job needs",
        ),
        pytest.param(
            demand(1, runtime=30 * HOUR),
            shape(8, GIB, runtime=2 * HOUR),
            1,
            {"memory": GIB, "runtime": 30 * HOUR + HEAD_ROOM},
            id="run time of the longest job, and what its worker needs",
        ),
        pytest.param(
            demand(1, runtime=2 * HOUR - HEAD_ROOM),
            shape(8, GIB, runtime=2 * HOUR),
            1,
            {"runtime": 2 * HOUR},
            id="run time that is long enough for the worker too",
        ),
        pytest.param(
            demand(1),
            shape(8, GIB, runtime=60),
            1,
            {"runtime": 60},
            id="run time of jobs that name none",
        ),
        pytest.param(
            demand(1, memory=40 * GIB, runtime=HOUR),
            shape(8, GIB, runtime=60),
            1,
            {"memory": 40 * GIB, "runtime": HOUR},
            id="the partition's limit, although the worker needs more",
        ),
        pytest.param(
            demand(1, memory=8 * GIB, runtime=HOUR),
            shape(8, GIB, runtime=60),
            1,
            {"memory": 8 * GIB, "runtime": HOUR + HEAD_ROOM},
            id="nodes that allow the worker its time, before larger ones",
        ),
        pytest.param(
            demand(1, runtime=99 * HOUR),
            shape(8, GIB, runtime=2 * HOUR),
            1,
            {"runtime": HOUR},
            id="run time limited by the nodes",
        ),
        pytest.param(
            demand(40, num_nodes=2),
            shape(8, 64 * GIB, num_nodes=2),
            2,
            {"num_nodes": 2},
            id="limited by the number of nodes",
        ),
        pytest.param(
            demand(1, runtime=30 * HOUR),
            None,
            1,
            {"num_cpus": 8, "memory": 16 * GIB, "runtime": 48 * HOUR},
            id="a whole node for its longest run time without a usual shape",
        ),
    ],
)
def test_allocations_of_a_cluster(
    wanted: Demand, usual: SchedulerConfig | None, number: int, expected: dict[str, int]
) -> None:
    specs = planned(wanted, usual, *CLUSTER)
    assert len(specs) == number
    assert {name: getattr(specs[0], name) for name in expected} == expected


def requirements(
    *, num_cpus: int = 1, num_gpus: int = 0, memory: int = GIB, runtime: int = 60
) -> Requirements:
    return Requirements(
        id=1,
        name="r",
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        num_nodes=1,
        memory=memory,
        runtime=runtime,
    )


@pytest.mark.parametrize(
    ("asked", "most"),
    [
        (requirements(), 64 * GIB),
        (requirements(runtime=2 * HOUR), 32 * GIB),
        (requirements(runtime=30 * HOUR), 16 * GIB),
        (requirements(num_gpus=1), 32 * GIB),
        (requirements(num_cpus=99), 64 * GIB),
    ],
)
def test_most_memory_is_that_of_a_node_with_the_other_resources(
    asked: Requirements, most: int
) -> None:
    assert class_with_most_memory(asked, CLUSTER).memory == most


@pytest.mark.parametrize(
    ("asked", "longest"),
    [
        (requirements(), 48 * HOUR),
        (requirements(memory=20 * GIB), 24 * HOUR),
        (requirements(memory=40 * GIB), HOUR),
        (requirements(memory=99 * GIB), 48 * HOUR),
    ],
)
def test_longest_runtime_is_that_of_a_node_with_the_other_resources(
    asked: Requirements, longest: int
) -> None:
    assert class_with_longest_runtime(asked, CLUSTER).runtime == longest
    assert class_with_longest_runtime(asked, (*CLUSTER, MACHINE)).runtime in (None, longest)
    assert class_with_longest_runtime(asked, (MACHINE,)).runtime is None


@pytest.mark.parametrize(
    ("spreads_jobs", "needed", "nodes", "number"),
    [
        pytest.param(True, 1, 4, 2, id="jobs are spread over the nodes"),
        pytest.param(False, 1, 1, 8, id="one node, whose worker starts all jobs"),
        pytest.param(False, 2, 2, 8, id="as many nodes as a job needs"),
    ],
)
def test_nodes_of_an_allocation(
    *, spreads_jobs: bool, needed: int, nodes: int, number: int
) -> None:
    specs = planned(
        demand(8, num_cpus=8, num_nodes=needed),
        shape(8, GIB, num_nodes=4),
        LONG,
        spreads_jobs=spreads_jobs,
    )
    assert (specs[0].num_nodes, len(specs)) == (nodes, number)


def test_allocations_carry_over_what_their_row_says() -> None:
    usual = shape(8, GIB, options=("--account=a", "--partition=gpu", "--exclusive -C bigdisk"))
    (spec,) = planned(demand(1), usual, MACHINE)
    assert (spec.options, spec.scheduler_config_id) == (usual.options, usual.id)
    (spec,) = planned(demand(1), None, MACHINE)
    assert (spec.options, spec.scheduler_config_id) == ((), None)


def test_plan_has_no_more_allocations_than_its_tokens_can_number() -> None:
    nodes = replace(MACHINE, count=5000)
    specs = planned(demand(100_000, num_cpus=8), shape(8, GIB), nodes)
    assert (len(specs), specs[-1].token) == (999, "abc.wf42-999")


@pytest.mark.parametrize(("jobs", "cpus"), [(1, 2), (3, 6), (50, 8)])
def test_row_that_names_no_cpus_gets_as_many_as_its_jobs_can_use(jobs: int, cpus: int) -> None:
    """A row of Slurm says it among its options, if at all."""
    row = shape(None, 8 * GIB)
    spec, *_ = planned(demand(jobs, num_cpus=2), row, LONG)
    assert spec.num_cpus == cpus


def named(node: NodeClass, prefix: str) -> NodeClass:
    names = (f"{prefix}{number}" for number in range(node.count))
    return replace(node, names=frozenset(names))


@pytest.mark.parametrize(
    ("avoided", "wanted", "more", "excluded"),
    [
        pytest.param(("l1", "s1"), demand(1), {}, ("l1", "s1"), id="nodes of both classes fit"),
        pytest.param(
            ("l1", "s1"), demand(1, memory=40 * GIB), {}, ("s1",), id="only those with the memory"
        ),
        pytest.param(("g1",), demand(1), {}, (), id="of a partition that is not asked for"),
        pytest.param(
            ("s1",), demand(1, memory=40 * GIB, num_nodes=4), {}, (), id="every node is needed"
        ),
        pytest.param(
            ("l1",), demand(1), {"options": ("--nodelist=l[1-3]",)}, (), id="chosen by the user"
        ),
        pytest.param(("l1",), demand(1), {"options": ("-w l1",)}, (), id="by a short option"),
        pytest.param(("l1",), demand(1), {"options": ("--nodefile=f",)}, (), id="in a file"),
    ],
)
def test_allocations_keep_away_from_bad_nodes(
    avoided: tuple[str, ...], wanted: Demand, more: dict[str, Any], excluded: tuple[str, ...]
) -> None:
    usual = replace(shape(8, GIB, runtime=600), **more)
    specs = planned(wanted, usual, named(SHORT, "s"), named(LONG, "l"), avoided=avoided)
    assert {spec.excluded_nodes for spec in specs} == {excluded}
