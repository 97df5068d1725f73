"""Plans of retries while others of the workflow run."""

from dataclasses import replace

from tests.unit.test_policy import FIXED, finding, situation
from torc_watch.core.cause import Cause
from torc_watch.core.in_place_plan import decide_in_place
from torc_watch.core.model import JobStatus
from torc_watch.core.recovery_round import PastRounds, Plan, RoundOutcome, uses_round
from torc_watch.core.units import GIB, MIB

BUSY = {JobStatus.RUNNING: 5, JobStatus.FAILED: 2, JobStatus.COMPLETED: 3}


def plan_for(*causes: Cause) -> Plan:
    findings = [finding(number, cause) for number, cause in enumerate(causes, start=7)]
    plan = decide_in_place(situation(*findings, counts=BUSY), FIXED).plan
    assert plan is not None
    return plan


def test_plan_starts_no_run_and_submits_nothing() -> None:
    plan = plan_for(Cause.OOM, Cause.INTERRUPTED)
    assert [(each.job_id, each.memory, each.attempt) for each in plan.retries] == [
        (7, (64 * MIB, 96 * MIB), 1),
        (8, None, 1),
    ]
    (adjustment,) = plan.adjustments
    assert (adjustment.name, adjustment.job_ids) == ("small.run1.96m.PT1M", (7,))
    assert plan.in_place
    assert [plan.starts_run, plan.is_at_rest, plan.uses_retry, plan.hopes_for_repair] == [False] * 4
    assert (plan.allocations, plan.left_alone) == ((), ())


def test_job_that_no_node_can_run_is_settled() -> None:
    enormous = replace(finding(7, Cause.OOM, peak=9 * GIB), facts=())
    decision = decide_in_place(situation(enormous, counts=BUSY), FIXED)
    assert decision.plan is None
    assert decision.settled == {7}


def test_round_in_place_uses_up_no_round_and_is_counted_for_its_jobs() -> None:
    plan = plan_for(Cause.OOM)
    for outcome in (RoundOutcome.CONTINUED, RoundOutcome.ABANDONED, RoundOutcome.FAILED):
        assert not uses_round(plan, outcome)
        after = PastRounds(completed=1).after(outcome, plan)
        assert (after.ended, after.used, after.completed) == (1, 0, 1)
        assert after.in_place == (7,)
