import itertools

import pytest

from torc_watch.core.allocation import AllocationState, AllocationStatus
from torc_watch.core.assessment import (
    Observation,
    WorkflowState,
    grace_before_stall,
    has_succeeded,
    workflow_state,
)
from torc_watch.core.intervals import STALL_GRACE
from torc_watch.core.model import Allocation, ComputeNode, JobCounts, JobStatus, Workflow

ALIVE, GONE, UNKNOWN = AllocationState
ALLOCATION = Allocation(
    id=1, scheduler_id=1, scheduler_config_id=1, scheduler_type="local", status="active"
)
UNMANAGED = ComputeNode(id=1, hostname="n1", pid=1, allocation_id=None, has_ended=False)


def observation(
    *states: AllocationState,
    complete: bool = False,
    unmanaged: tuple[AllocationState, ...] = (),
    canceled: bool = False,
    archived: bool = False,
) -> Observation:
    return Observation(
        workflow=Workflow(
            id=1,
            name="w",
            user="u",
            created="",
            run_id=1,
            is_canceled=canceled,
            is_archived=archived,
        ),
        is_complete=complete,
        counts=None,
        allocations=tuple((ALLOCATION, AllocationStatus(state=state)) for state in states),
        unmanaged_workers=tuple((UNMANAGED, state) for state in unmanaged),
    )


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (observation(ALIVE), WorkflowState.WORKING),
        (observation(GONE, ALIVE), WorkflowState.WORKING),
        (observation(GONE), WorkflowState.STALLED),
        (observation(), WorkflowState.STALLED),
        (observation(UNKNOWN), WorkflowState.WORKING),
        (observation(GONE, unmanaged=(ALIVE,)), WorkflowState.WORKING),
        (observation(GONE, unmanaged=(UNKNOWN,)), WorkflowState.WORKING),
        (observation(GONE, unmanaged=(GONE,)), WorkflowState.STALLED),
        (observation(ALIVE, complete=True), WorkflowState.WORKING),
        (observation(UNKNOWN, complete=True), WorkflowState.WORKING),
        (observation(GONE, complete=True), WorkflowState.FINISHED),
        (observation(complete=True), WorkflowState.FINISHED),
        (observation(ALIVE, complete=True, canceled=True), WorkflowState.CANCELED),
        (observation(canceled=True, archived=True), WorkflowState.ARCHIVED),
    ],
)
def test_state_of_a_workflow(seen: Observation, expected: WorkflowState) -> None:
    assert workflow_state(seen) is expected


def test_unknown_is_never_finished() -> None:
    for states in itertools.product(AllocationState, repeat=3):
        if UNKNOWN in states:
            for complete in (True, False):
                assert (
                    workflow_state(observation(*states, complete=complete)) is WorkflowState.WORKING
                )


@pytest.mark.parametrize("status", JobStatus)
def test_only_completed_and_disabled_jobs_are_success(status: JobStatus) -> None:
    counts = JobCounts({JobStatus.COMPLETED: 99, status: 1})
    assert has_succeeded(counts) == (status in (JobStatus.COMPLETED, JobStatus.DISABLED))


@pytest.mark.parametrize(
    ("seen", "held", "grace"),
    [
        (observation(GONE), JobStatus.RUNNING, 0),
        (observation(GONE), JobStatus.PENDING, 0),
        (observation(unmanaged=(GONE,)), JobStatus.PENDING, 0),
        (observation(GONE), JobStatus.READY, STALL_GRACE),
        (observation(), JobStatus.RUNNING, STALL_GRACE),
    ],
)
def test_jobs_of_dead_workers_get_no_grace(
    seen: Observation, held: JobStatus, grace: float
) -> None:
    assert grace_before_stall(seen, JobCounts({held: 1, JobStatus.BLOCKED: 1})) == grace
