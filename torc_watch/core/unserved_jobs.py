"""Allocations for ready jobs that none takes of those that a workflow has queued or running."""

from torc_watch.core.allocation_plan import plan_groups
from torc_watch.core.demand import demands_of
from torc_watch.core.jobs_without_room import jobs_without_room, no_room_reason
from torc_watch.core.model import JobStatus
from torc_watch.core.node_hour_limit import within_limit
from torc_watch.core.recovery_round import Plan, Refusal, RefusalKind
from torc_watch.core.scheduler_rows import SchedulerRows, no_nodes_reason
from torc_watch.core.situation import Situation


def plan_more(
    situation: Situation, *, most: int, may_move: bool, max_node_hours: float | None = None
) -> Plan | Refusal:
    """At most so many allocations for the ``waiting`` jobs of the situation, or why there is none.

    Nothing is submitted for jobs that no node can run. With ``may_move``, jobs may go to another
    partition than their row's.
    """
    rows = SchedulerRows.of(
        situation.configs, situation.waiting, situation.node_classes, may_move=may_move
    )
    without_room = jobs_without_room(situation, rows)
    jobs = [job for job in situation.waiting if job.id not in without_room]
    allocations = plan_groups(
        demands_of(jobs, situation.requirements, rows),
        rows,
        most=most,
        allocation_stem=situation.allocation_stem,
        spreads_jobs=situation.workflow.spreads_jobs,
        avoided=situation.avoided_nodes,
    )
    if not allocations:
        reason = no_room_reason(situation, without_room) or f"{no_nodes_reason(rows.main)}."
        return Refusal(kind=RefusalKind.NOTHING_TO_RETRY, reason=reason)
    allowed = within_limit(allocations, situation, max_node_hours)
    if isinstance(allowed, Refusal):
        return allowed
    return Plan(
        workflow_id=situation.workflow.id,
        run_id=situation.workflow.run_id,
        number=situation.past.ended + 1,
        retries=(),
        uninitialized=0,
        repeated=(),
        left_alone=(),
        adjustments=(),
        scheduler_type=situation.scheduler_type,
        scheduler_config_id=rows.main.id if rows.main else None,
        allocations=allowed,
        completed=situation.counts.of(JobStatus.COMPLETED),
        uses_retry=False,
        joins_workers=True,
        unserved=tuple(job.id for job in jobs),
        unpaid=len(allocations) - len(allowed),
    )
