"""What to do about a workflow that came to rest with jobs that did not complete.

``plan`` answers with a Plan of absolute targets, which can be carried out again after a crash
without raising anything twice, or with a Refusal, which hands the workflow over to the user,
or with a Postponement.
"""

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from torc_watch.core import assessment, chosen_retries, resource_requests, units
from torc_watch.core.allocation import AllocationSpec, NodeClass
from torc_watch.core.allocation_plan import plan_groups
from torc_watch.core.cause import Cause, Remedy
from torc_watch.core.demand import Choices, demands
from torc_watch.core.findings import Finding
from torc_watch.core.jobs_behind import jobs_behind
from torc_watch.core.jobs_without_room import jobs_without_room, no_room_reason, ready_jobs
from torc_watch.core.model import Dependent, JobCounts, JobStatus
from torc_watch.core.node_classes import (
    class_with_longest_runtime,
    class_with_most_memory,
    lack_reason,
    node_text,
)
from torc_watch.core.node_hour_limit import within_limit
from torc_watch.core.recovery_round import (
    Plan,
    Postponement,
    RecoverySettings,
    Refusal,
    RefusalKind,
    Repeat,
    Retry,
    Skip,
)
from torc_watch.core.resource_requests import adjustments_for
from torc_watch.core.retry_budget import RetryBudget, storm_objections
from torc_watch.core.round_budget import bounded_jobs, uses_round, without_rounds
from torc_watch.core.scheduler_rows import SchedulerRows, no_nodes_reason
from torc_watch.core.situation import Situation
from torc_watch.core.skipped_job import skipped
from torc_watch.core.suspect_inputs import suspect_inputs, with_reruns
from torc_watch.core.suspect_success import rerun_objections, reruns
from torc_watch.core.timed_retries import in_time
from torc_watch.core.wanted_memory import wanted_memory


def exhausted(rounds_used: int, settings: RecoverySettings) -> Refusal | None:
    """The refusal that follows from the number of rounds alone."""
    if settings.max_retries is None or rounds_used < settings.max_retries:
        return None
    return Refusal(
        kind=RefusalKind.EXHAUSTED, reason=f"Max retries ({settings.max_retries}) exceeded."
    )


def plan(situation: Situation, settings: RecoverySettings) -> Plan | Refusal | Postponement:
    """The next round of recovery, or why there is none, or when."""
    rows = _rows(situation, settings)
    chosen = _chosen(situation, rows, settings)
    if isinstance(chosen, Refusal):
        return chosen
    answer = _plan(situation, settings, rows, chosen)
    if not isinstance(answer, Plan):
        return answer
    restarted = _restarted_dependents(situation, answer.retries)
    return replace(answer, behind=jobs_behind(situation, restarted))


def _plan(
    situation: Situation,
    settings: RecoverySettings,
    rows: SchedulerRows,
    chosen: list[Retry | Skip],
) -> Plan | Refusal | Postponement:
    without_room = jobs_without_room(situation, rows)
    uninitialized = _left_uninitialized(situation.counts)
    has_ready = situation.counts.of(JobStatus.READY) and not no_room_reason(situation, without_room)
    decisions = in_time(chosen, situation, has_others=bool(uninitialized or has_ready))
    bounded = bounded_jobs(chosen, situation, settings)
    uses_retry = uses_round(situation, _retries(decisions), bounded, uninitialized)
    if uses_retry and (refusal := exhausted(situation.past.used, settings)):
        kept, uses_retry = without_rounds(chosen, situation, bounded), False
        decisions = in_time(kept, situation, has_others=False)
        if not _retries(decisions):
            return refusal
    if isinstance(decisions, Postponement):
        return decisions
    retries = _retries(decisions)
    left_alone = tuple(decision for decision in decisions if isinstance(decision, Skip))
    if not retries and not uninitialized:  # no run is started: nothing is initialized
        left_alone = tuple(replace(left, restarts_anyway=False) for left in left_alone)
        if refusal := _without_run(situation, left_alone, without_room):
            return refusal
    restarted = _restarted_dependents(situation, retries)
    left_alone = tuple(_with_restart(left, restarted or {}) for left in left_alone)
    repeated = None if restarted is None else _repeated(situation, restarted, retries)
    asked = {finding.job.id: finding.requirements for finding in situation.findings}
    asked |= {suspect.job.id: suspect.requirements for suspect in situation.suspects}
    adjustments = adjustments_for(retries, asked, situation.workflow.run_id + 1)
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
    )


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


def _retries(decisions: Postponement | Iterable[Retry | Skip]) -> tuple[Retry, ...]:
    if isinstance(decisions, Postponement):
        return decisions.retries
    return tuple(each for each in decisions if isinstance(each, Retry))


def _rows(situation: Situation, settings: RecoverySettings) -> SchedulerRows:
    jobs = [*(finding.job for finding in situation.findings), *situation.waiting]
    jobs += [suspect.job for suspect in reruns(situation.suspects, situation.past, settings)]
    may_move = settings.partition is None
    return SchedulerRows.of(situation.configs, jobs, situation.node_classes, may_move=may_move)


def _decisions(
    situation: Situation, rows: SchedulerRows, settings: RecoverySettings
) -> list[Retry | Skip]:
    """One for each finding. Of jobs that failed alike, one that can run may have to go first."""
    budget = RetryBudget(situation.past, settings)
    decided = [(each, _decide(each, rows, settings, budget)) for each in situation.findings]
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
    decisions = _decisions(situation, rows, settings)
    decisions = _with_suspects(decisions, situation, rows, settings)
    choice = settings.choice
    if choice is None:
        return decisions
    findings = {finding.job.id: finding for finding in situation.findings}
    findings |= {suspect.job.id: suspect.as_failure() for suspect in situation.suspects}
    refusal = chosen_retries.unknown_job(situation.workflow.id, decisions, choice)
    return refusal or chosen_retries.chosen(decisions, findings, rows, choice)


def _with_suspects(
    decisions: list[Retry | Skip],
    situation: Situation,
    rows: SchedulerRows,
    settings: RecoverySettings,
) -> list[Retry | Skip]:
    """The same with the suspects that run again, which is before the jobs behind them."""
    if not situation.suspects:
        return decisions
    budget = RetryBudget(situation.past, settings)
    objections = rerun_objections(situation.suspects, situation.past, settings)
    again: list[Retry | Skip] = []
    for suspect in reruns(situation.suspects, situation.past, settings):
        answer = _decide(suspect.as_failure(), rows, settings, budget)
        if isinstance(answer, Retry):
            again.append(replace(answer, cause=Cause.SUSPECT))
        else:
            objections[suspect.job.id] = answer.reason
    inputs = suspect_inputs(situation.findings, situation.suspects, situation.dependents or ())
    findings = {finding.job.id: finding for finding in situation.findings}
    if settings.after_repair:  # the user may have mended the input
        inputs = {job: each for job, each in inputs.items() if each.job.id not in objections}
    return [*again, *with_reruns(decisions, inputs, findings, objections)]


def _decide(
    finding: Finding, rows: SchedulerRows, settings: RecoverySettings, budget: RetryBudget
) -> Retry | Skip:
    if objection := budget.objection(finding):
        return skipped(finding, objection)
    row = rows.row_of(finding.job)
    nodes = rows.nodes_for(row)
    if not nodes:
        return skipped(finding, no_nodes_reason(row))
    answer = _decide_on(finding, nodes, settings)
    if isinstance(answer, Skip) and (others := rows.others_for(row)):
        return _decide_on(finding, (*nodes, *others), settings)
    return answer


def _decide_on(
    finding: Finding, nodes: Sequence[NodeClass], settings: RecoverySettings
) -> Retry | Skip:
    if reason := lack_reason(finding.requirements, nodes):
        return skipped(finding, reason)
    if finding.cause is Cause.UNKNOWN and not settings.retry_unknown:
        return skipped(finding, f"{finding.reason}; unknown failures are not retried")
    match finding.remedy:
        case Remedy.RAISE_MEMORY:
            return _raise_memory(finding, nodes, settings.memory_multiplier)
        case Remedy.RAISE_RUNTIME:
            return _raise_runtime(finding, nodes, settings.runtime_multiplier)
        case _:
            return _retry(finding)


def _raise_memory(finding: Finding, nodes: Sequence[NodeClass], multiplier: float) -> Retry | Skip:
    asked = finding.requirements
    if asked is None or asked.memory is None:
        return _retry(finding)
    node = class_with_most_memory(asked, nodes)
    after = resource_requests.raised_memory(
        asked.memory,
        peak=finding.peak_memory,
        multiplier=multiplier,
        cap=node.memory,
        wanted=wanted_memory(finding.clue.line) if finding.clue else None,
    )
    if after is None:
        most = units.format_memory(node.memory)
        return skipped(finding, f"needs more than {most}, the most that {node_text(node)} has")
    return _retry(finding, memory=(asked.memory, after))


def _raise_runtime(finding: Finding, nodes: Sequence[NodeClass], multiplier: float) -> Retry | Skip:
    asked = finding.requirements
    if asked is None or asked.runtime is None:
        return _retry(finding)
    node = class_with_longest_runtime(asked, nodes)
    after = resource_requests.raised_runtime(
        asked.runtime, ran=finding.ran, multiplier=multiplier, cap=node.runtime
    )
    if after is None:
        longest = units.format_duration(node.runtime or 0)
        return skipped(
            finding, f"needs longer than {longest}, the longest that {node_text(node)} has"
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
        fingerprint=finding.fingerprint,
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


def _repeated(
    situation: Situation, restarted: Mapping[int, str], retries: Iterable[Retry]
) -> tuple[Repeat, ...]:
    """Those ``restarted`` dependents that have neither failed nor yet to run."""
    known = {finding.job.id for finding in situation.findings}
    known |= {job.id for job in situation.waiting} | {retry.job_id for retry in retries}
    return tuple(
        Repeat(job_id=job_id, job_name=name)
        for job_id, name in sorted(restarted.items())
        if job_id not in known
    )


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
