"""The retries of failed jobs while others of their workflow run."""

from dataclasses import replace

from torc_watch.core import policy
from torc_watch.core.model import JobStatus
from torc_watch.core.recovery_round import Plan, RecoverySettings, Retry
from torc_watch.core.situation import Situation
from torc_watch.core.waiting_raises import waiting_raises


def plan_in_place(situation: Situation, settings: RecoverySettings) -> Plan | None:
    """None where none of the jobs with findings is retried now.

    No run is started and nothing is submitted. Jobs that are not retried are looked at again, or
    wait until the workflow is at rest.
    """
    rows = policy._rows(situation, settings)
    attempts = {finding.job.id: finding.job.attempt for finding in situation.findings}
    retries = tuple(
        replace(each, attempt=attempts[each.job_id])
        for each in policy.decisions(situation, rows, settings)
        if isinstance(each, Retry)
    )
    if not retries:
        return None
    raises = waiting_raises(situation, rows, settings)
    return Plan(
        workflow_id=situation.workflow.id,
        run_id=situation.workflow.run_id,
        number=situation.past.ended + 1,
        retries=retries,
        uninitialized=0,
        repeated=(),
        left_alone=(),
        adjustments=policy.adjustments_of(
            situation, (*raises, *retries), situation.workflow.run_id
        ),
        scheduler_type=situation.scheduler_type,
        scheduler_config_id=rows.main.id if rows.main else None,
        allocations=(),
        completed=situation.counts.of(JobStatus.COMPLETED),
        uses_retry=False,
        in_place=True,
        raises=raises,
    )
