"""A round of recovery: what the user allows, the plan or its refusal, the steps, the outcome.

The journal records that a step begins before it changes anything, and that it is finished after all
its changes. After a crash a round continues with the first unfinished step; each step finds out by
itself how much of it is done. The order makes a round repeatable:

- orphans first, so that no job runs while jobs are reset;
- the plan is fixed before the first change that it calls for, and never made again;
- requirements before the reset, so that no worker can claim a job with its old ones;
- allocations last, when jobs are ready for them.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from math import ceil

from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.cause import REMEDIES, Cause, Remedy
from torc_watch.core.job_choice import JobChoice
from torc_watch.core.model import Requirements, SchedulingAction
from torc_watch.core.scheduler_choice import SchedulerChoice
from torc_watch.core.sizing_policy import SizingPolicy

_LIMITED = (
    Remedy.RETRY_LATER,
    Remedy.AWAIT_ROOM,
    Remedy.RETRY_TWICE,
    Remedy.RETRY_ONCE,
    Remedy.HAND_OVER,
    Remedy.LEAVE_ALONE,
)
_AILMENTS = {
    Cause.FILE_SYSTEM: "file system unwell",
    Cause.FILE_SYSTEM_FULL: "file system full",
    Cause.NETWORK: "network unwell",
    Cause.LICENSE: "no license free",
    Cause.SCHEDULER: "Slurm does not answer",
}

DEFAULT_MAX_RETRIES = 3
DEFAULT_MULTIPLIER = 1.5
DEFAULT_MAX_ALLOCATIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalLimits:
    """Which plans of a watch the user has to approve: all, or those above one of the limits.

    None is no limit. ``memory_factor`` is by how much the memory of a job grows.
    """

    always: bool = False
    node_hours: float | None = None
    memory_factor: float | None = None
    jobs: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverySettings:
    """What the user allows. Multipliers are above 1.

    ``sizing`` says how much more jobs request that lacked memory or time: by evidence, or by the
    two multipliers. Of jobs that ran out of time, ``cpu_multiplier`` raises the CPUs; None raises
    none. ``in_place`` says whether jobs are retried while others of the workflow run, None where
    that is safe.
    ``max_retries`` counts rounds; None when the user asks for one round after the other. With
    ``auto_schedule`` jobs get allocations too while others of the workflow run. No more than
    ``max_allocations`` of a workflow are to be queued or running at once, and no allocation is
    submitted by which it could use more than ``max_node_hours`` in all. ``partition`` and
    ``walltime`` (seconds), of Slurm, take the place of what the workflow's schedulers say. With
    ``after_repair`` what made jobs fail counts as mended, by the user or a hook: causes that no
    retry would help are retried like unknown ones. With ``rerun_suspects`` completed jobs whose
    success is suspect run again. With ``exclude_nodes`` new allocations keep away from nodes that
    fail jobs. A ``choice`` is one of failed jobs, in a round that the user asks for. Other rounds
    wait for approval of their plans as the ``approval`` says.
    """

    max_retries: int | None = DEFAULT_MAX_RETRIES
    memory_multiplier: float = DEFAULT_MULTIPLIER
    runtime_multiplier: float = DEFAULT_MULTIPLIER
    sizing: SizingPolicy = SizingPolicy.EVIDENCE
    cpu_multiplier: float | None = None
    in_place: bool | None = None
    retry_unknown: bool = True
    rerun_suspects: bool = False
    scheduler: SchedulerChoice = SchedulerChoice.AUTO
    auto_schedule: bool = True
    max_allocations: int = DEFAULT_MAX_ALLOCATIONS
    max_node_hours: float | None = None
    partition: str | None = None
    walltime: int | None = None
    after_repair: bool = False
    exclude_nodes: bool = True
    choice: JobChoice | None = None
    approval: ApprovalLimits = ApprovalLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A job to run again; before and after in bytes and seconds, None where nothing changes.

    ``fingerprint`` is that of the finding, ``attempt`` the one that failed. ``sizing`` is the
    sentence that says why it requests that much, None where a multiplier of the user does. A scout
    goes first, with a large request, to show what its kind needs.
    """

    job_id: int
    job_name: str
    cause: Cause
    reason: str
    memory: tuple[int, int] | None = None
    runtime: tuple[int, int] | None = None
    cpus: tuple[int, int] | None = None
    fingerprint: str | None = None
    sizing: str | None = None
    is_scout: bool = False
    attempt: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """A failed job that is not retried. ``restarts_anyway``: Torc's server restarts it anyway.

    One that ``is_held`` waits for what a scout needs, and is retried after that.
    """

    job_id: int
    job_name: str
    cause: Cause
    reason: str
    restarts_anyway: bool
    is_held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Raise:
    """A job that has not started, and requests more before it does; the fields are as of Retry."""

    job_id: int
    job_name: str
    memory: tuple[int, int] | None
    runtime: tuple[int, int] | None
    sizing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """A dependent that had nothing left to do, and runs again all the same."""

    job_id: int
    job_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """A new row of requirements, a copy of ``base`` with more, and the jobs that move to it.

    ``num_cpus`` is None where they are those of ``base``.
    """

    name: str
    base: Requirements
    memory: int
    runtime: int
    job_ids: tuple[int, ...]
    num_cpus: int | None = None

    @property
    def request(self) -> Requirements:
        """What the jobs request, with the ID and the name of ``base``."""
        num_cpus = self.base.num_cpus if self.num_cpus is None else self.num_cpus
        return replace(self.base, memory=self.memory, runtime=self.runtime, num_cpus=num_cpus)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One round of recovery. ``run_id`` is the run that came to rest.

    ``uninitialized`` counts the jobs that a round, or a user, reset and then did not start.
    ``repeated`` are those that completed, or were disabled, and that Torc starts over because they
    are behind one that runs again; None when that is not known. ``behind`` counts those that will
    run for the first time, after one that runs again. ``scheduler_type`` is None in plans
    of versions that knew one scheduler only. ``completed`` counts the jobs that had completed;
    without ``uses_retry`` the round only continues what was interrupted, or has retries only that
    the budgets of their jobs bound. A plan that
    ``joins_workers`` is for a workflow that others of its workers run, and only submits, for the
    jobs ``unserved``. ``ready`` counts the jobs that only wait for an allocation. ``unpaid`` counts
    the allocations that were left out because the user's node hours are too few. A plan
    ``in_place`` retries jobs while others run, in the same run. ``raises`` are jobs that request
    more before they start. The journal keeps plans: a field that is added has a default, so that
    those of earlier versions can be read.
    """

    workflow_id: int
    run_id: int
    number: int
    retries: tuple[Retry, ...]
    uninitialized: int
    repeated: tuple[Repeat, ...] | None = None
    left_alone: tuple[Skip, ...]
    adjustments: tuple[Adjustment, ...]
    scheduler_type: str | None = None
    scheduler_config_id: int | None
    allocations: tuple[AllocationSpec, ...]
    completed: int = 0
    behind: int = 0
    uses_retry: bool = True
    joins_workers: bool = False
    unserved: tuple[int, ...] = ()
    unpaid: int = 0
    ready: int = 0
    in_place: bool = False
    raises: tuple[Raise, ...] = ()

    def takes_over(self, action: SchedulingAction) -> bool:
        """Whether the plan has what the next worker that starts would submit by this action."""
        if not action.is_due:
            return False
        has_its_jobs = bool(action.job_ids) and action.job_ids.issubset(self.unserved)
        return has_its_jobs or not self.joins_workers

    @property
    def starts_run(self) -> bool:
        """Whether jobs are initialized, for which there must be a new run.

        In the old one they may have a result already, and the server takes no second.
        """
        return bool(self.retries or self.uninitialized) and not self.in_place

    @property
    def is_at_rest(self) -> bool:
        """Whether no jobs of the workflow run meanwhile."""
        return not (self.joins_workers or self.in_place)

    def count(self, cause: Cause) -> int:
        return sum(retry.cause is cause for retry in self.retries)

    @property
    def held(self) -> int:
        """How many failed jobs wait for what a scout needs."""
        return sum(left.is_held for left in self.left_alone)

    @property
    def sizing(self) -> tuple[str, ...]:
        """The sentences that say why jobs request that much, each once."""
        sentences = [each.sizing for each in self.retries] + [each.sizing for each in self.raises]
        return tuple(dict.fromkeys(filter(None, sentences)))

    @property
    def hopes_for_repair(self) -> bool:
        """Whether a job runs again that neither its request nor its allocation let down."""
        return any(
            not retry.cause.is_interruption
            and retry.cause not in (Cause.OOM, Cause.TIMEOUT, Cause.SUSPECT)
            for retry in self.retries
        )


class RefusalKind(StrEnum):
    EXHAUSTED = "exhausted"  # every allowed round was used
    NOTHING_TO_RETRY = "nothing_to_retry"  # there are failures, none of which may be retried
    NODE_HOURS = "node_hours"  # those that the user allows are used up
    NO_SCHEDULER = "no_scheduler"  # no allocation can be asked for from here
    REJECTED = "rejected"  # by the user
    PLAN_CHANGED = "plan_changed"  # since the user saw the plan
    STUCK = "stuck"  # no failures, and no job that could be started


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    kind: RefusalKind
    reason: str
    left_alone: tuple[Skip, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """So many ``jobs`` wait for a cause to pass."""

    cause: Cause
    jobs: int
    not_before: datetime

    @property
    def ailment(self) -> str:
        return _AILMENTS.get(self.cause, self.cause.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Postponement:
    """Every job that may run again waits, each for a cause to pass, or for those that do.

    The round is planned again at ``not_before``. If it ``awaits_room``, that is the earliest time:
    it is planned as soon as files can be written then, and at ``until`` at the latest. Otherwise
    both are the same. ``retries`` and ``left_alone`` are what it, and later ones, would do now.
    """

    not_before: datetime
    until: datetime
    awaits_room: bool
    waits: tuple[Wait, ...]
    retries: tuple[Retry, ...]
    left_alone: tuple[Skip, ...] = ()

    @property
    def causes(self) -> tuple[Cause, ...]:
        return tuple(each.cause for each in self.waits)

    @property
    def phrase(self) -> str:
        """What it waits for, such as ``to run 3 jobs again: file system unwell``."""
        first = [each for each in self.waits if each.not_before <= self.not_before]
        later = [each for each in self.waits if each not in first]
        number = len(self.retries) - sum(each.jobs for each in later)
        counts = [number] != [each.jobs for each in first]
        ailments = ", ".join(
            f"{each.ailment} ({each.jobs})" if counts else each.ailment for each in first
        )
        room = "for free space, " if self.awaits_room else ""
        texts = [f"{room}to run {number} {'job' if number == 1 else 'jobs'} again: {ailments}"]
        texts += [
            f"{each.jobs} more {ceil((each.not_before - self.not_before).total_seconds() / 60)}"
            f" min later: {each.ailment}"
            for each in sorted(later, key=lambda each: each.not_before)
        ]
        return "; ".join(texts)


class Step(StrEnum):
    ORPHANS = "orphans"
    DIAGNOSE = "diagnose"
    PLAN = "plan"
    HOOK = "hook"
    ADJUST = "adjust"
    RESET = "reset"
    REINITIALIZE = "reinitialize"
    ALLOCATE = "allocate"
    DONE = "done"


def next_step(finished: Collection[Step]) -> Step:
    """The first step that is not finished; DONE is never finished, so that it ends every round."""
    return next(step for step in Step if step not in finished or step is Step.DONE)


class RoundOutcome(StrEnum):
    RESUBMITTED = "resubmitted"
    CONTINUED = "continued"  # the same, of a round that uses up none of those allowed
    POSTPONED = "postponed"  # it is too early to run jobs again
    PROPOSED = "proposed"  # the plan waits for the user's approval
    DECLINED = "declined"  # beside others that run, neither jobs nor allocations
    REFUSED = "refused"  # no plan: handed over
    ABANDONED = "abandoned"  # another user or process changed the workflow meanwhile
    FAILED = "failed"  # the hook failed, or a scheduler refused


FREE_OUTCOMES = (
    RoundOutcome.CONTINUED,
    RoundOutcome.POSTPONED,
    RoundOutcome.PROPOSED,
    RoundOutcome.DECLINED,
    RoundOutcome.REFUSED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRounds:
    """The rounds of a watch that have ended: how many, and how many of them used up a retry.

    ``completed`` is how many jobs had completed at the last one with a plan for a workflow at rest;
    None before any. ``retried`` are their retries for causes that call for a few at most.
    ``in_place`` has the ID of the job for each retry while others ran. ``began`` is when the user
    asked for the watch, None without one.
    """

    ended: int = 0
    used: int = 0
    completed: int | None = None
    retried: tuple[Retry, ...] = ()
    in_place: tuple[int, ...] = ()
    began: datetime | None = None

    def after(self, outcome: RoundOutcome, plan: Plan | None) -> "PastRounds":
        return PastRounds(
            ended=self.ended + 1,
            used=self.used + uses_round(plan, outcome),
            completed=plan.completed if plan and plan.is_at_rest else self.completed,
            retried=(*self.retried, *limited_retries(plan, outcome)),
            in_place=(*self.in_place, *retries_in_place(plan)),
            began=self.began,
        )


def uses_round(plan: Plan | None, outcome: str | None) -> bool:
    """Whether a round that ended uses up one of those allowed.

    An abandoned one does in any case: without that, two who interfere could go on for ever. Retries
    in place are bounded for each job.
    """
    is_free = plan is not None and (
        plan.in_place or (outcome == RoundOutcome.FAILED and not plan.uses_retry)
    )
    return outcome not in FREE_OUTCOMES and not is_free


def limited_retries(plan: Plan | None, outcome: str | None) -> tuple[Retry, ...]:
    """Those of a round for causes that call for a few retries at most, if it was carried out."""
    has_run = outcome in (RoundOutcome.RESUBMITTED, RoundOutcome.CONTINUED)
    retries = plan.retries if plan and has_run else ()
    return tuple(each for each in retries if each.fingerprint or REMEDIES[each.cause] in _LIMITED)


def retries_in_place(plan: Plan | None) -> tuple[int, ...]:
    """The IDs of the jobs that a round retried while others ran, or was about to."""
    return tuple(each.job_id for each in plan.retries) if plan and plan.in_place else ()
