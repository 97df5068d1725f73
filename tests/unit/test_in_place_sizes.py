"""Requests by evidence in plans of retries while others of the workflow run."""

from tests.rigs.failed_kinds import attempt, failed, job, situation
from torc_watch.core.in_place_plan import decide_in_place, without_retries
from torc_watch.core.kind_history import AttemptEnd
from torc_watch.core.model import JobStatus
from torc_watch.core.recovery_round import Plan, RecoverySettings
from torc_watch.core.situation import Situation
from torc_watch.core.units import GIB

EVIDENCE = RecoverySettings()


def planned(seen: Situation) -> Plan:
    plan = decide_in_place(seen, EVIDENCE).plan
    assert plan is not None
    return plan


def test_job_that_is_held_is_looked_at_again() -> None:
    decision = decide_in_place(situation([failed(number) for number in range(5)]), EVIDENCE)
    assert decision.plan is not None
    assert [each.job_id for each in decision.plan.retries] == [2]
    assert decision.settled == frozenset()


def test_waiting_jobs_are_raised_where_no_job_is_retried() -> None:
    past = [attempt(9, AttemptEnd.OUT_OF_MEMORY)]
    plan = planned(situation([], past, waiting=[job(2, status=JobStatus.READY)]))
    assert (plan.retries, [each.job_id for each in plan.raises]) == ((), [2])
    assert [each.job_ids for each in plan.adjustments] == [(2,)]


def test_jobs_that_are_left_out_keep_their_requests() -> None:
    findings = [failed(1), failed(2), failed(3, peak_memory=20 * GIB)]
    plan = planned(situation(findings, waiting=[job(4, status=JobStatus.READY)]))
    assert [each.job_ids for each in plan.adjustments] == [(4,), (1, 2), (3,)]
    left = without_retries(plan, {2, 3})
    assert [each.job_id for each in left.retries] == [1]
    assert [each.job_ids for each in left.adjustments] == [(4,), (1,)]
    assert left.raises == plan.raises
