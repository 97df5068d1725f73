"""What the engine reports while it works: facts for logs, for a person's transcript, for history.

``name`` is stable and dotted; the other fields are what a log line carries. Sentences are made
elsewhere, by whoever shows the event.
"""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from torc_watch.core.allocation import AllocationFailure
from torc_watch.core.assessment import Orphans
from torc_watch.core.model import JobCounts
from torc_watch.core.policy import Plan
from torc_watch.core.steps import Step


class Verdict(Enum):
    """How a watch ended, and the exit status that says so."""

    SUCCEEDED = "succeeded", 0
    RESUBMITTED = "resubmitted", 0  # one round was asked for, and carried out
    FAILED = "failed", 1  # finished with failures, recovery off
    HANDED_OVER = "handed_over", 1
    EXHAUSTED = "exhausted", 3
    STUCK = "stuck", 4
    UNREACHABLE = "unreachable", 5

    def __init__(self, label: str, exit_status: int) -> None:
        self.label = label
        self.exit_status = exit_status


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedJob:
    """A job that a person has to look at: why it failed, and where it said so.

    ``errors`` is the path of its error output and ``last_words`` the last line of that, where they
    can be read from here.
    """

    job_id: int
    job_name: str
    reason: str
    errors: str | None = None
    last_words: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEnded:
    """The last event of a watch. ``reason`` is empty where the verdict says it all."""

    name: ClassVar = "watch.ended"
    workflow_id: int
    verdict: Verdict
    reason: str = ""
    evidence: tuple[FailedJob, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchStarted:
    name: ClassVar = "watch.started"
    workflow_id: int
    workflow_name: str = ""
    poll_interval: float
    auto_recover: bool
    max_retries: int | None
    show_job_counts: bool
    rounds_used: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUnfamiliar:
    """The server is newer than all that this program was tried with; it is worked with."""

    name: ClassVar = "server.unfamiliar"
    workflow_id: int
    caution: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsCounted:
    name: ClassVar = "workflow.counts"
    workflow_id: int
    counts: JobCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowComplete:
    name: ClassVar = "workflow.complete"
    workflow_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowSucceeded:
    name: ClassVar = "workflow.succeeded"
    workflow_id: int
    counts: JobCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowFailed:
    name: ClassVar = "workflow.failed"
    workflow_id: int
    counts: JobCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowStalled:
    """Jobs are left and nothing is there to run them."""

    name: ClassVar = "workflow.stalled"
    workflow_id: int
    counts: JobCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersAwaited:
    """Workers that may live, on other machines, hold no job: they have so long to leave."""

    name: ClassVar = "workers.awaited"
    workflow_id: int
    hostnames: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryAttempted:
    name: ClassVar = "recovery.attempted"
    workflow_id: int
    number: int
    max_retries: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryContinued:
    """A round that an earlier process began goes on."""

    name: ClassVar = "recovery.continued"
    workflow_id: int
    number: int
    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosisStarted:
    name: ClassVar = "diagnosis.started"
    workflow_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphansFound:
    name: ClassVar = "orphans.found"
    workflow_id: int
    orphans: Orphans


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphanProcessesEnded:
    """What such jobs still ran on this machine was killed: so many processes."""

    name: ClassVar = "orphans.ended"
    workflow_id: int
    processes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryPlanned:
    name: ClassVar = "recovery.planned"
    workflow_id: int
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class HookStarted:
    name: ClassVar = "hook.started"
    workflow_id: int
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HookPrinted:
    name: ClassVar = "hook.printed"
    workflow_id: int
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetStarted:
    name: ClassVar = "recovery.reset"
    workflow_id: int
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionStarted:
    name: ClassVar = "recovery.submitting"
    workflow_id: int
    scheduler: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationSubmitted:
    name: ClassVar = "allocation.submitted"
    workflow_id: int
    scheduler: str
    scheduler_id: int
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationFailed:
    """The worker of an allocation that the server believes open ended with an error."""

    name: ClassVar = "allocation.failed"
    workflow_id: int
    failure: AllocationFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryInitiated:
    name: ClassVar = "recovery.initiated"
    workflow_id: int
    number: int
    resumes_watching: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryAbandoned:
    """Somebody else changed the workflow while a round was under way; it is looked at afresh."""

    name: ClassVar = "recovery.abandoned"
    workflow_id: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PollDeferred:
    """The server is unwell, as another watch found out, and is left alone meanwhile."""

    name: ClassVar = "watch.look_held_up"
    workflow_id: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PollFailed:
    """The server did not answer, or not sensibly; nothing is decided until it does."""

    name: ClassVar = "watch.look_failed"
    workflow_id: int
    reason: str
    retry_in: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """Nothing was to be done; the next look is in ``next_in`` seconds, or earlier.

    ``is_resting``: nothing runs the workflow, and it is not known yet what that means.
    """

    name: ClassVar = "watch.looked"
    workflow_id: int
    next_in: float
    is_resting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PollRecovered:
    """The first good answer after failed looks."""

    name: ClassVar = "watch.look_succeeded"
    workflow_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchCrashed:
    """A defect of this program, met in the watch of one workflow; the others go on."""

    name: ClassVar = "watch.broke"
    workflow_id: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPostponed:
    """The workflow cannot be watched now; it is tried again after ``retry_in`` seconds."""

    name: ClassVar = "watch.postponed"
    workflow_id: int
    reason: str
    retry_in: float


Event = (
    WatchStarted
    | WatchEnded
    | ServerUnfamiliar
    | JobsCounted
    | WorkflowComplete
    | WorkflowSucceeded
    | WorkflowFailed
    | WorkflowStalled
    | WorkersAwaited
    | RecoveryAttempted
    | RecoveryContinued
    | DiagnosisStarted
    | OrphansFound
    | OrphanProcessesEnded
    | RecoveryPlanned
    | HookStarted
    | HookPrinted
    | ResetStarted
    | SubmissionStarted
    | AllocationSubmitted
    | AllocationFailed
    | RecoveryInitiated
    | RecoveryAbandoned
    | Looked
    | PollDeferred
    | PollFailed
    | PollRecovered
    | WatchCrashed
    | WatchPostponed
)
