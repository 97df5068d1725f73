"""What the tasks of the engine share: a watch, its poll results, and what is decided on them."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import anyio
from anyio.lowlevel import checkpoint

from torc_watch.core import assessment
from torc_watch.core.approval import Proposal
from torc_watch.core.assessment import Observation, Orphans
from torc_watch.core.cancellation import EndedAllocation
from torc_watch.core.events import Event, Verdict, WatchEnded
from torc_watch.core.findings import Finding
from torc_watch.core.model import Allocation, Job, JobCounts
from torc_watch.core.recovery_round import Plan, Postponement, RecoverySettings
from torc_watch.core.suspect_success import Suspicion, suspects_text
from torc_watch.core.workflow_key import WorkflowIdentity
from torc_watch.engine.in_place_record import InPlaceRecord
from torc_watch.engine.job_outputs import JobOutputs
from torc_watch.engine.journal import Journal, WatchRecord
from torc_watch.engine.room_probe import RoomProbe
from torc_watch.schedulers.cluster import Cluster
from torc_watch.torc.client import TorcClient
from torc_watch.torc.offline_journal import OfflineResults


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineContext:
    """What the engine works with; ``locks`` is a folder that all watches of a user share.

    ``epoch`` is that of the lease under which a daemon watches. ``before_change`` is awaited before
    a hook is run or processes are ended here, and what it raises prevents that. ``client`` and
    ``cluster`` do the same with theirs. ``clock`` is that by which the server has the times at
    which jobs ended.
    """

    client: TorcClient
    cluster: Cluster
    journal: Journal
    locks: Path
    outputs: JobOutputs
    report: Callable[[Event], None]
    epoch: int | None = None
    before_change: Callable[[], Awaitable[None]] = checkpoint
    clock: Callable[[], datetime] = utc_now
    has_room: RoomProbe = field(default_factory=RoomProbe)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRequest:
    """What the user asked for. Times are seconds.

    ``recovery`` is None for a watch without recovery. ``patience`` is how long a server may stay
    unreachable before the watch ends, None for ever. ``hook`` is a command, split into words, that
    is run with the workflow's id before unknown failures are retried. ``once`` ends the watch after
    one round. With ``goes_at_once`` jobs that failed before the watch need not wait to run again.
    ``only_plan`` is the ID of the plan that the round must have.
    """

    workflow_id: int
    recovery: RecoverySettings | None
    poll_interval: float
    show_job_counts: bool
    output_dir: Path
    hook: tuple[str, ...] | None = None
    patience: float | None = None
    once: bool = False
    goes_at_once: bool = False
    only_plan: str | None = None


@dataclass(slots=True, kw_only=True)
class UnservedRecord:
    """What a watch remembers of ready jobs that no allocation takes. Times are the event loop's.

    ``seen`` is what the last search was made from, ``at`` when; ``since`` is when there were the
    first such jobs. ``not_before`` is the end of the cooldown after allocations were submitted for
    ``jobs``, when ``completed`` jobs had completed: ``fruitless`` times in a row without another,
    or for the same.
    """

    seen: object = None
    at: float = 0.0
    since: float | None = None
    not_before: float = 0.0
    completed: int | None = None
    jobs: frozenset[int] = frozenset()
    fruitless: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PostponedRound:
    """A round that waits, and the run and the jobs by status that it was planned for."""

    postponement: Postponement
    run_id: int
    counts: JobCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedRound:
    """A round that waits for approval, and the run and the jobs by status that it was made for."""

    proposal: Proposal
    run_id: int
    counts: JobCounts


@dataclass(slots=True, kw_only=True)
class Watch:
    """A workflow that is watched now. Only the task that holds ``lock`` changes it.

    ``at_rest_since`` is when it was first seen without workers, or with one more that may be about
    to leave; ``awaited`` are the nodes of those. ``unstartable`` are the allocations that were
    reported to never start, ``unstartable_since`` is since when all that may be alive are such, and
    ``told`` are the reported reasons why others wait. ``unclear_since`` is
    since when it is not known of some allocation whether it has ended, ``nodes_awaited_since``
    since when the only workers that may be left are on failed nodes. ``claimed`` are the jobs that
    have been claimed since ``claimed_since`` while nothing runs; ``unneeded_since`` is since when
    allocations are queued that no job needs; ``canceled`` are those that were. ``postponed`` is
    the round that waits until jobs may run again; those that failed before a user ``asked`` for it
    need not wait. ``in_place`` is about failures while others run. ``proposed`` is the round that
    waits for approval of its plan. ``lock`` is held while a poll result is diagnosed, and during a
    round of recovery.
    """

    request: WatchRequest
    name: str
    identity: WorkflowIdentity
    record: WatchRecord
    at_rest_since: float | None = None
    awaited: frozenset[int] = frozenset()
    unstartable: frozenset[int] = frozenset()
    unstartable_since: float | None = None
    told: frozenset[str] = frozenset()
    unclear_since: float | None = None
    has_told_unclear: bool = False
    nodes_awaited_since: float | None = None
    unserved: UnservedRecord = field(default_factory=UnservedRecord)
    in_place: InPlaceRecord = field(default_factory=InPlaceRecord)
    claimed: frozenset[int] = frozenset()
    claimed_since: float = 0.0
    unneeded_since: float | None = None
    canceled: frozenset[int] = frozenset()
    postponed: PostponedRound | None = None
    asked: datetime | None = None
    proposed: ProposedRound | None = None
    lock: anyio.Lock = field(default_factory=anyio.Lock)

    @property
    def workflow_id(self) -> int:
        return self.request.workflow_id


@dataclass(frozen=True, slots=True)
class KeepWatching:
    """Nothing to do: poll again after the poll interval.

    ``grace`` is for a workflow without workers: the seconds after which that means something.
    ``postponement`` says why its jobs do not run again yet, ``proposal`` is the plan that waits for
    the user's approval. ``at_most`` is in how many seconds to poll again at the latest.
    """

    grace: float = 0.0
    postponement: Postponement | None = None
    proposal: Proposal | None = None
    at_most: float = math.inf


@dataclass(frozen=True, slots=True)
class StartOver:
    """A round was carried out: poll again, at once, as if for the first time."""


def succeeded(workflow_id: int, suspects: int) -> WatchEnded:
    """The verdict on a workflow with so many suspect successes."""
    reason = suspects_text(suspects, workflow_id) if suspects else ""
    return WatchEnded(workflow_id=workflow_id, verdict=Verdict.SUCCEEDED, reason=reason)


Decision = KeepWatching | StartOver | WatchEnded


def _new_outcome() -> "asyncio.Future[Decision]":
    return asyncio.get_running_loop().create_future()


@dataclass(frozen=True, slots=True, kw_only=True)
class PollResult:
    """What one poll saw.

    ``outcome`` takes the decision, or the error met on the way to it, back to the watcher. It is
    canceled when the watcher no longer waits for it.
    """

    watch: Watch
    observation: Observation
    outcome: "asyncio.Future[Decision]" = field(default_factory=_new_outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """A workflow at rest, explained. ``counts`` are those after the release of ``orphans``.

    ``ended`` are allocations whose end may have ended jobs. ``offline`` are results of jobs that
    only seem to be orphans. ``unread`` counts jobs whose output could not be read in time.
    ``suspects`` are completed jobs whose success is.
    """

    counts: JobCounts
    findings: tuple[Finding, ...]
    orphans: Orphans
    ended: tuple[EndedAllocation, ...]
    offline: OfflineResults
    unread: int = 0
    suspects: tuple[Suspicion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnservedJobs:
    """Ready jobs that none of a workflow's allocations will take.

    ``most`` is how many allocations more the workflow may have.
    """

    jobs: tuple[Job, ...]
    counts: JobCounts
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FailuresInPlace:
    """Jobs that failed, and may run again while others run; ``others`` may not."""

    findings: tuple[Finding, ...]
    counts: JobCounts
    others: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StrandedJobs:
    """So many jobs that workers claimed and do not start; one of these allocations has them."""

    jobs: int
    allocations: tuple[Allocation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryRequest:
    """A poll result that calls for a round of recovery.

    With ``in_place``, which is its plan, jobs run again while others run. With ``unserved``, the
    round only submits allocations, beside those that the workflow has. With ``stranded`` or
    ``unneeded``, it only ends allocations. Without these and ``diagnosis``, the watch continues a
    round that has its plan already.
    """

    poll: PollResult
    diagnosis: Diagnosis | None = None
    in_place: Plan | None = None
    unserved: UnservedJobs | None = None
    stranded: StrandedJobs | None = None
    unneeded: tuple[Allocation, ...] = ()

    @property
    def watch(self) -> Watch:
        return self.poll.watch

    @property
    def has_succeeded(self) -> bool:
        """Whether it is only for suspect successes."""
        return self.diagnosis is not None and assessment.has_succeeded(self.diagnosis.counts)

    @property
    def observation(self) -> Observation:
        return self.poll.observation
