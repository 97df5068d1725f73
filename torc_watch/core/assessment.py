"""Where a workflow stands, from one look at it."""

from dataclasses import dataclass
from enum import StrEnum

from torc_watch.core import polling
from torc_watch.core.allocation import AllocationState, AllocationStatus
from torc_watch.core.model import Allocation, ComputeNode, Job, JobCounts, JobStatus, Workflow

OPEN_ALLOCATION = frozenset({"pending", "active"})
UNFINISHED = (
    JobStatus.UNINITIALIZED,
    JobStatus.BLOCKED,
    JobStatus.READY,
    JobStatus.PENDING,
    JobStatus.RUNNING,
    JobStatus.UNRECOGNIZED,
)
FAILURES = (JobStatus.FAILED, JobStatus.TERMINATED, JobStatus.PENDING_FAILED)


class WorkflowState(StrEnum):
    WORKING = "working"  # something may still run its jobs, or says good-bye
    FINISHED = "finished"  # every job has ended and nothing runs
    STALLED = "stalled"  # jobs are left and nothing is there to run them
    CANCELED = "canceled"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One look at a workflow.

    ``allocations`` are those that the server believes open, with what the scheduler says of them.
    ``unmanaged_workers`` are workers outside of allocations that never deregistered;
    ``idle_elsewhere`` are those on other machines that hold no job: dead, or about to leave by
    themselves. They are asked for only when no allocation can be alive, and are empty otherwise.
    ``is_complete`` says that every job has ended; it is asked for only when no worker can be alive,
    and is False otherwise.
    """

    workflow: Workflow
    counts: JobCounts | None
    allocations: tuple[tuple[Allocation, AllocationStatus], ...]
    is_complete: bool = False
    unmanaged_workers: tuple[tuple[ComputeNode, AllocationState], ...] = ()
    idle_elsewhere: tuple[ComputeNode, ...] = ()

    @property
    def may_have_workers(self) -> bool:
        states = [status.state for _, status in self.allocations]
        states += [state for _, state in self.unmanaged_workers]
        return any(state is not AllocationState.GONE for state in states)


def standing(observation: Observation) -> WorkflowState:
    """What one observation means. A worker of which nobody knows counts as one that runs."""
    if observation.workflow.is_archived:
        return WorkflowState.ARCHIVED
    if observation.workflow.is_canceled:
        return WorkflowState.CANCELED
    if observation.may_have_workers:
        return WorkflowState.WORKING
    return WorkflowState.FINISHED if observation.is_complete else WorkflowState.STALLED


def has_succeeded(counts: JobCounts) -> bool:
    """Whether every job is completed or disabled: the only thing that is ever called success.

    Not without any job: a server that has lost them calls that complete.
    """
    return 0 < counts.total == counts.of(JobStatus.COMPLETED, JobStatus.DISABLED)


def grace_before_recovery(observation: Observation) -> float:
    """How long (s) an idle worker elsewhere has to leave: it would take jobs of a new run."""
    return polling.LEAVING_GRACE if observation.idle_elsewhere else 0.0


def grace_before_stall(observation: Observation, counts: JobCounts) -> float:
    """How long (s) a workflow without workers may be about to go on: the server unblocks jobs late.

    No time at all after the death of workers that held some.
    """
    has_dead_workers = bool(observation.allocations or observation.unmanaged_workers)
    workers_died = has_dead_workers and counts.of(JobStatus.RUNNING, JobStatus.PENDING)
    return 0.0 if workers_died else polling.STALL_GRACE


def is_not_started(counts: JobCounts) -> bool:
    """Whether no job was ever initialised, or all were reset again."""
    return counts.of(JobStatus.UNINITIALIZED, JobStatus.DISABLED) == counts.total


def stuck_reason(workflow_id: int, counts: JobCounts) -> str:
    """Why a workflow with jobs left, and nothing to run them, stays as it is; what to do then."""
    if is_not_started(counts):
        return (
            f"Workflow {workflow_id} has not been started: none of its jobs is initialized. Start "
            f"it with `torc run {workflow_id}`, or create it anew with `torc-watchd submit`."
        )
    if counts.of(JobStatus.READY, JobStatus.UNINITIALIZED, *FAILURES):
        return (
            "Nothing is there to run the jobs that are left. "
            f"`torc-watchd recover {workflow_id}` starts something that does, and so does "
            "whoever watches with --auto-recover."
        )
    return "Jobs are left, but none failed and none is ready: there is nothing to restart."


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphans:
    """What dead workers left behind: jobs that will never report, and rows that say 'open'.

    ``running`` pairs each such job with the id of the compute node that had it; ``claimed`` jobs
    had not been started.
    """

    running: tuple[tuple[Job, int], ...] = ()
    claimed: tuple[Job, ...] = ()
    nodes: tuple[ComputeNode, ...] = ()
    allocations: tuple[Allocation, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.running or self.claimed or self.nodes or self.allocations)
