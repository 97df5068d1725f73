"""Which failed jobs may run again while others run."""

from dataclasses import replace

import pytest

from torc_watch.core.allocation import AllocationState, AllocationStatus, EndCause
from torc_watch.core.cause import Cause
from torc_watch.core.findings import Finding
from torc_watch.core.in_place_gate import (
    LastAttempt,
    bound_jobs,
    is_wanted,
    is_worth_a_look,
    objection,
    objection_to_cause,
    why_off,
)
from torc_watch.core.model import (
    Allocation,
    ComputeNode,
    Dependent,
    Job,
    JobCounts,
    JobResult,
    JobStatus,
    Workflow,
)
from torc_watch.core.recovery_round import ApprovalLimits, RecoverySettings
from torc_watch.core.return_code import ORPHANED
from torc_watch.core.sizing_policy import SizingPolicy
from torc_watch.core.worker_end import WorkerEnd

JOB = Job(id=1, name="a", command="true", status=JobStatus.FAILED, requirements_id=None, attempt=2)
RESULT = JobResult(
    job_id=1,
    run_id=3,
    attempt=2,
    status=JobStatus.FAILED,
    return_code=137,
    exec_seconds=10.0,
    peak_memory=None,
    compute_node_id=1,
)
ATTEMPT = LastAttempt(job=JOB, result=RESULT)
WORKFLOW = Workflow(
    id=7, name="w", user="ada", created="", run_id=3, is_canceled=False, is_archived=False
)
ALLOCATION = Allocation(
    id=1, scheduler_id=99, scheduler_config_id=1, scheduler_type="slurm", status="complete"
)
NODE = ComputeNode(id=1, hostname="n1", pid=1, allocation_id=1, has_ended=True)


@pytest.mark.parametrize(
    "attempt",
    [
        ATTEMPT,
        LastAttempt(job=replace(JOB, status=JobStatus.TERMINATED), result=RESULT),
        replace(ATTEMPT, retries=2),
    ],
)
def test_job_whose_last_attempt_has_its_result_may_run_again(attempt: LastAttempt) -> None:
    assert objection(attempt, 3, 3) is None


@pytest.mark.parametrize(
    ("attempt", "reason"),
    [
        *(
            (replace(ATTEMPT, job=replace(JOB, status=status)), f"its status is {status}")
            for status in JobStatus
            if status not in (JobStatus.FAILED, JobStatus.TERMINATED)
        ),
        (
            replace(ATTEMPT, job=replace(JOB, has_failure_handler=True)),
            "its failure handler counts the attempts",
        ),
        (replace(ATTEMPT, result=None), "its last attempt has no result"),
        (replace(ATTEMPT, result=replace(RESULT, run_id=2)), "its last attempt has no result"),
        (replace(ATTEMPT, result=replace(RESULT, attempt=1)), "its last attempt has no result"),
        (
            replace(ATTEMPT, result=replace(RESULT, return_code=ORPHANED)),
            "its worker was lost, and may still run it",
        ),
        (replace(ATTEMPT, retries=3), "it was retried 3 times while others ran, in vain"),
    ],
)
def test_others_wait_until_the_workflow_is_at_rest(attempt: LastAttempt, reason: str) -> None:
    assert objection(attempt, 3, 3) == reason


def test_without_a_bound_of_rounds_there_is_none_of_retries() -> None:
    assert objection(replace(ATTEMPT, retries=99), 3, None) is None


def finding(cause: Cause) -> Finding:
    return Finding(job=JOB, cause=cause, reason="because", requirements=None)


def ended(
    cause: EndCause | None = None, state: AllocationState = AllocationState.GONE
) -> WorkerEnd:
    status = AllocationStatus(state=state, cause=cause, canceled_by="ada" if cause else "")
    return WorkerEnd(node=NODE, allocation=ALLOCATION, status=status)


@pytest.mark.parametrize(
    ("cause", "worker"),
    [
        (Cause.OOM, None),
        (Cause.TIMEOUT, None),
        (Cause.TIMEOUT, ended(state=AllocationState.ALIVE)),
        (Cause.INTERRUPTED, ended()),
        (Cause.PREEMPTED, ended(EndCause.PREEMPTED)),
        (Cause.NODE, ended(EndCause.NODE_FAILURE)),
    ],
)
def test_lack_and_interruptions_are_mended(cause: Cause, worker: WorkerEnd | None) -> None:
    assert objection_to_cause(finding(cause), worker, (), limits_memory=True) is None


@pytest.mark.parametrize(
    ("cause", "worker", "reason"),
    [
        (Cause.CODE, None, "because"),
        (Cause.UNKNOWN, None, "because"),
        (Cause.CANCELED, ended(EndCause.CANCELED), "because"),
        (Cause.NODE, None, "its worker is still there"),
        (Cause.NODE, WorkerEnd(node=NODE), "its worker is still there"),
        (Cause.SCHEDULER, ended(state=AllocationState.ALIVE), "its worker is still there"),
        (Cause.INTERRUPTED, ended(state=AllocationState.UNKNOWN), "its worker is still there"),
        (Cause.INTERRUPTED, ended(EndCause.CANCELED), "allocation 99 was canceled by ada"),
    ],
)
def test_other_failures_wait(cause: Cause, worker: WorkerEnd | None, reason: str) -> None:
    assert objection_to_cause(finding(cause), worker, (), limits_memory=True) == reason


def test_allocation_that_recovery_canceled_is_no_objection() -> None:
    assert (
        objection_to_cause(
            finding(Cause.INTERRUPTED), ended(EndCause.CANCELED), {99}, limits_memory=True
        )
        is None
    )


@pytest.mark.parametrize(
    ("settings", "workflow", "is_tested", "reason"),
    [
        (RecoverySettings(), WORKFLOW, True, ""),
        (
            RecoverySettings(approval=ApprovalLimits(node_hours=1)),
            WORKFLOW,
            True,
            "plans wait for approval",
        ),
        (
            RecoverySettings(in_place=True),
            replace(WORKFLOW, use_pending_failed=True),
            True,
            "failures of this workflow wait for the user (use_pending_failed)",
        ),
        (RecoverySettings(), WORKFLOW, False, "it was not tested with this version of Torc"),
    ],
)
def test_reasons_for_a_whole_workflow(
    settings: RecoverySettings, workflow: Workflow, is_tested: bool, reason: str
) -> None:
    assert why_off(settings, workflow, is_tested=is_tested) == reason


@pytest.mark.parametrize(
    ("in_place", "is_of_slurm", "sizing", "expected"),
    [
        (None, True, SizingPolicy.EVIDENCE, True),
        (None, True, SizingPolicy.FIXED, False),
        (None, False, SizingPolicy.EVIDENCE, False),
        (True, False, SizingPolicy.FIXED, True),
        (False, True, SizingPolicy.EVIDENCE, False),
    ],
)
def test_by_default_it_is_for_requests_by_evidence_in_slurm(
    in_place: bool | None, is_of_slurm: bool, sizing: SizingPolicy, expected: bool
) -> None:
    settings = RecoverySettings(in_place=in_place, sizing=sizing)
    assert is_wanted(settings, is_of_slurm=is_of_slurm) is expected
    assert not is_wanted(replace(settings, max_retries=0), is_of_slurm=is_of_slurm)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({JobStatus.FAILED: 1, JobStatus.RUNNING: 1}, True),
        ({JobStatus.TERMINATED: 1, JobStatus.READY: 1}, True),
        ({JobStatus.FAILED: 1, JobStatus.PENDING: 1}, True),
        ({JobStatus.FAILED: 1, JobStatus.BLOCKED: 9, JobStatus.COMPLETED: 9}, False),
        ({JobStatus.RUNNING: 9}, False),
        ({JobStatus.PENDING_FAILED: 1, JobStatus.RUNNING: 1}, False),
    ],
)
def test_nothing_is_asked_where_nothing_failed_or_all_is_over(
    counts: dict[JobStatus, int], expected: bool
) -> None:
    assert is_worth_a_look(JobCounts(counts)) is expected


@pytest.mark.parametrize(
    ("status", "counted", "expected"),
    [
        (JobStatus.BLOCKED, [], set()),
        (JobStatus.CANCELED, [], set()),
        (JobStatus.UNINITIALIZED, [], set()),
        (JobStatus.BLOCKED, [1], {1}),  # an action counts its ends
        (JobStatus.READY, [], {1}),  # it runs although this one failed
        (None, [], {1}),  # it runs already, or did
    ],
)
def test_what_follows_from_a_job_keeps_it_in_its_run(
    status: JobStatus | None, counted: list[int], expected: set[int]
) -> None:
    child = Dependent(job_id=2, job_name="b", depends_on=1)
    waiting = [replace(JOB, id=2, status=status)] if status else []
    assert bound_jobs([child], waiting, counted) == expected


@pytest.mark.parametrize(
    ("cause", "reason"), [(Cause.OOM, "its allocation has no more memory"), (Cause.TIMEOUT, None)]
)
def test_job_that_took_all_memory_of_its_allocation_waits(cause: Cause, reason: str | None) -> None:
    assert objection_to_cause(finding(cause), None, (), limits_memory=False) == reason
