import itertools
from dataclasses import replace

import pytest

from torc_watch.core.allocation import AllocationState, AllocationStatus
from torc_watch.core.assessment import (
    Observation,
    WorkflowState,
    grace_before_stall,
    has_succeeded,
    unstartable_reason,
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


def waiting(
    *others: AllocationState, unmanaged: tuple[AllocationState, ...] = (), details: str = "why"
) -> Observation:
    """With one allocation that will never start, before ``others``."""
    never = (ALLOCATION, AllocationStatus(state=ALIVE, never_starts=True, detail=details))
    seen = observation(*others, unmanaged=unmanaged)
    return replace(seen, allocations=(never, *seen.allocations))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (waiting(), WorkflowState.UNSTARTABLE),
        (waiting(GONE), WorkflowState.UNSTARTABLE),
        (waiting(GONE, unmanaged=(GONE,)), WorkflowState.UNSTARTABLE),
        (waiting(ALIVE), WorkflowState.WORKING),
        (waiting(UNKNOWN), WorkflowState.WORKING),
        (waiting(unmanaged=(ALIVE,)), WorkflowState.WORKING),
        (waiting(unmanaged=(UNKNOWN,)), WorkflowState.WORKING),
        (observation(ALIVE), WorkflowState.WORKING),
    ],
)
def test_allocations_that_never_start_count_as_no_workers(
    seen: Observation, expected: WorkflowState
) -> None:
    assert workflow_state(seen) is expected


@pytest.mark.parametrize(
    ("details", "text"),
    [
        ("will never start (why)\nmore", "Allocation 1: will never start (why). "),
        ("", "Allocation 1: will never start. "),
    ],
)
def test_reason_names_the_allocation_its_cause_and_what_to_do(details: str, text: str) -> None:
    reason = unstartable_reason(waiting(GONE, details=details))
    assert reason.startswith(text)
    assert "`scancel 1`, `torc-watchd recover 1` submits again" in reason


def test_workflow_with_unknown_states_is_never_finished() -> None:
    for states in itertools.product(AllocationState, repeat=3):
        if UNKNOWN in states:
            for complete in (True, False):
                assert (
                    workflow_state(observation(*states, complete=complete)) is WorkflowState.WORKING
                )


@pytest.mark.parametrize("status", JobStatus)
def test_workflow_succeeds_only_with_completed_and_disabled_jobs(status: JobStatus) -> None:
    counts = JobCounts({JobStatus.COMPLETED: 99, status: 1})
    assert has_succeeded(counts) == (status in (JobStatus.COMPLETED, JobStatus.DISABLED))


def test_workflow_without_jobs_has_not_succeeded() -> None:
    """A server that has lost the jobs calls it complete."""
    assert not has_succeeded(JobCounts({}))


def on_silent_node(
    *others: AllocationState, unmanaged: tuple[AllocationState, ...] = ()
) -> Observation:
    """With one allocation that ended by a failure of its node, before ``others``."""
    silent = (ALLOCATION, AllocationStatus(state=UNKNOWN, silent_nodes=("n1",)))
    seen = observation(*others, unmanaged=unmanaged)
    return replace(seen, allocations=(silent, *seen.allocations))


@pytest.mark.parametrize(
    ("seen", "awaits"),
    [
        (on_silent_node(), True),
        (on_silent_node(GONE, unmanaged=(GONE,)), True),
        (on_silent_node(ALIVE), False),
        (on_silent_node(UNKNOWN), False),
        (on_silent_node(unmanaged=(ALIVE,)), False),
        (on_silent_node(unmanaged=(UNKNOWN,)), False),
        (observation(UNKNOWN), False),
        (observation(), False),
    ],
)
def test_failed_nodes_are_awaited_only_if_no_other_worker_may_be_left(
    seen: Observation, awaits: bool
) -> None:
    assert seen.awaits_nodes is awaits


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
def test_workflow_whose_dead_workers_hold_jobs_stalls_without_a_grace_period(
    seen: Observation, held: JobStatus, grace: float
) -> None:
    assert grace_before_stall(seen, JobCounts({held: 1, JobStatus.BLOCKED: 1})) == grace
