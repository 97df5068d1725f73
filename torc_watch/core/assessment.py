"""What one observation of a workflow means."""

from dataclasses import dataclass
from enum import StrEnum

from torc_watch.core import intervals
from torc_watch.core.allocation import AllocationState, AllocationStatus
from torc_watch.core.model import Allocation, ComputeNode, Job, JobCounts, JobStatus, Workflow
from torc_watch.core.orphaned_job import OrphanedJob

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
    WORKING = "working"  # workers may still run its jobs, or are about to deregister
    FINISHED = "finished"  # every job has ended and no worker is left
    UNSTARTABLE = "unstartable"  # only allocations are left that will never start
    STALLED = "stalled"  # jobs are left and no worker to run them
    CANCELED = "canceled"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What server and scheduler say of a workflow.

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

    @property
    def never_starting(self) -> tuple[tuple[Allocation, AllocationStatus], ...]:
        return tuple(each for each in self.allocations if each[1].never_starts)

    @property
    def queued_and_running(self) -> tuple[int, int]:
        """How many allocations wait to start, and how many have started, as the scheduler says."""
        alive = [each for _, each in self.allocations if each.state is AllocationState.ALIVE]
        queued = sum(each.began is None for each in alive)
        return queued, len(alive) - queued

    @property
    def waits_in_vain(self) -> bool:
        """Whether nothing else is left that may be a worker, or become one."""
        others = [status.state for _, status in self.allocations if not status.never_starts]
        return bool(self.never_starting) and self._has_only_gone(others)

    @property
    def on_silent_nodes(self) -> tuple[tuple[Allocation, AllocationStatus], ...]:
        return tuple(each for each in self.allocations if each[1].silent_nodes)

    @property
    def awaits_nodes(self) -> bool:
        """Whether nothing else is left that may be a worker."""
        others = [status.state for _, status in self.allocations if not status.silent_nodes]
        return bool(self.on_silent_nodes) and self._has_only_gone(others)

    def _has_only_gone(self, allocations: list[AllocationState]) -> bool:
        states = allocations + [state for _, state in self.unmanaged_workers]
        return all(state is AllocationState.GONE for state in states)


def workflow_state(observation: Observation) -> WorkflowState:
    """The state that an observation shows. A worker whose state is unknown counts as running."""
    if observation.workflow.is_archived:
        return WorkflowState.ARCHIVED
    if observation.workflow.is_canceled:
        return WorkflowState.CANCELED
    if observation.waits_in_vain:
        return WorkflowState.UNSTARTABLE
    if observation.may_have_workers:
        return WorkflowState.WORKING
    return WorkflowState.FINISHED if observation.is_complete else WorkflowState.STALLED


def has_succeeded(counts: JobCounts) -> bool:
    """Whether every job is completed or disabled: only that is ever called success.

    A workflow without jobs has not succeeded: a server that has lost them calls it complete.
    """
    return 0 < counts.total == counts.of(JobStatus.COMPLETED, JobStatus.DISABLED)


def grace_before_recovery(observation: Observation) -> float:
    """How long (s) an idle worker elsewhere has to leave: it would claim jobs of a new run."""
    return intervals.LEAVING_GRACE if observation.idle_elsewhere else 0.0


def grace_before_stall(observation: Observation, counts: JobCounts) -> float:
    """How long (s) a workflow without workers may still continue: the server unblocks jobs late.

    Zero after the death of workers that held jobs.
    """
    has_dead_workers = bool(observation.allocations or observation.unmanaged_workers)
    workers_died = has_dead_workers and counts.of(JobStatus.RUNNING, JobStatus.PENDING)
    return 0.0 if workers_died else intervals.STALL_GRACE


def is_not_started(counts: JobCounts) -> bool:
    """Whether no job was ever initialized, or all were reset again."""
    return counts.of(JobStatus.UNINITIALIZED, JobStatus.DISABLED) == counts.total


def stuck_reason(workflow_id: int, counts: JobCounts) -> str:
    """Why a workflow with jobs left, and no workers, stays as it is, and what to do about it."""
    if is_not_started(counts):
        return (
            f"Workflow {workflow_id} has not been started: none of its jobs is initialized. Start "
            f"it with `torc run {workflow_id}`, or create it again with `torc-watchd submit`."
        )
    if counts.of(JobStatus.READY, JobStatus.UNINITIALIZED, *FAILURES):
        return (
            "The remaining jobs have no workers. "
            f"`torc-watchd recover {workflow_id}` starts some, and so does a watch with "
            "--auto-recover."
        )
    return "Jobs are left, but none failed and none is ready: there is nothing to restart."


def unstartable_reason(observation: Observation) -> str:
    """Why the allocations that are left will never start, and what to do about it."""
    lines = [status.detail.partition("\n")[0] for _, status in observation.never_starting]
    numbers = [str(allocation.scheduler_id) for allocation, _ in observation.never_starting]
    noun = "Allocation" if len(numbers) == 1 else "Allocations"
    details = "; ".join(dict.fromkeys(filter(None, lines))) or "will never start"
    return (
        f"{noun} {', '.join(numbers)}: {details}. After `scancel {' '.join(numbers)}`, "
        f"`torc-watchd recover {observation.workflow.id}` submits again."
    )


def silent_nodes(observation: Observation) -> tuple[str, ...]:
    names = (name for _, status in observation.on_silent_nodes for name in status.silent_nodes)
    return tuple(dict.fromkeys(names))


def silent_nodes_reason(observation: Observation) -> str:
    """Why a workflow cannot be recovered while failed nodes do not answer, and what to do."""
    nodes = silent_nodes(observation)
    numbers = ", ".join(str(each.scheduler_id) for each, _ in observation.on_silent_nodes)
    noun = "allocation" if len(observation.on_silent_nodes) == 1 else "allocations"
    subject = f"Node {nodes[0]}" if len(nodes) == 1 else f"Nodes {', '.join(nodes)}"
    they, are = ("it", "is") if len(nodes) == 1 else ("they", "are")
    return (
        f"{subject} failed and may still run jobs of {noun} {numbers}. Make sure that {they} {are} "
        f"off, or that no process of the jobs is left there, then "
        f"`torc-watchd recover {observation.workflow.id}`."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphans:
    """What dead workers left on the server: jobs that never end, and rows that stay open.

    ``running`` are those jobs, and why each ended; ``claimed`` jobs had not been started.
    """

    running: tuple[OrphanedJob, ...] = ()
    claimed: tuple[Job, ...] = ()
    nodes: tuple[ComputeNode, ...] = ()
    allocations: tuple[Allocation, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.running or self.claimed or self.nodes or self.allocations)
