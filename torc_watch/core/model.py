"""The objects of a Torc server as torc-watch sees them: validated, frozen, and with units.

Memory is in bytes, durations are in seconds, and an identifier is the server's integer. A value
that cannot be read (a memory text such as ``8gb``) is ``None`` here, never a guess.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

SLURM = "slurm"  # of the scheduler types of Torc, the one whose allocations are a cluster's
LOCAL = "local"
ON_JOBS_READY = "on_jobs_ready"
ON_JOBS_COMPLETE = "on_jobs_complete"
STEP_MODES = ("slurm", "auto")  # of execution: jobs are steps of Slurm; the default is "direct"

# Of the triggers of actions, those that a worker looks at when it starts.
_EXECUTED_AT_THE_START = ("on_workflow_start", "on_worker_start", ON_JOBS_READY, ON_JOBS_COMPLETE)


class JobStatus(StrEnum):
    UNINITIALIZED = "uninitialized"
    BLOCKED = "blocked"
    READY = "ready"
    PENDING = "pending"  # claimed by a worker, not started
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    TERMINATED = "terminated"
    DISABLED = "disabled"
    PENDING_FAILED = "pending_failed"
    UNRECOGNIZED = "unrecognized"  # a status of a server newer than this program


@dataclass(frozen=True, slots=True, kw_only=True)
class KillCodes:
    """The return codes that a workflow wants for what its workers kill."""

    memory: int = 137
    runtime: int = 152


TORCS_KILL_CODES = KillCodes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """``spreads_jobs`` says that its workers start jobs on every node of an allocation.

    Otherwise one worker starts all of them on its own node, and leaves the others unused.

    ``sigterm_lead`` is in seconds: what the workflow itself says of how long its jobs have to end
    after SIGTERM; 0.12 does not know it. ``wait_for_new_jobs`` is how many seconds
    a worker without jobs stays.
    """

    id: int
    name: str
    user: str
    created: str  # the server's own text; tells two workflows of the same id apart
    run_id: int
    is_canceled: bool
    is_archived: bool
    kill_codes: KillCodes = TORCS_KILL_CODES
    limits_memory: bool = True  # its workers end a job that uses more than it asked for
    use_pending_failed: bool = False  # failures wait for the user
    submission_directory: str | None = None
    spreads_jobs: bool = False
    sigterm_lead: int | None = None
    wait_for_new_jobs: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """``scheduler_config_id`` is the row of a Slurm scheduler that the job is meant for.

    Only workers with all of its ``labels`` take it. ``started`` is the server's time of the start,
    while the job runs; 0.12 does not keep it. With a failure handler of Torc's its workers retry it
    themselves.
    """

    id: int
    name: str
    command: str
    status: JobStatus
    requirements_id: int | None
    attempt: int
    started: datetime | None = None
    scheduler_config_id: int | None = None
    labels: frozenset[str] = frozenset()
    has_failure_handler: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependent:
    """A job that depends on another: when Torc restarts the other, it restarts this one too."""

    job_id: int
    job_name: str
    depends_on: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """How one attempt of a job ended. ``peak_memory`` is a lower bound: sampling misses spikes.

    ``peak_cpu`` is in percent of one CPU.
    """

    job_id: int
    run_id: int
    attempt: int
    status: JobStatus
    return_code: int
    exec_seconds: float
    peak_memory: int | None
    compute_node_id: int | None
    completed: datetime | None = None
    peak_cpu: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUsage:
    """What Slurm measured of an attempt that was a step. ``peak_memory`` is a lower bound.

    ``nodes`` is Slurm's abbreviated list.
    """

    job_id: int
    run_id: int
    attempt: int
    peak_memory: int | None
    nodes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What a job asks of a node; a row that several jobs may share.

    ``counted_runtime`` are the seconds that Torc 1.0 counts, where those are others.
    """

    id: int
    name: str
    num_cpus: int
    num_gpus: int
    num_nodes: int
    memory: int | None
    runtime: int | None
    counted_runtime: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """One scheduler job that runs Torc workers; a *scheduled compute node* in Torc's words.

    ``scheduler_id`` is the scheduler's own number for it, ``scheduler_config_id`` the row that says
    how it was asked for, ``status`` Torc's free text: pending, active, complete, canceled.
    """

    id: int
    scheduler_id: int
    scheduler_config_id: int
    scheduler_type: str
    status: str

    @property
    def is_open(self) -> bool:
        """Whether the server believes that it is queued or running."""
        return self.status in ("pending", "active")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeNode:
    """A worker process that registered itself. ``allocation_id`` is None outside allocations.

    ``limit`` is when the time of its allocation is over, as Slurm said when the worker started.
    ``seconds`` is how long it was there, None before it has ended; ``num_nodes`` is how many nodes
    it has.
    """

    id: int
    hostname: str
    pid: int
    allocation_id: int | None
    has_ended: bool
    started: datetime | None = None
    limit: datetime | None = None
    seconds: float | None = None
    num_nodes: int = 1
    is_of_slurm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerConfig:
    """How allocations of a workflow are asked for: a row of Torc's, for any type of scheduler.

    CPUs, memory and GPUs are of each node. None is what the row does not say, or not readably.
    ``partitions`` are those that may be used, none where the scheduler chooses; ``options`` is all
    that the other fields do not say, in the scheduler's own words.
    """

    id: int
    name: str
    scheduler_type: str
    num_cpus: int | None
    memory: int | None
    num_gpus: int = 0
    num_nodes: int = 1
    runtime: int | None = None
    partitions: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulingAction:
    """An action by which a worker of Torc submits allocations; the first that claims it does.

    ``job_ids`` are the jobs that it waits for, if any.
    """

    id: int
    trigger: str  # Torc's word, such as on_jobs_ready
    job_ids: frozenset[int]
    is_triggered: bool
    is_executed: bool

    @property
    def is_due(self) -> bool:
        """Whether the next worker executes it when it starts."""
        return self.is_triggered and not self.is_executed and self.trigger in _EXECUTED_AT_THE_START


@dataclass(frozen=True, slots=True)
class JobCounts:
    """Number of jobs by status; a status with no jobs may be absent."""

    by_status: Mapping[JobStatus, int]

    def of(self, *statuses: JobStatus) -> int:
        return sum(self.by_status.get(status, 0) for status in statuses)

    @property
    def total(self) -> int:
        return sum(self.by_status.values())

    def differ_from(self, others: "JobCounts") -> bool:
        return any(self.of(status) != others.of(status) for status in JobStatus)
