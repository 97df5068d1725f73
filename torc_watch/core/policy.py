"""What to do about a workflow that came to rest with jobs that did not complete.

``plan`` answers with a Plan of absolute targets, which can be carried out again after a crash
without raising anything twice, or with a Refusal, which hands the workflow over to the user,
or with a Postponement.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from torc_watch.core import assessment, chosen_retries
from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.allocation_plan import plan_groups
from torc_watch.core.cause import Cause
from torc_watch.core.demand import Choices, demands
from torc_watch.core.jobs_behind import jobs_behind
from torc_watch.core.jobs_without_room import jobs_without_room, no_room_reason, ready_jobs
from torc_watch.core.model import JobCounts, JobStatus
from torc_watch.core.node_hour_limit import within_limit
from torc_watch.core.raised_cpus import with_more_cpus
from torc_watch.core.recovery_round import (
    Adjustment,
    Plan,
    Postponement,
    Raise,
    RecoverySettings,
    Refusal,
    RefusalKind,
    Retry,
    Skip,
)
from torc_watch.core.resource_requests import adjustments_for
from torc_watch.core.restarted_dependents import (
    repeated_jobs,
    restarted_dependents,
    with_restart,
)
from torc_watch.core.retry_budget import RetryBudget, storm_objections
from torc_watch.core.retry_decision import decide
from torc_watch.core.round_budget import bounded_jobs, uses_round, without_rounds
from torc_watch.core.scheduler_rows import SchedulerRows, no_nodes_reason
from torc_watch.core.situation import Situation
from torc_watch.core.sized_retries import sized_retries
from torc_watch.core.skipped_job import skipped
from torc_watch.core.suspect_inputs import suspect_inputs, with_reruns
from torc_watch.core.suspect_success import rerun_objections, reruns
from torc_watch.core.timed_retries import in_time
from torc_watch.core.waiting_raises import waiting_raises


def exhausted(rounds_used: int, settings: RecoverySettings) -> Refusal | None:
    """The refusal that follows from the number of rounds alone."""
    if settings.max_retries is None or rounds_used < settings.max_retries:
        return None
    return Refusal(
        kind=RefusalKind.EXHAUSTED, reason=f"Max retries ({settings.max_retries}) exceeded."
    )


def plan(situation: Situation, settings: RecoverySettings) -> Plan | Refusal | Postponement:
    """The next round of recovery, or why there is none, or when."""
    rows = scheduler_rows(situation, settings)
    chosen = _chosen(situation, rows, settings)
    if isinstance(chosen, Refusal):
        return chosen
    return _plan(situation, settings, rows, chosen)


def _plan(
    situation: Situation,
    settings: RecoverySettings,
    rows: SchedulerRows,
    chosen: list[Retry | Skip],
) -> Plan | Refusal | Postponement:
    without_room = jobs_without_room(situation, rows)
    uninitialized = _left_uninitialized(situation.counts)
    has_ready = situation.counts.of(JobStatus.READY) and not no_room_reason(situation, without_room)
    allowed = _allowed(chosen, situation, settings, uninitialized, has_ready=bool(has_ready))
    if isinstance(allowed, Refusal | Postponement):
        return allowed
    timely, uses_retry = allowed
    retries = _retries(timely)
    left_alone = tuple(each for each in timely if isinstance(each, Skip))
    if not retries and not uninitialized:  # no run is started: nothing is initialized
        left_alone = tuple(replace(left, restarts_anyway=False) for left in left_alone)
        if refusal := _without_run(situation, left_alone, without_room):
            return refusal
    restarted = restarted_dependents(situation, retries)
    left_alone = tuple(with_restart(left, restarted or {}) for left in left_alone)
    repeated = None if restarted is None else repeated_jobs(situation, restarted, retries)
    raises = waiting_raises(situation, rows, settings, restarted or ())
    adjustments = adjustments_of(situation, (*retries, *raises), situation.workflow.run_id + 1)
    choices = Choices(
        retries=retries,
        left_alone=left_alone,
        without_room=without_room,
        adjustments=adjustments,
        repeated=len(repeated or ()),
        starts_run=bool(retries or uninitialized),
    )
    submitted = _allocations(situation, settings, rows, choices)
    if isinstance(submitted, Refusal):
        return replace(submitted, left_alone=left_alone)
    allocations, unpaid = submitted
    return Plan(
        workflow_id=situation.workflow.id,
        run_id=situation.workflow.run_id,
        number=situation.past.ended + 1,
        retries=retries,
        uninitialized=uninitialized,
        repeated=repeated,
        left_alone=left_alone,
        adjustments=adjustments,
        scheduler_type=situation.scheduler_type,
        scheduler_config_id=rows.main.id if rows.main else None,
        allocations=allocations,
        unpaid=unpaid,
        ready=len(ready_jobs(situation, without_room)),
        completed=situation.counts.of(JobStatus.COMPLETED),
        uses_retry=uses_retry,
        raises=raises,
        behind=jobs_behind(situation, restarted),
    )


def _allowed(
    chosen: list[Retry | Skip],
    situation: Situation,
    settings: RecoverySettings,
    uninitialized: int,
    *,
    has_ready: bool,
) -> tuple[tuple[Retry | Skip, ...], bool] | Refusal | Postponement:
    """What is decided for now, and whether that uses up a round."""
    timely = in_time(chosen, situation, has_others=bool(uninitialized) or has_ready)
    bounded = bounded_jobs(chosen, situation, settings)
    uses_retry = uses_round(situation, _retries(timely), bounded, uninitialized)
    if uses_retry and (refusal := exhausted(situation.past.used, settings)):
        kept, uses_retry = without_rounds(chosen, situation, bounded), False
        timely = in_time(kept, situation, has_others=False)
        if not _retries(timely):
            return refusal
    return timely if isinstance(timely, Postponement) else (timely, uses_retry)


def adjustments_of(
    situation: Situation, changes: Iterable[Retry | Raise], next_run: int
) -> tuple[Adjustment, ...]:
    """The new rows of requirements, for jobs that failed, are suspect, or wait."""
    asked = {
        job.id: situation.requirements.get(job.requirements_id or 0) for job in situation.waiting
    }
    asked |= {finding.job.id: finding.requirements for finding in situation.findings}
    asked |= {suspect.job.id: suspect.requirements for suspect in situation.suspects}
    return adjustments_for(changes, asked, next_run)


def _allocations(
    situation: Situation, settings: RecoverySettings, rows: SchedulerRows, choices: Choices
) -> tuple[tuple[AllocationSpec, ...], int] | Refusal:
    """Those to submit, and how many more the user's node hours do not pay for."""
    wanted = plan_groups(
        demands(situation, choices, rows),
        rows,
        most=settings.max_allocations,
        allocation_stem=situation.allocation_stem,
        spreads_jobs=situation.workflow.spreads_jobs,
        avoided=situation.avoided_nodes,
    )
    if not wanted:
        reason = f"Nothing can be submitted: {no_nodes_reason(rows.main)}."
        return Refusal(kind=RefusalKind.NO_SCHEDULER, reason=reason)
    paid = within_limit(wanted, situation, settings.max_node_hours)
    return paid if isinstance(paid, Refusal) else (paid, len(wanted) - len(paid))


def _retries(decided: Postponement | Iterable[Retry | Skip]) -> tuple[Retry, ...]:
    if isinstance(decided, Postponement):
        return decided.retries
    return tuple(each for each in decided if isinstance(each, Retry))


def scheduler_rows(situation: Situation, settings: RecoverySettings) -> SchedulerRows:
    jobs = [*(finding.job for finding in situation.findings), *situation.waiting]
    jobs += [suspect.job for suspect in reruns(situation.suspects, situation.past, settings)]
    may_move = settings.partition is None
    return SchedulerRows.of(situation.configs, jobs, situation.node_classes, may_move=may_move)


def decisions(
    situation: Situation, rows: SchedulerRows, settings: RecoverySettings
) -> list[Retry | Skip]:
    """One for each finding. Of jobs that failed alike, one that can run may have to go first."""
    budget = RetryBudget(situation.past, settings)
    hopeful = tuple(each for each in situation.findings if not budget.is_vain(each))
    sized = sized_retries(replace(situation, findings=hopeful), rows, settings)
    decided = [
        (each, sized.get(each.job.id) or decide(each, rows, settings, budget))
        for each in situation.findings
    ]
    decided = [
        (each, with_more_cpus(decision, each, rows, settings.cpu_multiplier))
        for each, decision in decided
    ]
    candidates = [finding for finding, decision in decided if isinstance(decision, Retry)]
    waiting = storm_objections(candidates, situation.findings, situation.past, settings)
    return [
        skipped(finding, waiting[finding.job.id]) if finding.job.id in waiting else decision
        for finding, decision in decided
    ]


def _chosen(
    situation: Situation, rows: SchedulerRows, settings: RecoverySettings
) -> list[Retry | Skip] | Refusal:
    """Of all jobs that failed, or are suspect, or of those that the user has chosen."""
    decided = decisions(situation, rows, settings)
    decided = _with_suspects(decided, situation, rows, settings)
    choice = settings.choice
    if choice is None:
        return decided
    findings = {finding.job.id: finding for finding in situation.findings}
    findings |= {suspect.job.id: suspect.as_failure() for suspect in situation.suspects}
    refusal = chosen_retries.unknown_job(situation.workflow.id, decided, choice)
    return refusal or chosen_retries.chosen(decided, findings, rows, choice)


def _with_suspects(
    decided: list[Retry | Skip],
    situation: Situation,
    rows: SchedulerRows,
    settings: RecoverySettings,
) -> list[Retry | Skip]:
    """The same with the suspects that run again, which is before the jobs behind them."""
    if not situation.suspects:
        return decided
    budget = RetryBudget(situation.past, settings)
    objections = rerun_objections(situation.suspects, situation.past, settings)
    again: list[Retry | Skip] = []
    for suspect in reruns(situation.suspects, situation.past, settings):
        answer = decide(suspect.as_failure(), rows, settings, budget)
        if isinstance(answer, Retry):
            again.append(replace(answer, cause=Cause.SUSPECT))
        else:
            objections[suspect.job.id] = answer.reason
    inputs = suspect_inputs(situation.findings, situation.suspects, situation.dependents or ())
    findings = {finding.job.id: finding for finding in situation.findings}
    if settings.after_repair:  # the user may have mended the input
        inputs = {job: each for job, each in inputs.items() if each.job.id not in objections}
    return [*again, *with_reruns(decided, inputs, findings, objections)]


def _left_uninitialized(counts: JobCounts) -> int:
    """Jobs to start with this round; none of a workflow that was never started as a whole."""
    return 0 if assessment.is_not_started(counts) else counts.of(JobStatus.UNINITIALIZED)


def _without_run(
    situation: Situation, left_alone: tuple[Skip, ...], without_room: Mapping[int, str]
) -> Refusal | None:
    """Why there is no round that starts no run; None where ready jobs need allocations."""
    if not situation.counts.of(JobStatus.READY):
        return _refuse(situation, left_alone)
    reason = no_room_reason(situation, without_room)
    if not reason:
        return None
    return Refusal(kind=RefusalKind.NOTHING_TO_RETRY, reason=reason, left_alone=left_alone)


def _refuse(situation: Situation, left_alone: tuple[Skip, ...]) -> Refusal:
    if situation.findings:
        return Refusal(
            kind=RefusalKind.NOTHING_TO_RETRY,
            reason="None of the failed jobs may be retried.",
            left_alone=left_alone,
        )
    if assessment.has_succeeded(situation.counts):  # there are suspects: else none asks
        reason = "No node has what the suspects need."
        return Refusal(kind=RefusalKind.NOTHING_TO_RETRY, reason=reason)
    return Refusal(
        kind=RefusalKind.STUCK,
        reason=assessment.stuck_reason(situation.workflow.id, situation.counts),
    )
