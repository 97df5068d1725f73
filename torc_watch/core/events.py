"""What the engine reports while it works: for logs, for the transcript, for the status.

``name`` is stable and dotted; the other fields are those of a log line. ``render`` makes sentences
of events.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import ClassVar, Self

from torc_watch.core.allocation import AllocationStatus
from torc_watch.core.assessment import Orphans
from torc_watch.core.failure_kind import FailureKind
from torc_watch.core.model import JobCounts
from torc_watch.core.plan_price import PlanPrice
from torc_watch.core.recovery_round import Plan, Step
from torc_watch.core.waiting_plan import WaitingPlan


class Verdict(Enum):
    """How a watch ended, and the exit status that says so."""

    SUCCEEDED = "succeeded", 0
    RESUBMITTED = "resubmitted", 0  # the one round that was requested is carried out
    FAILED = "failed", 1  # finished with failures, recovery off
    HANDED_OVER = "handed_over", 1
    EXHAUSTED = "exhausted", 3
    STUCK = "stuck", 4
    UNREACHABLE = "unreachable", 5
    PLAN_CHANGED = "plan_changed", 14  # since the user saw the plan: nothing was done
    CRASHED = "crashed", 70

    def __init__(self, label: str, exit_status: int) -> None:
        self.label = label
        self.exit_status = exit_status


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedJob:
    """A job that the user has to look at: why it failed, and where its error output is.

    ``errors`` is the path of its error output and ``last_words`` the last line in it, where this
    host can read it.
    """

    job_id: int
    job_name: str
    reason: str
    errors: str | None = None
    last_words: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectJob:
    """A completed job whose success is suspect, and what was observed."""

    job_id: int
    job_name: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEnded:
    """The last event of a watch. ``reason`` is empty where the verdict is enough.

    ``rounds_used`` is None where it is as it was reported last.
    """

    name: ClassVar = "watch.ended"
    workflow_id: int
    verdict: Verdict
    reason: str = ""
    evidence: tuple[FailedJob, ...] = ()
    rounds_used: int | None = None

    @classmethod
    def handed_over(cls, workflow_id: int, reason: str) -> Self:
        return cls(workflow_id=workflow_id, verdict=Verdict.HANDED_OVER, reason=reason)


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
    """The server is newer than those this program was tested with. It is used all the same."""

    name: ClassVar = "server.unfamiliar"
    workflow_id: int
    caution: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsCounted:
    name: ClassVar = "workflow.counts"
    workflow_id: int
    counts: JobCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationsCounted:
    """How many allocations are open, if that has changed; ``details`` say what queued ones await.

    ``unclear`` are those of which the scheduler cannot tell whether they have ended.
    """

    name: ClassVar = "allocations.counted"
    workflow_id: int
    running: int
    queued: int
    unclear: int
    details: tuple[str, ...] = ()


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
    """Jobs are left and no worker to run them."""

    name: ClassVar = "workflow.stalled"
    workflow_id: int
    counts: JobCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationUnstartable:
    """An allocation is queued for what will not come; ``status`` says for what."""

    name: ClassVar = "allocation.unstartable"
    workflow_id: int
    scheduler: str
    scheduler_id: int
    status: AllocationStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationsWaiting:
    """Allocations are queued for more than their turn; ``detail`` says for what."""

    name: ClassVar = "allocations.waiting"
    workflow_id: int
    scheduler_ids: tuple[int, ...]
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationsUnclear:
    """For a minute it has not been known whether these have ended; ``detail`` says why."""

    name: ClassVar = "allocations.unclear"
    workflow_id: int
    scheduler_ids: tuple[int, ...]
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersAwaited:
    """Workers on other machines that may be alive hold no job. They have ``seconds`` to leave."""

    name: ClassVar = "workers.awaited"
    workflow_id: int
    hostnames: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NodesAwaited:
    """Nodes that failed may still run jobs. They have ``seconds`` to answer their scheduler."""

    name: ClassVar = "nodes.awaited"
    workflow_id: int
    nodes: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryAttempted:
    name: ClassVar = "recovery.attempted"
    workflow_id: int
    number: int
    max_retries: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryContinued:
    """A round that an earlier watch began continues."""

    name: ClassVar = "recovery.continued"
    workflow_id: int
    number: int
    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosisStarted:
    name: ClassVar = "diagnosis.started"
    workflow_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FailuresDiagnosed:
    """Failures for the same reason are one kind: the most frequent ones, and how many others."""

    name: ClassVar = "diagnosis.made"
    workflow_id: int
    kinds: tuple[FailureKind, ...]
    others: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphansFound:
    name: ClassVar = "orphans.found"
    workflow_id: int
    orphans: Orphans


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphanProcessesEnded:
    """Processes that such jobs had left on this machine were killed."""

    name: ClassVar = "orphans.ended"
    workflow_id: int
    processes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryPlanned:
    name: ClassVar = "recovery.planned"
    workflow_id: int
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPostponed:
    """It is too early to run jobs again. ``reason`` says how many, and what has to pass."""

    name: ClassVar = "retry.postponed"
    workflow_id: int
    until: datetime
    reason: str
    rounds_used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanProposed:
    """A plan waits for the user's approval, for ``reason``.

    ``replaces`` is the ID of the plan that waited before, empty where none did.
    """

    name: ClassVar = "plan.proposed"
    workflow_id: int
    plan: Plan
    plan_id: str
    price: PlanPrice
    reason: str
    waiting: WaitingPlan
    rounds_used: int
    replaces: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalAwaited:
    """The plan was made again, as after a restart, and is the one that waits for approval."""

    name: ClassVar = "plan.awaited"
    workflow_id: int
    plan: Plan
    plan_id: str
    price: PlanPrice
    waiting: WaitingPlan
    rounds_used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanApproved:
    """The plan is carried out: a user approved it."""

    name: ClassVar = "plan.approved"
    workflow_id: int
    plan_id: str
    by: str
    reason: str


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
class OutputUnread:
    """What so many failed jobs have written could not be read in time."""

    name: ClassVar = "diagnosis.output_unread"
    workflow_id: int
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectsFound:
    """Completed jobs whose success is suspect; ``suspects`` say why."""

    name: ClassVar = "success.suspect"
    workflow_id: int
    suspects: tuple[SuspectJob, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuccessesUnchecked:
    """Whether completed jobs are suspect was not, or not wholly, checked, for ``reason``."""

    name: ClassVar = "success.unchecked"
    workflow_id: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InitializationAwaited:
    """The server has been initializing the jobs for so long."""

    name: ClassVar = "recovery.initialization_awaited"
    workflow_id: int
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsUnserved:
    """Ready jobs that no queued or running allocation will take: more will be submitted."""

    name: ClassVar = "jobs.unserved"
    workflow_id: int
    jobs: int
    allocations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InPlaceOff:
    """Failed jobs wait until the workflow is at rest, for ``reason``."""

    name: ClassVar = "in_place.off"
    workflow_id: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemnantsEnded:
    """Processes that failed attempts had left running were killed, before the jobs run again."""

    name: ClassVar = "remnants.ended"
    workflow_id: int
    processes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RemnantsUnclear:
    """Something of so many jobs may still run: they wait until the workflow is at rest."""

    name: ClassVar = "remnants.unclear"
    workflow_id: int
    jobs: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsStranded:
    """Jobs that workers claimed and do not start: these allocations are ended."""

    name: ClassVar = "jobs.stranded"
    workflow_id: int
    jobs: int
    scheduler_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationsUnneeded:
    """These are queued, and every job of the workflow has ended or runs: they are canceled."""

    name: ClassVar = "allocations.unneeded"
    workflow_id: int
    scheduler_ids: tuple[int, ...]


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
class ActionsClaimed:
    """What this many ``schedule_nodes`` actions would submit is submitted by the round instead."""

    name: ClassVar = "actions.claimed"
    workflow_id: int
    actions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SigtermLeadSet:
    """The workflow has a ``sigterm_lead_seconds`` now, so that its runner reports in time."""

    name: ClassVar = "sigterm_lead.set"
    workflow_id: int
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SigtermLeadRefused:
    """It could not be set, for ``reason``. The round continues."""

    name: ClassVar = "sigterm_lead.refused"
    workflow_id: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionCutShort:
    """The scheduler refused further allocations of a plan, for ``reason``."""

    name: ClassVar = "submission.cut_short"
    workflow_id: int
    submitted: int
    planned: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationFailed:
    """An allocation that the server believes open has ended, not in order and not canceled.

    ``status`` has the cause.
    """

    name: ClassVar = "allocation.failed"
    workflow_id: int
    scheduler: str
    scheduler_id: int
    status: AllocationStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryInitiated:
    name: ClassVar = "recovery.initiated"
    workflow_id: int
    number: int
    resumes_watching: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryAbandoned:
    """Another user or process changed the workflow during a round. The watch polls it again."""

    name: ClassVar = "recovery.abandoned"
    workflow_id: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PollDeferred:
    """Poll deferred: the server is failing and another watch is already retrying it."""

    name: ClassVar = "watch.look_held_up"
    workflow_id: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PollFailed:
    """The server gave no valid answer. Nothing is decided until it does."""

    name: ClassVar = "watch.look_failed"
    workflow_id: int
    reason: str
    retry_in: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """Nothing to do; the next poll is in ``next_in`` seconds, or earlier.

    ``is_resting``: the workflow has no workers, and it is too early to say what that means, or to
    run jobs again: then ``waits_until`` says until when, and ``waits_for`` what for. ``waiting`` is
    the plan that waits for approval.
    """

    name: ClassVar = "watch.looked"
    workflow_id: int
    next_in: float
    is_resting: bool = False
    waits_until: datetime | None = None
    waits_for: str = ""
    waiting: WaitingPlan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PollRecovered:
    """The first valid answer after failed polls."""

    name: ClassVar = "watch.look_succeeded"
    workflow_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchCrashed:
    """An internal error in the watch of one workflow. Other watches are not affected."""

    name: ClassVar = "watch.broke"
    workflow_id: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPostponed:
    """The workflow cannot be watched now. The next attempt is in ``retry_in`` seconds."""

    name: ClassVar = "watch.postponed"
    workflow_id: int
    reason: str
    retry_in: float


Event = (
    WatchStarted
    | WatchEnded
    | ServerUnfamiliar
    | JobsCounted
    | AllocationsCounted
    | WorkflowComplete
    | WorkflowSucceeded
    | WorkflowFailed
    | WorkflowStalled
    | WorkersAwaited
    | NodesAwaited
    | RecoveryAttempted
    | RecoveryContinued
    | DiagnosisStarted
    | FailuresDiagnosed
    | OrphansFound
    | OrphanProcessesEnded
    | RecoveryPlanned
    | RetryPostponed
    | PlanProposed
    | ApprovalAwaited
    | PlanApproved
    | HookStarted
    | HookPrinted
    | ResetStarted
    | InitializationAwaited
    | OutputUnread
    | SuspectsFound
    | SuccessesUnchecked
    | JobsUnserved
    | InPlaceOff
    | RemnantsEnded
    | RemnantsUnclear
    | JobsStranded
    | AllocationsUnneeded
    | SubmissionStarted
    | AllocationSubmitted
    | ActionsClaimed
    | SigtermLeadSet
    | SigtermLeadRefused
    | SubmissionCutShort
    | AllocationFailed
    | AllocationUnstartable
    | AllocationsWaiting
    | AllocationsUnclear
    | RecoveryInitiated
    | RecoveryAbandoned
    | Polled
    | PollDeferred
    | PollFailed
    | PollRecovered
    | WatchCrashed
    | WatchPostponed
)
