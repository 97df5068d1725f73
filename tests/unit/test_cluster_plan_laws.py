"""What holds for every plan, whatever the cluster and the jobs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.rigs.cluster_descriptions import DAY, HOUR, cluster
from torc_watch.core.allocation_plan import HEAD_ROOM
from torc_watch.core.units import GIB
from torc_watch.planner.allocation_planner import plan_cluster
from torc_watch.planner.cluster_description import (
    Association,
    ClusterDescription,
    Limits,
    NodeKind,
    Partition,
    Qos,
    Reservation,
    Tres,
)
from torc_watch.planner.cluster_plan import AllocationGroup, ClusterPlan, PlanOptions
from torc_watch.planner.workload import ExecutionMode, JobKind, Workload

NOW = datetime(2026, 1, 1, tzinfo=UTC)
_Some = TypeVar("_Some")


def amounts(most: int) -> st.SearchStrategy[int | None]:
    return st.none() | st.integers(1, most)


def rarely(some: st.SearchStrategy[_Some], usual: _Some) -> st.SearchStrategy[_Some]:
    return st.integers(0, 3).flatmap(lambda number: st.just(usual) if number else some)


tres = st.builds(
    Tres,
    num_cpus=amounts(200),
    memory=amounts(500).map(lambda number: number and number * GIB),
    num_nodes=amounts(10),
    num_gpus=amounts(8),
)
limits = st.just(Limits()) | st.builds(
    Limits,
    max_runtime=st.sampled_from((None, None, HOUR, DAY)),
    per_job=rarely(tres, Tres()),
    per_node=rarely(tres, Tres()),
    per_user=rarely(tres, Tres()),
    in_all=rarely(tres, Tres()),
    max_submitted=amounts(20),
    max_running=amounts(20),
)
node_kinds = st.builds(
    NodeKind,
    num_cpus=st.sampled_from((1, 4, 16, 104)),
    memory=st.sampled_from((4, 64, 250)).map(lambda number: number * GIB),
    gpus=st.sampled_from(({}, {}, {"a100": 4}, {"": 2}, {"h100": 1, "v100": 2})),
    count=st.integers(0, 20),
)
partitions = st.builds(
    Partition,
    name=st.just("p"),
    state=st.sampled_from(("UP", "UP", "UP", "DOWN")),
    is_default=st.booleans(),
    kinds=st.lists(node_kinds, min_size=1, max_size=2).map(tuple),
    max_runtime=st.sampled_from((None, 600, 4 * HOUR, 2 * DAY, 4000)),
    min_nodes=st.sampled_from((1, 1, 1, 2)),
    max_nodes=amounts(5),
    max_nodes_per_user=amounts(30),
    max_cpus_per_node=amounts(64),
    max_memory_per_node=amounts(100).map(lambda number: number and number * GIB),
    max_memory_per_cpu=amounts(4).map(lambda number: number and number * GIB),
    is_exclusive=st.booleans(),
    is_on_request=st.sampled_from((False, False, True)),
    qos=st.sampled_from(("", "own")),
    charge=st.sampled_from((1.0, 1.0, 10.0)),
)
queues = st.lists(partitions, min_size=1, max_size=4).map(
    lambda made: tuple(replace(each, name=f"p{number}") for number, each in enumerate(made))
)
reservations = st.builds(
    Reservation,
    name=st.just("r"),
    begins=st.integers(-5, 20).map(lambda hours: NOW + timedelta(hours=hours)),
    ends=st.just(NOW + timedelta(days=3)),
    is_maintenance=st.booleans(),
    nodes=st.sampled_from(({"p0": 100}, {"p1": 1}, {"p0": 100, "p1": 100, "p2": 100})),
)


@st.composite
def clusters(draw: st.DrawFn) -> ClusterDescription:
    names = ("normal", "own", "long")
    qos = {
        name: Qos(
            name=name,
            limits=draw(limits),
            overrides_partition_runtime=name == "long" and draw(st.booleans()),
        )
        for name in names
    }
    association = Association(
        account="a", qos=("normal", "long"), default_qos="normal", limits=draw(limits)
    )
    has_accounting = draw(st.booleans())
    return cluster(
        *draw(queues),
        qos=qos if has_accounting else None,
        associations=(association,) if has_accounting else None,
        reservations=tuple(draw(st.lists(reservations, max_size=1))),
        queued=draw(st.integers(0, 25)),
    )


@st.composite
def workloads(draw: st.DrawFn, most: int = 6) -> Workload:
    numbers_of_jobs = st.lists(st.integers(1, 300), min_size=1, max_size=most)
    kinds = [
        JobKind(
            name=f"k{number}",
            example=f"{number} (k{number}_1)",
            jobs=jobs,
            in_a_row=min(jobs, draw(st.sampled_from((1, 1, 1, 2, 30)))),
            num_cpus=draw(st.sampled_from((1, 2, 4, 16, 100))),
            memory=draw(st.sampled_from((0, GIB // 2, 3 * GIB, 60 * GIB, 240 * GIB))),
            num_gpus=draw(st.sampled_from((0, 0, 1, 4))),
            num_nodes=draw(st.sampled_from((1, 1, 1, 3))),
            runtime=draw(st.integers(1, 3 * HOUR) | st.integers(1, 3 * DAY)),
            labels=draw(st.sampled_from((frozenset(), frozenset({"x"})))),
            after=frozenset({number - 1} if number and draw(st.booleans()) else ()),
            gpu_type=draw(st.sampled_from(("", "", "a100"))),
        )
        for number, jobs in enumerate(draw(numbers_of_jobs))
    ]
    return Workload(kinds=tuple(kinds), mode=draw(st.sampled_from(ExecutionMode)))


def plan(
    on: ClusterDescription, workload: Workload, options: PlanOptions | None = None
) -> ClusterPlan:
    return plan_cluster(on, workload, options or PlanOptions(), NOW)


@given(clusters(), workloads())
def test_each_kind_is_in_one_group_or_fits_nowhere(
    on: ClusterDescription, workload: Workload
) -> None:
    made = plan(on, workload)
    placed = [kind for group in made.groups for kind in group.kinds]
    refused = [each.kind for each in made.no_fit]
    assert sorted(placed + refused) == list(range(len(workload.kinds)))
    assert all(each.reason.endswith(".") for each in made.no_fit)
    assert len({group.name for group in made.groups}) == len(made.groups)


@given(clusters(), workloads())
def test_jobs_fit_their_allocation(on: ClusterDescription, workload: Workload) -> None:
    """As Torc's claims see it; with time for as many waves, unless a note says otherwise."""
    made = plan(on, workload)
    for group in made.groups:
        for kind in (workload.kinds[index] for index in group.kinds):
            assert kind.num_cpus <= group.shape.num_cpus
            assert kind.memory <= group.shape.memory
            assert kind.num_gpus <= group.shape.num_gpus
            assert kind.num_nodes <= group.shape.num_nodes
            assert group.shape.runtime is not None
            assert kind.runtime <= group.shape.runtime
            in_time = kind.runtime * group.waves + HEAD_ROOM <= group.shape.runtime
            assert in_time or any("less than they ask for" in note for note in made.notes)


@given(clusters(), workloads())
def test_there_is_room_for_all_jobs_unless_a_note_says_why(
    on: ClusterDescription, workload: Workload
) -> None:
    made = plan(on, workload)
    for group in made.groups:
        assert group.jobs == sum(workload.kinds[index].jobs for index in group.kinds)
        room = group.number * group.jobs_at_once * group.waves
        assert room >= group.jobs or any("over the limit" in note for note in made.notes)


@given(clusters(), workloads())
def test_no_allocation_exceeds_a_limit(on: ClusterDescription, workload: Workload) -> None:
    for group in plan(on, workload).groups:
        partition = on.partition(group.partition)
        assert partition is not None
        assert partition.is_up
        assert not partition.is_on_request
        assert group.shape.num_nodes >= partition.min_nodes
        assert group.shape.runtime is not None
        assert group.shape.runtime % 60 == 0
        fitting = [node.count for node in partition.kinds if fits(group, node)]
        assert sum(fitting) >= group.shape.num_nodes  # nodes of several kinds may make one
        qos = on.qos or {}
        of_job = qos.get(group.qos, Qos(name=""))
        if not of_job.overrides_partition_runtime:
            assert_within(group.shape.runtime, partition.max_runtime)
        assert_within(group.shape.num_nodes, partition.max_nodes)
        assert_within(group.shape.num_cpus, partition.max_cpus_per_node)
        assert_within(group.shape.memory, partition.max_memory_per_node)
        if partition.max_memory_per_cpu:
            assert group.shape.memory <= group.shape.num_cpus * partition.max_memory_per_cpu
        own = qos.get(partition.qos, Qos(name=""))
        association = (on.associations or (Association(account=""),))[0]
        for each in (own.limits, of_job.limits, association.limits):
            assert_within_limits(group, each)


def fits(group: AllocationGroup, node: NodeKind) -> bool:
    return (
        node.num_cpus >= group.shape.num_cpus
        and node.memory >= group.shape.memory
        and node.num_gpus >= group.shape.num_gpus
    )


def assert_within_limits(group: AllocationGroup, of: Limits) -> None:
    shape, nodes = group.shape, group.shape.num_nodes
    assert_within(shape.runtime, of.max_runtime)
    for limit in (of.per_node, of.per_job, of.per_user, of.in_all):
        times = 1 if limit is of.per_node else nodes
        assert_within(shape.num_cpus * times, limit.num_cpus)
        assert_within(shape.memory * times, limit.memory)
        assert_within(shape.num_gpus * times, limit.num_gpus)
    for limit in (of.per_job, of.per_user, of.in_all):
        assert_within(nodes, limit.num_nodes)


def assert_within(amount: int | None, limit: int | None) -> None:
    assert limit is None or (amount is not None and amount <= limit)


@given(clusters(), workloads(), st.integers(1, 30))
def test_no_more_allocations_than_the_user_allows(
    on: ClusterDescription, workload: Workload, most: int
) -> None:
    made = plan(on, workload, PlanOptions(max_allocations=most))
    for begins in (True, False):
        numbers = [each.number for each in made.groups if each.begins_with_jobs is begins]
        assert sum(numbers) <= max(most, len(numbers))
        assert all(number >= 1 for number in numbers)


@given(clusters(), workloads(most=1), st.integers(1, 300))
def test_more_jobs_never_mean_fewer_node_hours(
    on: ClusterDescription, workload: Workload, more: int
) -> None:
    """Unless a limit on allocations leaves jobs without one, as a note says."""
    (kind,) = workload.kinds
    larger = plan(on, replace(workload, kinds=(replace(kind, jobs=kind.jobs + more),)))
    assume(not any("more are over the limit" in note for note in larger.notes))
    assert larger.node_hours >= plan(on, workload).node_hours


@given(clusters(), workloads(), st.integers(0, 5), st.integers(1, 300))
def test_more_jobs_of_one_kind_among_many_never_mean_fewer_node_hours(
    on: ClusterDescription, workload: Workload, place: int, more: int
) -> None:
    unlimited = replace(on, qos=None, associations=None)
    kinds = list(workload.kinds)
    place %= len(kinds)
    kinds[place] = replace(kinds[place], jobs=kinds[place].jobs + more)
    larger = plan(unlimited, replace(workload, kinds=tuple(kinds)))
    assert larger.node_hours >= plan(unlimited, workload).node_hours


@given(clusters(), workloads(most=1), st.integers(1, 16), st.integers(1, DAY))
def test_larger_requests_get_an_allocation_or_a_reason(
    on: ClusterDescription, workload: Workload, factor: int, seconds: int
) -> None:
    (kind,) = workload.kinds
    raised = replace(kind, memory=kind.memory * factor, runtime=kind.runtime + seconds)
    made = plan(on, replace(workload, kinds=(raised,)))
    assert made.no_fit or made.allocations >= 1


@given(clusters(), workloads())
def test_plans_are_deterministic(on: ClusterDescription, workload: Workload) -> None:
    assert plan(on, workload) == plan(on, workload)


@given(clusters(), workloads(), st.sampled_from((60, 300, HOUR, DAY)))
def test_walltime_that_is_asked_for_is_that_of_each_allocation(
    on: ClusterDescription, workload: Workload, runtime: int
) -> None:
    made = plan(on, workload, PlanOptions(runtime=runtime))
    assert {group.shape.runtime for group in made.groups} <= {runtime}
