"""Scouts show what a kind needs of memory: run time climbs the ladder beside them."""

from dataclasses import replace

from tests.rigs.failed_kinds import WRITTEN, attempt, failed, situation
from torc_watch.core.cause import Cause
from torc_watch.core.job_kind import KindKey
from torc_watch.core.kind_history import AttemptEnd
from torc_watch.core.policy import plan
from torc_watch.core.recovery_round import Plan, RecoverySettings
from torc_watch.core.situation import Situation
from torc_watch.core.sizing_policy import ScoutRun
from torc_watch.core.units import GIB

KIND = KindKey(workflow_id=42, requirements="small", template="train_*")
SCOUT = replace(WRITTEN, id=4, name="small.run2.64g.PT1H", memory=64 * GIB)


def runtimes(seen: Situation) -> dict[int, int]:
    """The hours that each retry requests, by the job's ID."""
    answer = plan(seen, RecoverySettings())
    assert isinstance(answer, Plan), answer
    assert not any(each.is_scout for each in answer.retries)
    return {each.job_id: each.runtime[1] // 3600 for each in answer.retries if each.runtime}


def test_job_that_ran_out_of_time_does_not_wait_for_a_scout() -> None:
    run = ScoutRun(job_id=3, job_name="train_3", ran=10, killed_after=100)
    past = [attempt(3, AttemptEnd.OUT_OF_MEMORY)]
    seen = situation([failed(1, Cause.TIMEOUT)], past, scout_runs={KIND: run})
    assert runtimes(seen) == {1: 2}


def test_job_that_ran_out_of_time_after_a_scout_ended_takes_the_first_step() -> None:
    past = [attempt(3, gib=64, used=6, is_scout=True)]
    assert runtimes(situation([failed(1, Cause.TIMEOUT)], past, completed=1)) == {1: 2}


def test_scout_that_ran_out_of_time_takes_the_first_step() -> None:
    past = [
        attempt(3, AttemptEnd.OUT_OF_MEMORY),
        attempt(3, AttemptEnd.OUT_OF_TIME, gib=64, run_id=2, is_scout=True),
    ]
    finding = failed(3, Cause.TIMEOUT, asked=SCOUT, run_id=2)
    assert runtimes(situation([finding], past, rows=(SCOUT,))) == {3: 2}
