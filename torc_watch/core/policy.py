"""What to do about a workflow that came to rest with jobs that did not complete.

``plan`` answers with a Plan of absolute targets, which can be carried out again after a crash
without raising anything twice, or with a Refusal, which hands the workflow over to the user.
"""

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from torc_watch.core import assessment, resource_requests, units
from torc_watch.core.allocation import NodeClass
from torc_watch.core.diagnosis import Cause, Finding
from torc_watch.core.model import Dependent, Job, JobCounts, JobStatus, SchedulerConfig, Workflow
from torc_watch.core.recovery_round import (
    Adjustment,
    Plan,
    RecoverySettings,
    Refusal,
    RefusalKind,
    Repeat,
    Retry,
    Skip,
)
from torc_watch.core.resource_requests import Demand, adjustments_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that a plan depends on: the workflow at rest, its findings, and the nodes there are.

    ``dependents`` is None where they are too many to know; ``waiting`` are the jobs that have yet
    to run: uninitialized, blocked, ready or canceled. ``scheduler_type`` is Torc's word for the
    scheduler that will be asked, ``node_classes`` what that has, ``usual`` how the workflow's
    allocations were asked for before, if the server knows. ``allocation_stem`` begins the tokens of
    this round's allocations and of no other's.
    """

    workflow: Workflow
    counts: JobCounts
    findings: tuple[Finding, ...]
    dependents: tuple[Dependent, ...] | None
    waiting: tuple[Job, ...]
    rounds_used: int
    scheduler_type: str
    usual: SchedulerConfig | None
    node_classes: tuple[NodeClass, ...]
    allocation_stem: str


def exhausted(rounds_used: int, settings: RecoverySettings) -> Refusal | None:
    """The refusal that follows from the number of rounds alone."""
    if settings.max_retries is None or rounds_used < settings.max_retries:
        return None
    return Refusal(
        kind=RefusalKind.EXHAUSTED, reason=f"Max retries ({settings.max_retries}) exceeded."
    )


def plan(situation: Situation, settings: RecoverySettings) -> Plan | Refusal:
    """The next round of recovery, or why there is none."""
    if refusal := exhausted(situation.rounds_used, settings):
        return refusal
    decisions = [
        _decide(finding, situation.node_classes, settings) for finding in situation.findings
    ]
    retries = tuple(decision for decision in decisions if isinstance(decision, Retry))
    left_alone = tuple(decision for decision in decisions if isinstance(decision, Skip))
    uninitialized = _left_uninitialized(situation.counts)
    if not retries and not uninitialized:  # no run is started: nothing is initialized
        left_alone = tuple(replace(left, restarts_anyway=False) for left in left_alone)
        if not situation.counts.of(JobStatus.READY):
            return _refuse(situation, left_alone)
    restarted = _restarted_dependents(situation, retries)
    left_alone = tuple(_with_restart(left, restarted or {}) for left in left_alone)
    repeated = None if restarted is None else _repeated(situation, restarted)
    asked = {finding.job.id: finding.requirements for finding in situation.findings}
    adjustments = adjustments_for(retries, asked, situation.workflow.run_id + 1)
    return Plan(
        workflow_id=situation.workflow.id,
        run_id=situation.workflow.run_id,
        number=situation.rounds_used + 1,
        retries=retries,
        uninitialized=uninitialized,
        repeated=repeated,
        left_alone=left_alone,
        adjustments=adjustments,
        scheduler_type=situation.scheduler_type,
        scheduler_config_id=situation.usual.id if situation.usual else None,
        allocations=resource_requests.plan_allocations(
            _demand(situation, left_alone, adjustments, repeated=len(repeated or ())),
            usual=situation.usual,
            node_classes=situation.node_classes,
            allocation_stem=situation.allocation_stem,
        ),
    )


def _decide(
    finding: Finding, node_classes: Sequence[NodeClass], settings: RecoverySettings
) -> Retry | Skip:
    match finding.cause:
        case Cause.OOM:
            return _raise_memory(finding, node_classes, settings.memory_multiplier)
        case Cause.TIMEOUT:
            return _raise_runtime(finding, node_classes, settings.runtime_multiplier)
        case Cause.UNKNOWN if not settings.retry_unknown:
            return _skip(finding, f"{finding.reason}; unknown failures are not retried")
        case Cause.UNKNOWN | Cause.INTERRUPTED:
            return _retry(finding)


def _raise_memory(
    finding: Finding, node_classes: Sequence[NodeClass], multiplier: float
) -> Retry | Skip:
    asked = finding.requirements
    if asked is None or asked.memory is None:
        return _retry(finding)
    cap = resource_requests.most_memory(asked, node_classes)
    after = resource_requests.raised_memory(
        asked.memory, peak=finding.peak_memory, multiplier=multiplier, cap=cap
    )
    if after is None:
        return _skip(
            finding, f"needs more than {units.format_memory(cap)}, the most that a node has"
        )
    return _retry(finding, memory=(asked.memory, after))


def _raise_runtime(
    finding: Finding, node_classes: Sequence[NodeClass], multiplier: float
) -> Retry | Skip:
    asked = finding.requirements
    if asked is None or asked.runtime is None:
        return _retry(finding)
    cap = resource_requests.longest_runtime(asked, node_classes)
    after = resource_requests.raised_runtime(
        asked.runtime, ran=finding.ran, multiplier=multiplier, cap=cap
    )
    if after is None:
        return _skip(
            finding, f"needs longer than {units.format_duration(asked.runtime)}, the longest"
        )
    return _retry(finding, runtime=(asked.runtime, after))


def _retry(
    finding: Finding,
    *,
    memory: tuple[int, int] | None = None,
    runtime: tuple[int, int] | None = None,
) -> Retry:
    return Retry(
        job_id=finding.job.id,
        job_name=finding.job.name,
        cause=finding.cause,
        reason=finding.reason,
        memory=memory,
        runtime=runtime,
    )


def _skip(finding: Finding, reason: str) -> Skip:
    return Skip(
        job_id=finding.job.id,
        job_name=finding.job.name,
        cause=finding.cause,
        reason=reason,
        # Torc's initialize_jobs makes every terminated job ready, whether it was chosen or not.
        restarts_anyway=finding.job.status in (JobStatus.TERMINATED, JobStatus.PENDING_FAILED),
    )


def _restarted_dependents(situation: Situation, retries: Iterable[Retry]) -> dict[int, str] | None:
    """The names, by id, of the dependents that Torc restarts along with the jobs that are reset."""
    if situation.dependents is None:
        return None
    reset = [retry.job_id for retry in retries]
    reset += [job.id for job in situation.waiting if job.status is JobStatus.UNINITIALIZED]
    return all_dependents(reset, situation.dependents)


def all_dependents(jobs: Iterable[int], dependents: Iterable[Dependent]) -> dict[int, str]:
    """The names, by id, of all direct and indirect dependents of ``jobs``."""
    waiting: dict[int, list[Dependent]] = {}
    for dependent in dependents:
        waiting.setdefault(dependent.depends_on, []).append(dependent)
    found: dict[int, str] = {}
    blockers = deque(jobs)
    while blockers:
        for dependent in waiting.pop(blockers.popleft(), ()):
            found[dependent.job_id] = dependent.job_name
            blockers.append(dependent.job_id)
    return found


def _with_restart(left: Skip, restarted: Collection[int]) -> Skip:
    return replace(left, restarts_anyway=left.restarts_anyway or left.job_id in restarted)


def _repeated(situation: Situation, restarted: Mapping[int, str]) -> tuple[Repeat, ...]:
    """Those ``restarted`` dependents that have neither failed nor yet to run."""
    known = {finding.job.id for finding in situation.findings}
    known |= {job.id for job in situation.waiting}
    return tuple(
        Repeat(job_id=job_id, job_name=name)
        for job_id, name in sorted(restarted.items())
        if job_id not in known
    )


def _left_uninitialized(counts: JobCounts) -> int:
    """Jobs to start with this round; none of a workflow that was never started as a whole."""
    return 0 if assessment.is_not_started(counts) else counts.of(JobStatus.UNINITIALIZED)


def _refuse(situation: Situation, left_alone: tuple[Skip, ...]) -> Refusal:
    if situation.findings:
        return Refusal(
            kind=RefusalKind.NOTHING_TO_RETRY,
            reason="None of the failed jobs may be retried.",
            left_alone=left_alone,
        )
    return Refusal(
        kind=RefusalKind.STUCK,
        reason=assessment.stuck_reason(situation.workflow.id, situation.counts),
    )


def _demand(
    situation: Situation,
    left_alone: tuple[Skip, ...],
    adjustments: tuple[Adjustment, ...],
    *,
    repeated: int,
) -> Demand:
    """An upper bound: every job that has not completed may run, but for those that stay failed."""
    counts = situation.counts
    resting = sum(not left.restarts_anyway for left in left_alone)
    rows = [finding.requirements for finding in situation.findings if finding.requirements]
    return Demand(
        jobs=counts.total - counts.of(JobStatus.COMPLETED, JobStatus.DISABLED) - resting + repeated,
        num_cpus=max((row.num_cpus for row in rows), default=1),
        memory=max(
            [adjustment.memory for adjustment in adjustments]
            + [row.memory for row in rows if row.memory is not None],
            default=0,
        ),
        num_gpus=max((row.num_gpus for row in rows), default=0),
        num_nodes=max((row.num_nodes for row in rows), default=1),
        runtime=max(
            [adjustment.runtime for adjustment in adjustments]
            + [row.runtime for row in rows if row.runtime is not None],
            default=0,
        ),
    )
