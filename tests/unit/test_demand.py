"""What is submitted for which jobs, on a cluster with several partitions and scheduler rows."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.allocation import Admission, AllocationSpec, NodeClass
from torc_watch.core.cause import Cause
from torc_watch.core.demand import Demand, demands_of
from torc_watch.core.findings import Finding
from torc_watch.core.model import (
    Dependent,
    Job,
    JobCounts,
    JobStatus,
    Requirements,
    SchedulerConfig,
    SchedulingAction,
    Workflow,
)
from torc_watch.core.policy import plan
from torc_watch.core.recovery_round import PastRounds, Plan, RecoverySettings, Refusal, RefusalKind
from torc_watch.core.scheduler_rows import SchedulerRows
from torc_watch.core.situation import Situation
from torc_watch.core.sizing_policy import SizingPolicy
from torc_watch.core.units import GIB, MIB

HOUR = 3600
STANDARD = NodeClass(
    num_cpus=4, memory=4000 * MIB, runtime=24 * HOUR, count=4, partition="standard"
)
BIGMEM = NodeClass(
    num_cpus=8,
    memory=64_000 * MIB,
    runtime=48 * HOUR,
    count=2,
    partition="bigmem",
    is_default=False,
)
SMALL = Requirements(
    id=3, name="small", num_cpus=1, num_gpus=0, num_nodes=1, memory=GIB, runtime=HOUR
)
LARGE = replace(SMALL, id=4, name="large", num_cpus=3, memory=3 * GIB, runtime=10 * HOUR)
WORKFLOW = Workflow(
    id=42, name="w", user="u", created="", run_id=1, is_canceled=False, is_archived=False
)


def row(number: int, *partitions: str, **more: Any) -> SchedulerConfig:
    usual: dict[str, Any] = {"num_cpus": 1, "memory": GIB, "runtime": 2 * HOUR} | more
    return SchedulerConfig(
        id=number,
        name=f"row{number}",
        scheduler_type="slurm",
        partitions=partitions,
        options=(f"--comment={number}",),
        **usual,
    )


def job(number: int, tie: int | None = None, **more: Any) -> Job:
    values: dict[str, Any] = {"status": JobStatus.FAILED, "requirements_id": SMALL.id} | more
    return Job(
        id=number, name=f"j{number}", command="true", attempt=1, scheduler_config_id=tie, **values
    )


def failed(
    number: int, cause: Cause, asked: Requirements = SMALL, tie: int | None = None
) -> Finding:
    return Finding(job=job(number, tie), cause=cause, reason="because", requirements=asked)


def situation(
    *findings: Finding,
    waiting: tuple[Job, ...] = (),
    configs: tuple[SchedulerConfig, ...],
    dependents: tuple[Dependent, ...] | None = (),
    actions: tuple[SchedulingAction, ...] = (),
) -> Situation:
    statuses = [*(finding.job.status for finding in findings), *(each.status for each in waiting)]
    return Situation(
        workflow=WORKFLOW,
        counts=JobCounts(Counter(statuses)),
        findings=findings,
        dependents=dependents,
        waiting=waiting,
        requirements={SMALL.id: SMALL, LARGE.id: LARGE},
        past=PastRounds(),
        scheduler_type="slurm",
        configs=configs,
        node_classes=(STANDARD, BIGMEM),
        actions=actions,
        allocation_stem="tw42-abc",
    )


FIXED = RecoverySettings(sizing=SizingPolicy.FIXED)


def planned(situation: Situation) -> Plan:
    answer = plan(situation, FIXED)
    assert isinstance(answer, Plan)
    return answer


def refused(situation: Situation) -> Refusal:
    answer = plan(situation, FIXED)
    assert isinstance(answer, Refusal)
    return answer


@pytest.mark.parametrize(
    ("asked", "partitions", "most"),
    [
        (GIB, ("standard",), 1536 * MIB),
        (3000 * MIB, ("standard",), 4000 * MIB),
        (3000 * MIB, (), 4000 * MIB),
        (3000 * MIB, ("bigmem",), 4500 * MIB),
        (3000 * MIB, ("standard", "bigmem"), 4500 * MIB),
    ],
)
def test_memory_is_raised_as_far_as_the_rows_partitions_allow(
    asked: int, partitions: tuple[str, ...], most: int
) -> None:
    hungry = failed(1, Cause.OOM, replace(SMALL, memory=asked))
    answer = planned(situation(hungry, configs=(row(7, *partitions),)))
    assert [retry.memory for retry in answer.retries] == [(asked, most)]
    assert [spec.memory for spec in answer.allocations] == [most]


@pytest.mark.parametrize(
    ("finding", "partitions", "reason"),
    [
        (
            failed(1, Cause.OOM, replace(SMALL, memory=4000 * MIB)),
            ("standard",),
            "needs more than 4000m, the most that a node of partition standard has",
        ),
        (
            failed(1, Cause.OOM, replace(SMALL, memory=4000 * MIB)),
            (),
            "needs more than 4000m, the most that a node of partition standard has",
        ),
        (
            failed(1, Cause.TIMEOUT, replace(SMALL, runtime=24 * HOUR)),
            ("standard",),
            "needs longer than P1D, the longest that a node of partition standard has",
        ),
        (
            failed(1, Cause.INTERRUPTED),
            ("gone", "lost"),
            "its scheduler 'row7' wants partition gone,lost, which has none",
        ),
    ],
)
def test_job_that_its_partitions_cannot_run_is_skipped_with_the_limit(
    finding: Finding, partitions: tuple[str, ...], reason: str
) -> None:
    refusal = refused(situation(finding, configs=(row(7, *partitions),)))
    assert refusal.kind is RefusalKind.NOTHING_TO_RETRY
    assert refusal.left_alone[0].reason == reason


def test_ready_jobs_whose_partition_is_gone_are_handed_over() -> None:
    waiting = (job(1, status=JobStatus.READY),)
    refusal = refused(situation(waiting=waiting, configs=(row(7, "gone"),)))
    assert refusal.kind is RefusalKind.NO_SCHEDULER
    assert "partition gone" in refusal.reason


def test_jobs_under_another_row_are_recovered_although_one_partition_is_gone() -> None:
    configs = (row(7, "gone"), row(8, "standard"))
    answer = planned(
        situation(failed(1, Cause.OOM, tie=7), failed(2, Cause.INTERRUPTED, tie=8), configs=configs)
    )
    assert [retry.job_id for retry in answer.retries] == [2]
    assert [spec.scheduler_config_id for spec in answer.allocations] == [8]


@pytest.mark.parametrize(
    "status", [JobStatus.READY, JobStatus.BLOCKED, JobStatus.UNINITIALIZED, JobStatus.CANCELED]
)
def test_allocation_is_large_enough_for_jobs_that_wait(status: JobStatus) -> None:
    waiting = (job(2, status=status, requirements_id=LARGE.id),)
    answer = planned(situation(failed(1, Cause.OOM), waiting=waiting, configs=(row(7),)))
    shapes = {(spec.num_cpus, spec.memory, spec.runtime) for spec in answer.allocations}
    assert shapes == {(3, 3 * GIB, 10 * HOUR + 180)}


def test_job_that_stays_failed_does_not_make_the_allocation_larger() -> None:
    full = failed(1, Cause.OOM, replace(LARGE, memory=4000 * MIB))
    (spec,) = planned(situation(full, failed(2, Cause.INTERRUPTED), configs=(row(7),))).allocations
    assert (spec.num_cpus, spec.memory, spec.runtime) == (1, GIB, 2 * HOUR)


def test_jobs_of_different_rows_get_allocations_under_their_own() -> None:
    configs = (row(7, "standard"), row(8, "bigmem"))
    hungry = failed(1, Cause.OOM, replace(SMALL, memory=8 * GIB), tie=8)
    waiting = (job(2, tie=7, status=JobStatus.READY), job(3, status=JobStatus.READY))
    answer = planned(situation(hungry, waiting=waiting, configs=configs))
    assert [
        (spec.token, spec.scheduler_config_id, spec.memory, spec.options)
        for spec in answer.allocations
    ] == [
        ("tw42-abc-1", 8, 12 * GIB, ("--comment=8",)),
        ("tw42-abc-2", 8, 12 * GIB, ("--comment=8",)),
        ("tw42-abc-3", 7, GIB, ("--comment=7",)),
    ]


@pytest.mark.parametrize(
    ("ties", "main"),
    [
        ((None, None), 9),
        ((7, None), 7),
        ((7, 7), 7),
        ((5, None), 9),  # a row that was deleted
    ],
)
def test_main_row_is_the_one_that_jobs_are_tied_to_else_the_newest(
    ties: tuple[int | None, ...], main: int
) -> None:
    findings = [failed(number, Cause.OOM, tie=tie) for number, tie in enumerate(ties, 1)]
    answer = planned(situation(*findings, configs=(row(7), row(9), row(8))))
    assert answer.scheduler_config_id == main
    assert {spec.scheduler_config_id for spec in answer.allocations} == {main}


def test_jobs_are_not_tied_to_the_rows_of_another_scheduler() -> None:
    """Rows of local schedulers are numbered on their own."""
    here = [replace(row(number), scheduler_type="local") for number in (7, 9)]
    answer = planned(situation(failed(1, Cause.OOM, tie=7), configs=tuple(here)))
    assert {spec.scheduler_config_id for spec in answer.allocations} == {9}


def action(
    *job_ids: int, executed: bool = False, trigger: str = "on_jobs_ready"
) -> SchedulingAction:
    return SchedulingAction(
        id=1,
        trigger=trigger,
        job_ids=frozenset(job_ids),
        is_triggered=False,
        is_executed=executed,
    )


def behind(job_id: int, depends_on: int) -> Dependent:
    return Dependent(job_id=job_id, job_name=f"j{job_id}", depends_on=depends_on)


@pytest.mark.parametrize(
    ("status", "retried", "dependents", "actions", "rows"),
    [
        pytest.param("blocked", True, (behind(2, 1),), (), {7, 8}, id="nobody else submits"),
        pytest.param("blocked", True, (behind(2, 1),), (action(2),), {7}, id="later layer"),
        pytest.param(
            "canceled", True, (behind(2, 1),), (action(2, executed=True),), {7}, id="armed again"
        ),
        pytest.param("blocked", False, (behind(2, 1),), (action(2),), {7}, id="without a new run"),
        pytest.param(
            "blocked",
            False,
            (behind(2, 1),),
            (action(2, executed=True),),
            {7, 8},
            id="not armed without a new run",
        ),
        pytest.param("canceled", True, (), (action(2),), {7, 8}, id="ready in the new run"),
        pytest.param("ready", False, (), (action(2),), {7, 8}, id="ready now"),
        pytest.param("blocked", True, None, (action(2),), {7, 8}, id="dependencies not known"),
        pytest.param(
            "blocked",
            True,
            (behind(2, 1),),
            (action(2, trigger="on_jobs_complete"),),
            {7, 8},
            id="action for other jobs",
        ),
    ],
)
def test_jobs_whose_own_action_submits_later_get_no_allocation_now(
    status: str,
    *,
    retried: bool,
    dependents: tuple[Dependent, ...] | None,
    actions: tuple[SchedulingAction, ...],
    rows: set[int],
) -> None:
    waiting = [job(2, tie=8, status=JobStatus(status))]
    findings = [failed(1, Cause.OOM, tie=7)] if retried else []
    if not retried:
        waiting.append(job(1, tie=7, status=JobStatus.READY))
    answer = planned(
        situation(
            *findings,
            waiting=tuple(waiting),
            configs=(row(7), row(8)),
            dependents=dependents,
            actions=actions,
        )
    )
    assert {spec.scheduler_config_id for spec in answer.allocations} == rows


@given(
    st.lists(
        st.tuples(st.sampled_from([None, 7, 8, 9]), st.sampled_from([SMALL, LARGE])), min_size=1
    )
)
def test_every_job_fits_an_allocation_under_its_row(
    jobs: list[tuple[int | None, Requirements]],
) -> None:
    findings = [
        failed(number, Cause.OOM, asked, tie) for number, (tie, asked) in enumerate(jobs, start=1)
    ]
    answer = planned(situation(*findings, configs=(row(7), row(8, "bigmem"), row(9))))
    specs = {spec.scheduler_config_id: spec for spec in answer.allocations}
    assert len({spec.token for spec in answer.allocations}) == len(answer.allocations) <= 999
    for retry, (tie, asked) in zip(answer.retries, jobs, strict=True):
        spec: AllocationSpec = specs[tie or answer.scheduler_config_id]
        assert retry.memory is not None
        assert spec.memory >= retry.memory[1]
        assert spec.num_cpus >= asked.num_cpus


def test_rows_share_the_places_of_a_plan() -> None:
    large = replace(SMALL, num_cpus=4)
    findings = [failed(number, Cause.OOM, large, tie=7 + number % 2) for number in range(2000)]
    seen = situation(*findings, configs=(row(7), row(8)))
    nodes = (replace(STANDARD, count=5000),)
    answer = plan(replace(seen, node_classes=nodes), replace(FIXED, max_allocations=5000))
    assert isinstance(answer, Plan)
    assert Counter(spec.scheduler_config_id for spec in answer.allocations) == {7: 499, 8: 499}
    assert max(len(spec.token) for spec in answer.allocations) <= 19


def test_plan_of_more_rows_than_it_may_have_allocations() -> None:
    findings = [failed(number, Cause.UNKNOWN, tie=number) for number in (7, 8, 9)]
    seen = situation(*findings, configs=(row(7), row(8), row(9)))
    answer = plan(seen, RecoverySettings(max_allocations=2))
    assert isinstance(answer, Plan)
    assert len(answer.allocations) == 2


@pytest.mark.parametrize(("spreads", "nodes"), [(True, 3), (False, 1)])
def test_more_nodes_than_a_job_needs_only_for_workers_that_use_them(
    spreads: bool, nodes: int
) -> None:
    seen = situation(failed(1, Cause.UNKNOWN), configs=(row(7, num_nodes=3),))
    workflow = replace(WORKFLOW, spreads_jobs=spreads)
    [allocation] = planned(replace(seen, workflow=workflow)).allocations
    assert allocation.num_nodes == nodes


OPEN_BIGMEM = replace(BIGMEM, admission=Admission())
PREEMPTIBLE = replace(OPEN_BIGMEM, partition="preemptible", is_preemptible=True)
HUGE = replace(BIGMEM, partition="huge", memory=512_000 * MIB, admission=Admission())
FULL = replace(SMALL, id=5, memory=4000 * MIB)  # all that a node of STANDARD has


def seen_with(nodes: tuple[NodeClass, ...], *findings: Finding, **more: Any) -> Situation:
    usual = situation(*findings, configs=(row(7, "standard"),), **more)
    return replace(
        usual,
        node_classes=nodes,
        requirements={each.id: each for each in (SMALL, LARGE, FULL)},
    )


@pytest.mark.parametrize("sizing", SizingPolicy)
def test_job_that_outgrows_its_partition_goes_to_the_smallest_that_fits(
    sizing: SizingPolicy,
) -> None:
    findings = (failed(1, Cause.OOM, FULL), failed(2, Cause.OOM))
    seen = seen_with((STANDARD, PREEMPTIBLE, HUGE, OPEN_BIGMEM), *findings)
    answer = plan(seen, RecoverySettings(sizing=sizing))
    assert isinstance(answer, Plan)
    assert [retry.memory for retry in answer.retries] == [
        (4000 * MIB, 6000 * MIB),
        (GIB, 3 * GIB // 2),
    ]
    stays, moved = answer.allocations  # what the scheduler may refuse comes last
    assert moved.options == ("--comment=7", "--partition=bigmem")
    assert moved.memory >= 6000 * MIB
    assert stays.options == ("--comment=7",)
    assert {spec.scheduler_config_id for spec in answer.allocations} == {7}


def test_run_time_beyond_the_partition_is_had_elsewhere() -> None:
    day = replace(SMALL, id=5, runtime=24 * HOUR)
    answer = planned(seen_with((STANDARD, OPEN_BIGMEM), failed(1, Cause.TIMEOUT, day)))
    (spec,) = answer.allocations
    assert spec.options[-1] == "--partition=bigmem"
    assert spec.runtime is not None
    assert spec.runtime >= 36 * HOUR


def test_waiting_job_without_room_in_its_partition_moves() -> None:
    waiting = (job(1, status=JobStatus.READY, requirements_id=FULL.id),)
    large = replace(FULL, memory=5000 * MIB)
    seen = seen_with((STANDARD, OPEN_BIGMEM), waiting=waiting)
    answer = planned(replace(seen, requirements={FULL.id: large}))
    (spec,) = answer.allocations
    assert spec.options[-1] == "--partition=bigmem"


@pytest.mark.parametrize(
    ("other", "settings"),
    [
        (BIGMEM, RecoverySettings()),  # only for those who name it
        (replace(BIGMEM, admission=Admission(accounts=frozenset({"b"}))), RecoverySettings()),
        (OPEN_BIGMEM, RecoverySettings(partition="standard")),
    ],
)
def test_job_does_not_move(other: NodeClass, settings: RecoverySettings) -> None:
    answer = plan(seen_with((STANDARD, other), failed(1, Cause.OOM, FULL)), settings)
    assert isinstance(answer, Refusal)
    assert "a node of partition standard has" in answer.left_alone[0].reason


def test_reason_names_the_largest_node_that_the_user_may_have() -> None:
    huge = replace(FULL, memory=64_000 * MIB)
    answer = plan(
        seen_with((STANDARD, OPEN_BIGMEM), failed(1, Cause.OOM, huge)), RecoverySettings()
    )
    assert isinstance(answer, Refusal)
    assert "a node of partition bigmem" in answer.left_alone[0].reason


@pytest.mark.parametrize(
    ("edges", "allocations"),
    [
        ([(2, 1), (3, 2), (4, 3)], 1),  # a chain
        ([(2, 1), (3, 1), (4, 1)], 3),
        ([(2, 1), (3, 1), (4, 2), (4, 3)], 2),  # a diamond
        ([], 4),
        ([(3, 2), (4, 99)], 3),  # 99 is done
    ],
)
def test_as_many_allocations_as_jobs_run_at_once(
    edges: list[tuple[int, int]], allocations: int
) -> None:
    waiting = tuple(job(number, status=JobStatus.BLOCKED) for number in (2, 3, 4))
    dependents = tuple(
        Dependent(job_id=after, job_name=f"j{after}", depends_on=before) for after, before in edges
    )
    seen = situation(
        failed(1, Cause.UNKNOWN), waiting=waiting, configs=(row(7),), dependents=dependents
    )
    assert len(planned(seen).allocations) == allocations


def test_job_for_more_nodes_than_its_partition_has_is_left_alone() -> None:
    wide = replace(SMALL, id=5, num_nodes=9)
    answer = plan(seen_with((STANDARD, BIGMEM), failed(1, Cause.UNKNOWN, wide)), RecoverySettings())
    assert isinstance(answer, Refusal)
    (left,) = answer.left_alone
    assert left.reason == "it requests 9 nodes, and partition standard has 4 in service"


def test_nodes_of_all_sizes_of_a_partition_count() -> None:
    wide = replace(SMALL, id=5, num_nodes=5)
    larger = replace(STANDARD, memory=8000 * MIB, count=2)
    answer = planned(seen_with((STANDARD, larger), failed(1, Cause.UNKNOWN, wide)))
    assert len(answer.retries) == 1


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_demand_has_the_most_that_any_job_asks_for(order: tuple[int, int]) -> None:
    wide = replace(SMALL, id=5, num_nodes=3, num_gpus=0, num_cpus=4, runtime=60)
    deep = replace(SMALL, id=6, num_nodes=1, num_gpus=2, num_cpus=1, memory=5 * GIB)
    requirements = [(wide, deep)[place] for place in order]
    jobs = [job(each.id, requirements_id=each.id) for each in requirements]
    rows = SchedulerRows.of((row(7),), jobs, (STANDARD,), may_move=True)

    [(_, demand)] = demands_of(jobs, {each.id: each for each in requirements}, rows)

    assert demand == Demand(
        jobs=2, num_cpus=4, memory=5 * GIB, num_gpus=2, num_nodes=3, runtime=HOUR
    )
