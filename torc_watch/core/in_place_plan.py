"""The retries of failed jobs while others of their workflow run."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from torc_watch.core import policy
from torc_watch.core.model import JobStatus
from torc_watch.core.recovery_round import Plan, RecoverySettings, Retry, Skip
from torc_watch.core.situation import Situation
from torc_watch.core.waiting_raises import waiting_raises


@dataclass(frozen=True, slots=True, kw_only=True)
class InPlaceDecision:
    """``plan`` is None where no job is retried now; ``settled`` are those that never are in place.

    All others are looked at again.
    """

    plan: Plan | None = None
    settled: frozenset[int] = frozenset()


def decide_in_place(situation: Situation, settings: RecoverySettings) -> InPlaceDecision:
    """No run is started and nothing is submitted."""
    rows = policy.scheduler_rows(situation, settings)
    decided = policy.decisions(situation, rows, settings)
    settled = frozenset(
        each.job_id for each in decided if isinstance(each, Skip) and not each.is_held
    )
    retries = tuple(each for each in decided if isinstance(each, Retry))
    raises = waiting_raises(situation, rows, settings)
    if not retries and not raises:
        return InPlaceDecision(settled=settled)
    run_id = situation.workflow.run_id
    plan = Plan(
        workflow_id=situation.workflow.id,
        run_id=run_id,
        number=situation.past.ended + 1,
        retries=retries,
        uninitialized=0,
        repeated=(),
        left_alone=(),
        adjustments=policy.adjustments_of(situation, (*raises, *retries), run_id),
        scheduler_type=situation.scheduler_type,
        scheduler_config_id=rows.main.id if rows.main else None,
        allocations=(),
        completed=situation.counts.of(JobStatus.COMPLETED),
        uses_retry=False,
        in_place=True,
        raises=raises,
    )
    return InPlaceDecision(plan=plan, settled=settled)


def without_retries(plan: Plan, left_out: Collection[int]) -> Plan:
    """Of these jobs, by their IDs: their requests stay as they are too."""
    adjustments = (
        replace(each, job_ids=tuple(job_id for job_id in each.job_ids if job_id not in left_out))
        for each in plan.adjustments
    )
    return replace(
        plan,
        retries=tuple(each for each in plan.retries if each.job_id not in left_out),
        adjustments=tuple(each for each in adjustments if each.job_ids),
    )
