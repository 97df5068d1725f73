from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.rigs.cluster_descriptions import DANE, DAY, HOUR, KESTREL, TINY, cluster, partition
from torc_watch.core.units import GIB
from torc_watch.planner.allocation_planner import plan_cluster
from torc_watch.planner.cluster_description import (
    Access,
    Association,
    ClusterDescription,
    Limits,
    NodeKind,
    Qos,
    Reservation,
    Tres,
)
from torc_watch.planner.cluster_plan import AllocationGroup, ClusterPlan, PlanOptions
from torc_watch.planner.workload import ExecutionMode, JobKind, Workload

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = 60


def kind(name: str = "work", jobs: int = 1, **more: Any) -> JobKind:
    requests: dict[str, Any] = {"num_cpus": 1, "memory": GIB, **more}
    return JobKind(name=name, example=f"107 ({name}_7)", jobs=jobs, **requests)


def plan(
    on: ClusterDescription,
    *kinds: JobKind,
    mode: ExecutionMode = ExecutionMode.DIRECT,
    **options: Any,
) -> ClusterPlan:
    return plan_cluster(on, Workload(kinds=kinds, mode=mode), PlanOptions(**options), NOW)


def only_group(made: ClusterPlan) -> AllocationGroup:
    (group,) = made.groups
    assert not made.no_fit
    return group


def reason(on: ClusterDescription, wanted: JobKind, **options: Any) -> str:
    made = plan(on, wanted, **options)
    assert not made.groups
    (refused,) = made.no_fit
    return refused.reason


@pytest.mark.parametrize(
    ("on", "wanted", "expected"),
    [
        pytest.param(KESTREL, kind(), "short", id="shortest walltime that fits"),
        pytest.param(KESTREL, kind(runtime=5 * HOUR), "standard", id="longer than short"),
        pytest.param(
            KESTREL, kind(runtime=2 * DAY), "long", id="no time for the margin in standard"
        ),
        pytest.param(KESTREL, kind(memory=300 * GIB), "medmem", id="smallest memory that fits"),
        pytest.param(KESTREL, kind(memory=1000 * GIB), "bigmem", id="most memory"),
        pytest.param(
            KESTREL, kind(memory=1000 * GIB, runtime=3 * DAY), "bigmeml", id="memory and time"
        ),
        pytest.param(KESTREL, kind(num_gpus=1), "gpu-h100s", id="GPUs"),
        pytest.param(KESTREL, kind(num_cpus=120), "gpu-h100s", id="GPU nodes if others do not fit"),
        pytest.param(DANE, kind(runtime=HOUR), "pbatch", id="no partition that has to be named"),
        pytest.param(TINY, kind(), "all", id="no limit of run time"),
        pytest.param(
            cluster(partition("default", is_default=True, state="DOWN"), partition("b")),
            kind(),
            "b",
            id="default partition is down",
        ),
        pytest.param(
            cluster(partition("a"), partition("default", is_default=True)),
            kind(),
            "default",
            id="default partition on a tie",
        ),
        pytest.param(
            cluster(partition("dear", charge=3), partition("cheap", memory=64 * GIB)),
            kind(),
            "cheap",
            id="cost goes before memory",
        ),
        pytest.param(
            cluster(partition("whole", is_exclusive=True), partition("part")),
            kind(),
            "part",
            id="shared nodes",
        ),
        pytest.param(
            cluster(partition("hours", runtime=4 * HOUR), partition("days", runtime=2 * DAY)),
            kind(jobs=10, in_a_row=10, runtime=HOUR),
            "days",
            id="a whole chain in one allocation",
        ),
        pytest.param(
            cluster(partition("short", runtime=HOUR * 2, is_preemptible=True), partition("long")),
            kind(runtime=HOUR),
            "long",
            id="nobody preempts it",
        ),
        pytest.param(
            cluster(partition("a", count=0), partition("b")),
            kind(),
            "b",
            id="all nodes are drained",
        ),
    ],
)
def test_partition(on: ClusterDescription, wanted: JobKind, expected: str) -> None:
    assert only_group(plan(on, wanted)).partition == expected


SHARED = cluster(partition("p", cpus=8, memory=16 * GIB, runtime=DAY))
WHOLE = cluster(partition("p", cpus=8, memory=16 * GIB, runtime=DAY, is_exclusive=True))


@pytest.mark.parametrize(
    ("on", "wanted", "number", "at_once", "waves", "minutes"),
    [
        pytest.param(SHARED, kind(), 1, 1, 1, 4, id="a job of one minute"),
        pytest.param(SHARED, kind(runtime=30), 1, 1, 1, 4, id="less than a minute"),
        pytest.param(SHARED, kind(runtime=61), 1, 1, 1, 5, id="whole minutes"),
        pytest.param(SHARED, kind(jobs=5, runtime=HOUR), 1, 5, 1, 63, id="all at once"),
        pytest.param(SHARED, kind(jobs=9, runtime=HOUR), 1, 5, 2, 123, id="even waves"),
        pytest.param(WHOLE, kind(jobs=9, runtime=HOUR), 1, 8, 2, 123, id="even waves, whole node"),
        pytest.param(SHARED, kind(jobs=1000), 1, 8, 125, 128, id="many short jobs"),
        pytest.param(SHARED, kind(jobs=48, runtime=HOUR), 2, 8, 3, 183, id="four hours at most"),
        pytest.param(SHARED, kind(jobs=9, runtime=20 * HOUR), 2, 5, 1, 1203, id="long jobs"),
        pytest.param(SHARED, kind(jobs=4, memory=10 * GIB), 1, 1, 4, 7, id="by memory"),
        pytest.param(SHARED, kind(jobs=4, in_a_row=4, runtime=HOUR), 1, 1, 4, 243, id="a chain"),
        pytest.param(
            SHARED, kind(jobs=40, in_a_row=4, runtime=HOUR), 2, 5, 4, 243, id="ten chains"
        ),
        pytest.param(
            SHARED, kind(jobs=30, in_a_row=30, runtime=HOUR), 2, 1, 15, 903, id="a long chain"
        ),
        pytest.param(
            SHARED, kind(jobs=3, num_nodes=2, runtime=2 * HOUR), 3, 1, 1, 123, id="several nodes"
        ),
        pytest.param(TINY, kind(jobs=100_000), 106, 4, 236, 239, id="no limit"),
    ],
)
def test_numbers(
    on: ClusterDescription, wanted: JobKind, number: int, at_once: int, waves: int, minutes: int
) -> None:
    group = only_group(plan(on, wanted))
    assert (group.number, group.jobs_at_once, group.waves) == (number, at_once, waves)
    assert group.shape.runtime == minutes * MINUTE
    assert group.shape.num_nodes == wanted.num_nodes
    assert group.is_serialized == (wanted.in_a_row > 4)


def test_shared_node_is_asked_for_what_jobs_use() -> None:
    group = only_group(plan(SHARED, kind(jobs=5)))
    assert (group.shape.num_cpus, group.shape.memory) == (5, 5 * GIB + GIB // 4)
    assert not group.is_exclusive


def test_exclusive_node_is_asked_for_as_a_whole() -> None:
    group = only_group(plan(WHOLE, kind(jobs=5)))
    assert (group.shape.num_cpus, group.shape.memory) == (8, 16 * GIB)
    assert group.is_exclusive


def test_memory_over_the_limit_of_a_cpu_takes_more_cpus() -> None:
    on = cluster(partition("p", max_memory_per_cpu=2 * GIB))
    group = only_group(plan(on, kind(jobs=9, memory=7 * GIB)))
    assert (group.jobs_at_once, group.shape.num_cpus) == (2, 8)
    assert group.shape.memory <= 16 * GIB


def test_kinds_that_are_alike_share_allocations() -> None:
    made = plan(KESTREL, kind("a", 3), kind("b", 4, memory=2 * GIB), kind("c", runtime=3 * DAY))
    assert [(each.name, each.kinds, each.number) for each in made.groups] == [
        ("a_and_1_more", (0, 1), 1),
        ("c", (2,), 1),
    ]


def test_kinds_of_unlike_sizes_share_a_node_that_has_room_for_all() -> None:
    group = only_group(plan(SHARED, kind("a", 2), kind("b", num_cpus=6, memory=10 * GIB)))
    assert (group.number, group.jobs_at_once, group.waves) == (1, 3, 1)
    assert group.shape.num_cpus == 8


@pytest.mark.parametrize(
    "other",
    [
        {"labels": frozenset({"x"})},
        {"after": frozenset({0})},
        {"num_nodes": 2},
        {"num_gpus": 1},
        {"in_a_row": 2, "jobs": 2},
        {"memory": 15 * GIB, "runtime": 20 * HOUR, "jobs": 9},
    ],
    ids=str,
)
def test_other_kinds_have_allocations_of_their_own(other: dict[str, Any]) -> None:
    on = cluster(partition("p", gpus={"a100": 4}))
    made = plan(on, kind("a", 20), replace(kind("b"), **other))
    assert sorted(each.kinds for each in made.groups) == [(0,), (1,)]
    assert [each.begins_with_jobs for each in made.groups] == [True, "after" not in other]


def test_two_layers() -> None:
    made = plan(SHARED, kind("a", 4), kind("b", 4), kind("c", after=frozenset({0, 1})))
    assert [(each.kinds, each.begins_with_jobs) for each in made.groups] == [
        ((0, 1), True),
        ((2,), False),
    ]


GPUS = cluster(
    partition("mixed", gpus={"v100": 4, "a100": 2}),
    partition("cpu"),
)


@pytest.mark.parametrize(
    ("gpu_type", "jobs", "at_once"), [("", 6, 6), ("v100", 6, 4), ("a100", 6, 2)]
)
def test_gpus_of_a_type(gpu_type: str, jobs: int, at_once: int) -> None:
    group = only_group(plan(GPUS, kind(jobs=jobs, num_gpus=1, gpu_type=gpu_type, runtime=5 * HOUR)))
    assert (group.partition, group.gpu_type) == ("mixed", gpu_type)
    assert group.number * group.jobs_at_once * group.waves >= jobs
    assert group.shape.num_gpus <= at_once


def test_gpu_type_is_of_a_kind() -> None:
    made = plan(GPUS, kind("a", num_gpus=2, gpu_type="a100"), kind("b"))
    assert [(each.gpu_type, each.partition) for each in made.groups] == [
        ("a100", "mixed"),
        ("", "cpu"),
    ]


@pytest.mark.parametrize(
    ("mode", "at_once"), [(ExecutionMode.DIRECT, 8), (ExecutionMode.SLURM, 16)]
)
def test_jobs_use_all_nodes_only_where_they_start_there(mode: ExecutionMode, at_once: int) -> None:
    on = cluster(partition("p", min_nodes=2, runtime=2 * HOUR))
    group = only_group(plan(on, kind(jobs=160, runtime=HOUR), mode=mode))
    assert (group.shape.num_nodes, group.jobs_at_once) == (2, at_once)
    assert group.number == 160 // at_once


@pytest.mark.parametrize(
    ("on", "wanted", "expected"),
    [
        (
            KESTREL,
            kind(memory=3000 * GIB),
            "Job 107 (work_7) needs 2.9t; the largest node that you may use has 1.9t (bigmem).",
        ),
        (
            DANE,
            kind(memory=300 * GIB),
            "Job 107 (work_7) needs 300g; the largest node that you may use has 251g (pbatch).",
        ),
        (
            KESTREL,
            kind(num_cpus=200),
            (
                "Job 107 (work_7) needs 200 CPUs; the largest node that you may use has 128 CPUs "
                "(gpu-h100s)."
            ),
        ),
        (
            KESTREL,
            kind(num_gpus=8),
            (
                "Job 107 (work_7) needs 8 GPUs; the node with the most of them that you may use "
                "has 4 GPUs (gpu-h100s)."
            ),
        ),
        (
            KESTREL,
            kind(num_gpus=1, gpu_type="a100"),
            "Job 107 (work_7) needs 1 a100 GPU, and no node that you may use has any.",
        ),
        (
            KESTREL,
            kind(num_gpus=1, memory=500 * GIB),
            (
                "Job 107 (work_7) needs 500g; the largest node with such GPUs that you may use has "
                "351.6g (gpu-h100s)."
            ),
        ),
        (
            KESTREL,
            kind(runtime=11 * DAY),
            (
                "Job 107 (work_7) needs 11 d of run time; the longest that you may use is 10 d "
                "(long)."
            ),
        ),
        (
            KESTREL,
            kind(num_nodes=3000),
            (
                "Job 107 (work_7) needs 3000 nodes; the largest allocation that you may have has "
                "2240 nodes (short)."
            ),
        ),
        (
            DANE,
            kind(runtime=3 * DAY),
            (
                "Job 107 (work_7) needs 3 d of run time; the longest that you may use is 1 d "
                "(pbatch); pserial, which would fit, is used only if you name it."
            ),
        ),
        (
            cluster(partition("a"), partition("big", memory=64 * GIB, state="DRAIN")),
            kind(memory=32 * GIB),
            (
                "Job 107 (work_7) needs 32g; the largest node that you may use has 16g (a); "
                "big, which would fit, is DRAIN."
            ),
        ),
        (
            cluster(partition("a", state="DOWN"), partition("b", count=0)),
            kind(),
            "Job 107 (work_7) has no partition: a is DOWN; b has no node that is in service.",
        ),
        (cluster(), kind(), "Job 107 (work_7) has no partition: the cluster has none."),
    ],
)
def test_reason_names_the_limit(on: ClusterDescription, wanted: JobKind, expected: str) -> None:
    assert reason(on, wanted) == expected


def test_all_kinds_that_do_not_fit_are_named() -> None:
    made = plan(KESTREL, kind("a", num_cpus=500), kind("b"), kind("c", num_gpus=9))
    assert [each.kind for each in made.no_fit] == [0, 2]
    assert [each.kinds for each in made.groups] == [(1,)]


ACCOUNTS = {
    "qos": {
        "normal": Qos(name="normal", limits=Limits(max_runtime=DAY)),
        "long": Qos(name="long", limits=Limits(max_runtime=7 * DAY)),
        "free": Qos(name="free", overrides_partition_runtime=True),
        "small": Qos(name="small", limits=Limits(per_job=Tres(memory=4 * GIB, num_nodes=1))),
    },
    "associations": (
        Association(account="other", qos=("free",)),
        Association(account="mine", qos=("normal", "long"), default_qos="normal", is_default=True),
        Association(account="tight", qos=("small",)),
    ),
}


@pytest.mark.parametrize(
    ("runtime", "options", "expected"),
    [
        pytest.param(HOUR, {}, ("mine", "normal"), id="default account and QOS"),
        pytest.param(3 * DAY, {}, ("mine", "long"), id="QOS that has the time"),
        pytest.param(HOUR, {"qos": "long"}, ("mine", "long"), id="QOS asked for"),
        pytest.param(HOUR, {"account": "other"}, ("other", "free"), id="account asked for"),
        pytest.param(9 * DAY, {"account": "other"}, ("other", "free"), id="QOS over the partition"),
    ],
)
def test_account_and_qos(runtime: int, options: dict[str, Any], expected: tuple[str, str]) -> None:
    on = cluster(partition("p", runtime=8 * DAY), **ACCOUNTS)
    group = only_group(plan(on, kind(runtime=runtime), **options))
    assert (group.account, group.qos) == expected


def test_without_accounting_any_account_will_do() -> None:
    group = only_group(plan(SHARED, kind(), account="x", qos="y"))
    assert (group.account, group.qos) == ("x", "y")
    assert only_group(plan(SHARED, kind())).account == ""


@pytest.mark.parametrize(
    ("more", "options", "expected"),
    [
        (
            {},
            {"partition": "standard2"},
            "There is no partition standard2 (did you mean standard?); ",
        ),
        ({}, {"partition": "x"}, "There is no partition x, only standard, b; the job fits "),
        ({}, {"account": "mien"}, "You may not use account mien (did you mean mine?)."),
        ({}, {"qos": "lnog"}, "There is no QOS lnog (did you mean long?)."),
        ({}, {"qos": "free"}, "standard needs a QOS that account mine has, and free is none"),
        (
            {},
            {"account": "tight", "memory": 8 * GIB},
            "Job 107 (work_7) needs 8g; the largest node that you may use has 4g (QOS small).",
        ),
        (
            {"accounts": Access(allowed=frozenset({"a", "b"}))},
            {"partition": "standard"},
            "standard admits only accounts a, b; the job fits b.",
        ),
        (
            {"accounts": Access(denied=frozenset({"mine"}))},
            {"partition": "standard"},
            "standard does not admit account mine; the job fits b.",
        ),
        (
            {"allowed_qos": Access(allowed=frozenset({"vip"}))},
            {"partition": "standard"},
            "standard admits only QOS vip; the job fits b.",
        ),
        (
            {"groups": Access(allowed=frozenset({"staff"}))},
            {"partition": "standard"},
            "standard admits only groups staff; the job fits b.",
        ),
        (
            {},
            {"runtime": 3 * DAY},
            "needs an allocation of 3 d, as you ask for; the longest that you may use is 1 d (",
        ),
        (
            {},
            {"runtime": 10 * MINUTE, "job": HOUR},
            "needs 1 h of run time; the walltime that you ask for is 10 min.",
        ),
    ],
)
def test_reason_names_the_option(
    more: dict[str, Any], options: dict[str, Any], expected: str
) -> None:
    on = cluster(partition("standard", **more), partition("b"), **ACCOUNTS)
    wanted = kind(memory=options.pop("memory", GIB), runtime=options.pop("job", MINUTE))
    assert expected in reason(on, wanted, **options)


def limited(**limits: Any) -> ClusterDescription:
    qos = {"normal": Qos(name="normal", limits=Limits(**limits))}
    association = Association(account="a", qos=("normal",))
    return cluster(partition("p", runtime=DAY), qos=qos, associations=(association,), queued=2)


@pytest.mark.parametrize(
    ("limits", "number", "waves"),
    [
        pytest.param({}, 10, 3, id="none"),
        pytest.param({"max_submitted": 7}, 5, 6, id="submitted, less two that are queued"),
        pytest.param({"max_submitted": 1}, 1, 23, id="none left: one all the same"),
        pytest.param({"max_running": 4}, 4, 8, id="running"),
        pytest.param({"per_user": Tres(num_cpus=50)}, 6, 5, id="CPUs of a user"),
        pytest.param({"in_all": Tres(num_nodes=3)}, 3, 10, id="nodes in all"),
    ],
)
def test_limits_on_the_number_make_allocations_longer(
    limits: dict[str, Any], number: int, waves: int
) -> None:
    made = plan(limited(**limits), kind(jobs=240, runtime=HOUR))
    group = only_group(made)
    assert (group.number, group.waves) == (number, waves)
    assert bool(made.notes) == bool(limits)
    assert all("QOS normal" in note for note in made.notes)


@pytest.mark.parametrize(
    ("jobs", "most", "numbers"),
    [
        ((240, 240), 8, [4, 4]),
        ((240, 24, 24), 3, [1, 1, 1]),
        ((240, 24, 24), 9, [6, 1, 1]),
        ((240, 24, 24), 12, [10, 1, 1]),
        ((24, 24, 24), 1, [1, 1, 1]),
    ],
)
def test_groups_share_the_number_that_may_be_submitted(
    jobs: tuple[int, ...], most: int, numbers: list[int]
) -> None:
    kinds = [
        kind(f"k{place}", jobs=each, runtime=HOUR, labels=frozenset({str(place)}))
        for place, each in enumerate(jobs)
    ]
    made = plan(limited(max_submitted=most + 2), *kinds)
    assert [each.number for each in made.groups] == numbers


def test_chains_that_may_not_run_at_once_follow_each_other() -> None:
    wanted = kind(jobs=48, in_a_row=3, runtime=4 * HOUR)
    group = only_group(plan(limited(max_running=1), wanted))
    assert (group.number, group.jobs_at_once, group.waves) == (2, 8, 3)
    assert group.is_serialized


def test_later_groups_do_not_share_with_the_first_ones() -> None:
    first = kind("a", jobs=240, runtime=HOUR)
    made = plan(limited(max_submitted=10), first, replace(first, name="b", after=frozenset({0})))
    assert [each.number for each in made.groups] == [8, 8]


@pytest.mark.parametrize(
    ("limits", "is_exclusive", "num_nodes", "fits"),
    [
        (Tres(num_cpus=8), False, 2, True),
        (Tres(num_cpus=7), False, 2, True),
        (Tres(num_cpus=15), True, 2, False),
        (Tres(num_cpus=16), True, 2, True),
        (Tres(num_cpus=7), True, 1, False),
        (Tres(num_cpus=1), False, 2, False),
        (Tres(memory=GIB), False, 2, False),
        (Tres(num_nodes=1), False, 2, False),
    ],
)
def test_limits_on_an_allocation_hold_for_all_of_its_nodes(
    limits: Tres, is_exclusive: bool, num_nodes: int, fits: bool
) -> None:
    on = replace(limited(per_job=limits), partitions=(partition("p", is_exclusive=is_exclusive),))
    made = plan(on, kind(num_nodes=num_nodes))
    assert bool(made.groups) == fits
    for group in made.groups:
        assert num_nodes * group.shape.num_cpus <= (limits.num_cpus or 0)


def test_user_bounds_the_number() -> None:
    made = plan(SHARED, kind(jobs=240, runtime=HOUR), max_allocations=2)
    assert (only_group(made).number, only_group(made).waves) == (2, 15)
    assert made.notes == (
        (
            "Jobs like 107 (work_7) get 2 allocations: more are over the limit of the number that "
            "you allow."
        ),
    )


def in_maintenance(hours: float, **nodes: int) -> ClusterDescription:
    begins = NOW + timedelta(hours=hours)
    reservation = Reservation(
        name="upgrade",
        begins=begins,
        ends=begins + timedelta(days=1),
        is_maintenance=True,
        nodes=nodes,
    )
    return replace(SHARED, reservations=(reservation,))


@pytest.mark.parametrize(
    ("hours", "nodes", "minutes", "note"),
    [
        (2, 4, 63, "are at most 1 h 58 min long, to end before maintenance upgrade"),
        (0.5, 4, 183, "wait until after maintenance upgrade, which begins in 30 min."),
        (-1, 4, 183, "wait until after maintenance upgrade, which has begun."),
        (2, 3, 183, ""),
        (200, 4, 183, ""),
        (-30, 4, 183, ""),
    ],
)
def test_maintenance(hours: float, nodes: int, minutes: int, note: str) -> None:
    made = plan(in_maintenance(hours, p=nodes), kind(jobs=24, runtime=HOUR))
    assert only_group(made).shape.runtime == minutes * MINUTE
    assert note in "".join(made.notes)
    assert bool(made.notes) == bool(note)


def test_partition_without_maintenance_goes_first() -> None:
    on = in_maintenance(0.1, p=4)
    on = replace(on, partitions=(*on.partitions, partition("q", memory=64 * GIB)))
    assert only_group(plan(on, kind(runtime=HOUR))).partition == "q"


def test_job_with_no_time_for_the_margin_is_told() -> None:
    made = plan(SHARED, kind(runtime=DAY))
    assert only_group(made).shape.runtime == DAY
    assert made.notes == (
        (
            "Jobs like 107 (work_7) have 23 h 57 min in partition p, less than they ask for: the "
            "limit is 1 d, of which starting and stopping take 3 min."
        ),
    )


def test_partition_of_several_kinds_of_nodes() -> None:
    small, large = NodeKind(num_cpus=4, memory=8 * GIB), NodeKind(num_cpus=8, memory=64 * GIB)
    on = cluster(replace(partition("p"), kinds=(large, small)))
    made = plan(on, kind("a", 4), kind("b", memory=32 * GIB))
    assert [(each.kinds, each.shape.num_cpus) for each in made.groups] == [((0,), 4), ((1,), 1)]


def test_walltime_is_an_option() -> None:
    group = only_group(plan(SHARED, kind(jobs=80, runtime=HOUR), runtime=10 * HOUR))
    assert (group.shape.runtime, group.number) == (10 * HOUR, 2)


def test_partition_on_request_is_an_option() -> None:
    assert only_group(plan(KESTREL, kind(), partition="debug")).partition == "debug"


@pytest.mark.parametrize(
    ("other", "num_nodes", "fits"),
    [
        ({"features": frozenset({"rack2"})}, 6, True),
        ({"memory": 32 * GIB}, 6, True),
        ({"memory": 8 * GIB}, 6, False),
        ({"num_cpus": 4}, 6, False),
        ({"features": frozenset({"rack2"})}, 7, False),
    ],
)
def test_nodes_of_several_kinds_serve_one_allocation(
    other: dict[str, Any], num_nodes: int, fits: bool
) -> None:
    node = NodeKind(num_cpus=8, memory=16 * GIB, count=3)
    mixed = replace(partition("p"), kinds=(node, replace(node, **other)))
    made = plan(cluster(mixed), kind(num_nodes=num_nodes, num_cpus=8, memory=12 * GIB))

    assert bool(made.groups) is fits
