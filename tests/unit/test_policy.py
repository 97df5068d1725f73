import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.allocation import NodeClass
from torc_watch.core.cause import Cause
from torc_watch.core.clue import Clue, Weight
from torc_watch.core.findings import Finding
from torc_watch.core.model import (
    Dependent,
    Job,
    JobCounts,
    JobStatus,
    Requirements,
    SchedulerConfig,
    Workflow,
)
from torc_watch.core.policy import plan
from torc_watch.core.recovery_round import (
    PastRounds,
    Plan,
    RecoverySettings,
    Refusal,
    RefusalKind,
    Repeat,
    RoundOutcome,
)
from torc_watch.core.situation import Situation
from torc_watch.core.sizing_policy import SizingPolicy
from torc_watch.core.units import GIB, MIB

SMALL = Requirements(
    id=3, name="small", num_cpus=1, num_gpus=0, num_nodes=1, memory=64 * MIB, runtime=60
)
WORKFLOW = Workflow(
    id=42, name="w", user="u", created="", run_id=1, is_canceled=False, is_archived=False
)


def job(job_id: int, status: JobStatus, requirements_id: int | None = None) -> Job:
    return Job(
        id=job_id,
        name=f"train_{job_id}",
        command="true",
        status=status,
        requirements_id=requirements_id,
        attempt=1,
    )


def dependent(job_id: int, depends_on: int) -> Dependent:
    return Dependent(job_id=job_id, job_name=f"train_{job_id}", depends_on=depends_on)


def finding(
    job_id: int,
    cause: Cause,
    *,
    peak: int | None = None,
    asked: Requirements | None = SMALL,
    status: JobStatus = JobStatus.FAILED,
) -> Finding:
    return Finding(
        job=job(job_id, status, requirements_id=asked.id if asked else None),
        cause=cause,
        reason="because",
        requirements=asked,
        peak_memory=peak,
    )


FIRST = PastRounds()
FIXED = RecoverySettings(sizing=SizingPolicy.FIXED)


def situation(
    *findings: Finding,
    past: PastRounds = FIRST,
    counts: dict[JobStatus, int] | None = None,
    dependents: tuple[Dependent, ...] | None = (),
    waiting: tuple[Job, ...] = (),
) -> Situation:
    return Situation(
        workflow=WORKFLOW,
        counts=JobCounts(
            counts or {JobStatus.COMPLETED: 95, JobStatus.FAILED: max(1, len(findings))}
        ),
        findings=findings,
        dependents=dependents,
        waiting=waiting,
        past=past,
        scheduler_type="local",
        requirements={SMALL.id: SMALL},
        configs=(
            SchedulerConfig(id=9, name="local", scheduler_type="local", num_cpus=2, memory=GIB),
        ),
        actions=(),
        node_classes=(NodeClass(num_cpus=4, memory=8 * GIB, runtime=3600),),
        allocation_stem="abc.wf42",
    )


def planned(*findings: Finding, settings: RecoverySettings | None = None) -> Plan:
    answer = plan(situation(*findings), settings or RecoverySettings())
    assert isinstance(answer, Plan)
    return answer


def refused(situation: Situation, settings: RecoverySettings | None = None) -> Refusal:
    answer = plan(situation, settings or RecoverySettings())
    assert isinstance(answer, Refusal)
    return answer


def test_job_that_ran_out_of_memory_gets_its_own_requirements() -> None:
    answer = planned(finding(7, Cause.OOM), finding(8, Cause.UNKNOWN))
    assert [(retry.job_id, retry.memory) for retry in answer.retries] == [
        (7, (64 * MIB, 96 * MIB)),
        (8, None),
    ]
    (adjustment,) = answer.adjustments
    assert adjustment.job_ids == (7,)
    assert (adjustment.base, adjustment.memory, adjustment.runtime) == (SMALL, 96 * MIB, 60)
    assert adjustment.name == "small.run2.96m.PT1M"


NUMPY = "MemoryError: Unable to allocate 45.0 GiB for an array with shape (6039797760,)"


@pytest.mark.parametrize(
    ("line", "node", "after"),
    [
        pytest.param("MemoryError", 128 * GIB, 96 * MIB, id="no size"),
        pytest.param(NUMPY, 128 * GIB, 45 * GIB * 3 // 2, id="what it wanted"),
        pytest.param(NUMPY, 64 * GIB, 64 * GIB, id="clamped to the node"),
        pytest.param(NUMPY, 32 * GIB, None, id="no node has it"),
        pytest.param(f"cupy: {NUMPY}", 32 * GIB, 96 * MIB, id="of a GPU"),
    ],
)
def test_size_in_the_output_is_a_lower_bound(line: str, node: int, after: int | None) -> None:
    said = Clue(
        rule="r", cause=Cause.OOM, weight=Weight.FATAL, says="no memory", line=line, file="x.e"
    )
    failed = dataclasses.replace(finding(7, Cause.OOM), clue=said)
    nodes = (NodeClass(num_cpus=4, memory=node, runtime=3600),)
    seen = dataclasses.replace(situation(failed), node_classes=nodes)
    answer = plan(seen, RecoverySettings())
    if after is None:
        assert isinstance(answer, Refusal)
        assert "needs more than 32g" in answer.left_alone[0].reason
    else:
        assert isinstance(answer, Plan)
        assert answer.retries[0].memory == (64 * MIB, after)


def test_job_that_ran_far_beyond_its_limit_gets_more_than_its_run_time() -> None:
    ran = dataclasses.replace(finding(7, Cause.TIMEOUT), ran=300.0)
    (adjustment,) = planned(ran, settings=FIXED).adjustments
    assert 450 <= adjustment.runtime <= 465


def test_job_that_timed_out_gets_run_time_and_keeps_its_memory() -> None:
    (adjustment,) = planned(
        finding(7, Cause.TIMEOUT), settings=dataclasses.replace(FIXED, runtime_multiplier=2.0)
    ).adjustments
    assert (adjustment.memory, adjustment.runtime) == (64 * MIB, 120)


def test_jobs_with_equal_targets_share_one_row() -> None:
    other = dataclasses.replace(SMALL, id=4, name="other")
    answer = planned(
        finding(1, Cause.OOM, peak=65 * MIB),
        finding(2, Cause.OOM, peak=65 * MIB + 1),
        finding(3, Cause.OOM, peak=128 * MIB),
        finding(4, Cause.OOM, peak=65 * MIB, asked=other),
    )
    assert [adjustment.job_ids for adjustment in answer.adjustments] == [(1, 2), (3,), (4,)]
    assert len({adjustment.name for adjustment in answer.adjustments}) == 3


def test_rows_raised_from_the_same_row_share_their_target() -> None:
    """After a crash, a second row of the same name would be confused with the first."""
    raised = dataclasses.replace(SMALL, id=4, name="small.run1.80m.PT1M", memory=80 * MIB)
    larger = dataclasses.replace(SMALL, id=5, num_cpus=2, name="large")
    answer = planned(
        finding(1, Cause.OOM, peak=80 * MIB),
        finding(2, Cause.OOM, asked=raised),
        finding(3, Cause.OOM, asked=larger, peak=80 * MIB),
    )
    assert [(adjustment.name, adjustment.job_ids) for adjustment in answer.adjustments] == [
        ("small.run2.120m.PT1M", (1, 2)),
        ("large.run2.120m.PT1M", (3,)),
    ]


def test_row_raised_twice_keeps_its_original_name() -> None:
    raised = dataclasses.replace(SMALL, name="small.run1.64m.PT1M")
    (adjustment,) = planned(finding(7, Cause.OOM, asked=raised)).adjustments
    assert adjustment.name == "small.run2.96m.PT1M"


@pytest.mark.parametrize("cause", [Cause.UNKNOWN, Cause.INTERRUPTED])
def test_failure_without_a_resource_cause_is_retried_unchanged(cause: Cause) -> None:
    answer = planned(finding(7, cause, peak=10 * GIB))
    assert answer.adjustments == ()
    assert [retry.job_id for retry in answer.retries] == [7]


@pytest.mark.parametrize("cause", [Cause.OOM, Cause.TIMEOUT])
def test_job_without_requirements_is_retried_unchanged(cause: Cause) -> None:
    answer = planned(finding(7, cause, asked=None))
    assert (len(answer.retries), answer.adjustments) == (1, ())


def test_unknown_failures_are_skipped_without_retry_unknown() -> None:
    answer = planned(
        finding(7, Cause.UNKNOWN),
        finding(8, Cause.OOM),
        settings=RecoverySettings(retry_unknown=False),
    )
    assert [retry.job_id for retry in answer.retries] == [8]
    assert [(left.job_id, left.restarts_anyway) for left in answer.left_alone] == [(7, False)]


def test_skipped_terminated_job_is_marked_as_restarting_anyway() -> None:
    capped = dataclasses.replace(SMALL, runtime=3600)
    answer = planned(
        finding(7, Cause.TIMEOUT, asked=capped, status=JobStatus.TERMINATED), finding(8, Cause.OOM)
    )
    assert [(left.job_id, left.restarts_anyway) for left in answer.left_alone] == [(7, True)]


def test_dependents_of_a_retried_job_are_listed_as_repeated() -> None:
    """Their status does not matter, but jobs that have not run yet are omitted."""
    failures = [finding(7, Cause.OOM), finding(8, Cause.UNKNOWN), finding(9, Cause.UNKNOWN)]
    behind = [(8, 7), (10, 8), (11, 10), (12, 7), (20, 9)]  # (job, the job it depends on)
    answer = plan(
        situation(
            *failures,
            dependents=tuple(dependent(*pair) for pair in behind),
            waiting=(job(12, JobStatus.CANCELED), job(30, JobStatus.BLOCKED)),
        ),
        RecoverySettings(retry_unknown=False),
    )
    assert isinstance(answer, Plan)
    assert [(left.job_id, left.restarts_anyway) for left in answer.left_alone] == [
        (8, True),
        (9, False),
    ]
    assert answer.repeated == (
        Repeat(job_id=10, job_name="train_10"),
        Repeat(job_id=11, job_name="train_11"),
    )
    assert answer.behind == 1


def test_dependents_of_a_job_left_uninitialized_are_listed_as_repeated() -> None:
    answer = plan(
        situation(
            counts={JobStatus.UNINITIALIZED: 1, JobStatus.COMPLETED: 2},
            dependents=(dependent(2, 1), dependent(4, 3)),
            waiting=(job(1, JobStatus.UNINITIALIZED),),
        ),
        RecoverySettings(),
    )
    assert isinstance(answer, Plan)
    assert answer.repeated == (Repeat(job_id=2, job_name="train_2"),)


def test_too_many_dependents_are_listed_as_unknown() -> None:
    waiting = (job(8, JobStatus.BLOCKED), job(9, JobStatus.CANCELED), job(10, JobStatus.READY))
    answer = plan(
        situation(finding(7, Cause.OOM), dependents=None, waiting=waiting), RecoverySettings()
    )
    assert isinstance(answer, Plan)
    assert (answer.repeated, answer.behind) == (None, 2)


@pytest.mark.parametrize(
    ("failed", "text"),
    [
        (finding(7, Cause.OOM, peak=9 * GIB), "more than 8g"),
        (finding(7, Cause.OOM, asked=dataclasses.replace(SMALL, memory=8 * GIB)), "more than 8g"),
        (finding(7, Cause.TIMEOUT, asked=dataclasses.replace(SMALL, runtime=3600)), "PT1H"),
    ],
)
def test_job_that_no_node_can_run_is_handed_over(failed: Finding, text: str) -> None:
    refusal = refused(situation(failed))
    assert refusal.kind is RefusalKind.NOTHING_TO_RETRY
    assert text in refusal.left_alone[0].reason


@pytest.mark.parametrize(
    ("used", "max_retries", "allowed"),
    [(0, 3, True), (2, 3, True), (3, 3, False), (4, 3, False), (0, 0, False)],
)
def test_no_round_is_planned_beyond_max_retries(
    used: int, max_retries: int, *, allowed: bool
) -> None:
    answer = plan(
        situation(finding(7, Cause.UNKNOWN), past=PastRounds(ended=5, used=used)),
        RecoverySettings(max_retries=max_retries),
    )
    if allowed:
        assert isinstance(answer, Plan)
        assert answer.number == 6
    else:
        assert isinstance(answer, Refusal)
        assert answer.kind is RefusalKind.EXHAUSTED
        assert answer.reason == f"Max retries ({max_retries}) exceeded."


SPENT = PastRounds(ended=3, used=3)
CONTINUED = PastRounds(ended=4, used=3, completed=95)


@pytest.mark.parametrize(
    ("past", "causes", "completed", "allowed"),
    [
        (SPENT, (Cause.INTERRUPTED,), 95, True),
        (SPENT, (), 95, True),  # only jobs that never started
        (SPENT, (Cause.INTERRUPTED, Cause.OOM), 95, False),
        (SPENT, (Cause.UNKNOWN,), 95, False),
        (CONTINUED, (Cause.INTERRUPTED,), 96, True),
        (CONTINUED, (Cause.INTERRUPTED,), 95, False),  # nothing completed since
        (CONTINUED, (), 95, False),
    ],
)
def test_round_that_only_continues_uses_up_no_retry(
    past: PastRounds, causes: tuple[Cause, ...], completed: int, *, allowed: bool
) -> None:
    findings = [finding(7 + place, cause) for place, cause in enumerate(causes)]
    counts = {JobStatus.COMPLETED: completed, JobStatus.FAILED: len(causes), JobStatus.READY: 2}
    waiting = (job(50, JobStatus.READY), job(51, JobStatus.READY))
    answer = plan(
        situation(*findings, past=past, counts=counts, waiting=waiting),
        RecoverySettings(max_retries=3),
    )
    if allowed:
        assert isinstance(answer, Plan)
        assert (answer.uses_retry, answer.completed, answer.ready) == (False, completed, 2)
    else:
        assert isinstance(answer, Refusal)
        assert answer.kind is RefusalKind.EXHAUSTED


def test_continuation_without_progress_uses_up_a_retry() -> None:
    past = PastRounds(ended=1, used=0, completed=95)
    answer = plan(situation(finding(7, Cause.INTERRUPTED), past=past), RecoverySettings())
    assert isinstance(answer, Plan)
    assert answer.uses_retry
    assert past.after(RoundOutcome.RESUBMITTED, answer) == PastRounds(ended=2, used=1, completed=95)


def test_reset_jobs_that_a_round_left_behind_use_up_a_retry() -> None:
    counts = {JobStatus.COMPLETED: 5, JobStatus.UNINITIALIZED: 2}
    answer = plan(situation(counts=counts), RecoverySettings())
    assert isinstance(answer, Plan)
    assert answer.uses_retry


def test_ready_jobs_without_workers_get_allocations() -> None:
    answer = plan(situation(counts={JobStatus.READY: 3}), RecoverySettings())
    assert isinstance(answer, Plan)
    assert (answer.retries, len(answer.allocations)) == ((), 2)


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ({JobStatus.BLOCKED: 3}, "none is ready"),
        ({JobStatus.CANCELED: 3, JobStatus.COMPLETED: 1}, "none is ready"),
        ({JobStatus.UNINITIALIZED: 3}, "torc run 42"),
        ({JobStatus.UNINITIALIZED: 3, JobStatus.DISABLED: 1}, "torc run 42"),
    ],
)
def test_workflow_whose_jobs_cannot_start_is_stuck(counts: dict[JobStatus, int], text: str) -> None:
    refusal = refused(situation(counts=counts))
    assert refusal.kind is RefusalKind.STUCK
    assert text in refusal.reason


@pytest.mark.parametrize(
    "others", [{JobStatus.COMPLETED: 1}, {JobStatus.BLOCKED: 1}, {JobStatus.READY: 1}]
)
def test_jobs_left_uninitialized_are_started(others: dict[JobStatus, int]) -> None:
    answer = plan(
        situation(counts={JobStatus.UNINITIALIZED: 3, **others}), RecoverySettings(max_retries=1)
    )
    assert isinstance(answer, Plan)
    assert (answer.retries, answer.uninitialized, answer.starts_run) == ((), 3, True)
    assert len(answer.allocations) == 2


@pytest.mark.parametrize(
    ("others", "restarts"), [({JobStatus.UNINITIALIZED: 1}, True), ({JobStatus.READY: 1}, False)]
)
def test_skipped_terminated_job_restarts_only_when_jobs_are_initialized(
    others: dict[JobStatus, int], *, restarts: bool
) -> None:
    answer = plan(
        situation(
            finding(7, Cause.UNKNOWN, status=JobStatus.TERMINATED),
            counts={JobStatus.TERMINATED: 1, JobStatus.BLOCKED: 1, **others},
        ),
        RecoverySettings(retry_unknown=False),
    )
    assert isinstance(answer, Plan)
    assert answer.starts_run is restarts
    assert [left.restarts_anyway for left in answer.left_alone] == [restarts]


def test_allocations_have_the_usual_shape_and_tokens_of_the_round() -> None:
    answer = planned(*(finding(job_id, Cause.OOM) for job_id in range(1, 21)))
    assert [
        (allocation.token, allocation.num_cpus, allocation.memory)
        for allocation in answer.allocations
    ] == [
        ("abc.wf42-1", 2, GIB),
        ("abc.wf42-2", 2, GIB),
    ]
    assert answer.scheduler_config_id == 9


@pytest.mark.parametrize(
    ("status", "allocations"), [(JobStatus.FAILED, 1), (JobStatus.TERMINATED, 2)]
)
def test_skipped_jobs_that_torc_restarts_get_allocations(
    status: JobStatus, allocations: int
) -> None:
    capped = dataclasses.replace(SMALL, runtime=3600)
    left_alone = [finding(job_id, Cause.TIMEOUT, asked=capped, status=status) for job_id in (7, 8)]
    answer = planned(*left_alone, finding(9, Cause.OOM))
    assert len(answer.left_alone) == 2
    assert len(answer.allocations) == allocations


def test_dependents_that_torc_restarts_get_allocations() -> None:
    behind = tuple(dependent(number, 7) for number in (8, 9))
    answer = plan(situation(finding(7, Cause.OOM), dependents=behind), RecoverySettings())
    assert isinstance(answer, Plan)
    assert len(answer.allocations) == 2


def test_allocation_is_as_large_as_its_largest_job() -> None:
    asked = dataclasses.replace(SMALL, num_cpus=3, memory=2 * GIB)
    (allocation,) = planned(finding(7, Cause.OOM, asked=asked)).allocations
    assert (allocation.num_cpus, allocation.memory) == (3, 3 * GIB)


@given(
    causes=st.lists(st.sampled_from(Cause), min_size=1, max_size=30),
    peaks=st.lists(st.none() | st.integers(min_value=1, max_value=6 * GIB), min_size=30),
)
def test_every_failed_job_is_retried_or_skipped_and_no_request_shrinks(
    causes: list[Cause], peaks: list[int | None]
) -> None:
    findings = [finding(i, cause, peak=peaks[i]) for i, cause in enumerate(causes)]
    answer = planned(*findings)
    decided = [retry.job_id for retry in answer.retries] + [
        left.job_id for left in answer.left_alone
    ]
    assert sorted(decided) == list(range(len(causes)))
    for adjustment in answer.adjustments:
        assert SMALL.memory is not None
        assert SMALL.runtime is not None
        assert adjustment.memory >= SMALL.memory
        assert adjustment.runtime >= SMALL.runtime
        assert (adjustment.memory, adjustment.runtime) != (SMALL.memory, SMALL.runtime)


def test_pending_failed_job_is_marked_as_restarting_and_gets_an_allocation() -> None:
    """Torc starts it in any new run, although the plan does not retry it."""
    capped = dataclasses.replace(SMALL, runtime=3600)
    waits = finding(7, Cause.TIMEOUT, asked=capped, status=JobStatus.PENDING_FAILED)
    stays = finding(8, Cause.TIMEOUT, asked=capped)

    answer = planned(waits, stays, *(finding(job_id, Cause.OOM) for job_id in (9, 10)))

    assert [(left.job_id, left.restarts_anyway) for left in answer.left_alone] == [
        (7, True),
        (8, False),
    ]
    assert len(answer.allocations) == 2


@pytest.mark.parametrize("cpus", [(1, 3), (3, 1)])
def test_allocation_has_the_cpus_of_the_largest_of_several_jobs(cpus: tuple[int, int]) -> None:
    findings = [
        finding(job_id, Cause.OOM, asked=dataclasses.replace(SMALL, num_cpus=num_cpus))
        for job_id, num_cpus in enumerate(cpus)
    ]
    assert [allocation.num_cpus for allocation in planned(*findings).allocations] == [3]
