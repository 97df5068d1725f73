"""Plans for suspect successes, and for the jobs that failed behind them."""

from dataclasses import replace

import pytest

from tests.unit.test_policy import dependent, finding, job, situation
from torc_watch.core.cause import Cause
from torc_watch.core.model import JobStatus
from torc_watch.core.policy import plan
from torc_watch.core.recovery_round import (
    PastRounds,
    Plan,
    RecoverySettings,
    Refusal,
    Repeat,
    Retry,
    RoundOutcome,
)
from torc_watch.core.situation import Situation
from torc_watch.core.suspect_inputs import explained, suspect_inputs
from torc_watch.core.suspect_success import Suspicion, SuspicionKind
from torc_watch.core.units import GIB, MIB

RERUN = RecoverySettings(rerun_suspects=True)
EMPTY, OOM = SuspicionKind.OUTPUT_EMPTY, SuspicionKind.OOM_KILL
MAKE, PLOT, PAPER = 1, 2, 3  # each depends on the one before
CHAIN = (dependent(PLOT, MAKE), dependent(PAPER, PLOT))
COUNTS = {JobStatus.COMPLETED: 5}


def suspect(job_id: int = MAKE, kind: SuspicionKind = EMPTY) -> Suspicion:
    row = finding(job_id, Cause.OOM).requirements
    done = job(job_id, JobStatus.COMPLETED, requirements_id=3)
    return Suspicion(job=done, kind=kind, reason="its output x is empty", requirements=row)


def failed(cause: Cause, *suspects: Suspicion, past: PastRounds | None = None) -> Situation:
    """The last of the chain failed, with the suspects in its reason."""
    findings = (finding(PAPER, cause),)
    rows = situation(
        *explained(findings, suspect_inputs(findings, suspects, CHAIN)),
        dependents=CHAIN,
        past=past or PastRounds(),
    )
    return replace(rows, suspects=suspects)


def planned(rows: Situation, settings: RecoverySettings = RERUN) -> Plan:
    answer = plan(rows, settings)
    assert isinstance(answer, Plan)
    return answer


def test_suspect_of_a_successful_workflow_runs_again_with_what_is_behind_it() -> None:
    rows = replace(situation(counts=COUNTS, dependents=CHAIN), suspects=(suspect(),))
    answer = planned(rows)
    assert [(each.job_id, each.cause, each.memory) for each in answer.retries] == [
        (MAKE, Cause.SUSPECT, None)
    ]
    assert answer.repeated == (
        Repeat(job_id=PLOT, job_name="train_2"),
        Repeat(job_id=PAPER, job_name="train_3"),
    )
    assert (answer.uses_retry, answer.starts_run, answer.hopes_for_repair) == (True, True, False)
    assert [each.num_cpus for each in answer.allocations] == [2, 2]  # for up to three jobs


def test_suspect_whose_process_was_killed_gets_more_memory() -> None:
    rows = replace(situation(counts=COUNTS), suspects=(suspect(kind=OOM),))
    answer = planned(rows)
    (retry,) = answer.retries
    assert (retry.cause, retry.memory) == (Cause.SUSPECT, (64 * MIB, 96 * MIB))
    (adjustment,) = answer.adjustments
    assert adjustment.job_ids == (MAKE,)
    assert [each.memory for each in answer.allocations] == [GIB]


def test_suspects_behind_each_other_are_not_also_repeated() -> None:
    rows = situation(counts=COUNTS, dependents=CHAIN)
    answer = planned(replace(rows, suspects=(suspect(MAKE), suspect(PLOT))))
    assert [each.job_id for each in answer.retries] == [MAKE, PLOT]
    assert [each.job_id for each in answer.repeated or ()] == [PAPER]


def test_suspect_that_fits_nowhere_is_not_run_again() -> None:
    asked = suspect(kind=OOM)
    row = asked.requirements
    assert row is not None
    large = replace(asked, requirements=replace(row, memory=8 * GIB))
    answer = plan(replace(situation(counts=COUNTS), suspects=(large,)), RERUN)
    assert isinstance(answer, Refusal)
    assert answer.reason == "No node has what the suspects need."


@pytest.mark.parametrize("cause", [Cause.INPUT, Cause.CODE, Cause.UNKNOWN])
def test_job_that_failed_behind_a_suspect_starts_over_with_it(cause: Cause) -> None:
    answer = planned(failed(cause, suspect()))
    assert [(each.job_id, each.cause) for each in answer.retries] == [
        (MAKE, Cause.SUSPECT),
        (PAPER, cause),
    ]
    assert answer.adjustments == ()
    assert answer.left_alone == ()
    assert "its input comes from job 1 (train_1), whose success is suspect" in (
        answer.retries[1].reason
    )


@pytest.mark.parametrize("cause", [Cause.INPUT, Cause.CODE])
def test_without_the_option_it_is_handed_over(cause: Cause) -> None:
    answer = plan(failed(cause, suspect()), RecoverySettings())
    assert isinstance(answer, Refusal)
    (left,) = answer.left_alone
    assert left.reason == (
        "because; its input comes from job 1 (train_1), whose success is suspect; job 1 does not "
        "run again without --rerun-suspects"
    )


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.PENDING_FAILED])
def test_torc_restarts_some_that_are_handed_over(status: JobStatus) -> None:
    rows = failed(Cause.CODE, suspect())
    (found,) = rows.findings
    ended = replace(found, job=replace(found.job, status=status))
    other = finding(9, Cause.INTERRUPTED)
    answer = planned(replace(rows, findings=(ended, other)), RecoverySettings())
    (left,) = answer.left_alone
    assert (left.job_id, left.restarts_anyway) == (PAPER, status is JobStatus.PENDING_FAILED)


def test_user_who_asks_for_a_round_may_have_mended_the_input() -> None:
    answer = planned(failed(Cause.INPUT, suspect()), RecoverySettings(after_repair=True))
    assert [each.job_id for each in answer.retries] == [PAPER]


def test_unknown_failure_behind_a_suspect_is_retried_as_ever() -> None:
    answer = planned(failed(Cause.UNKNOWN, suspect()), RecoverySettings())
    assert [(each.job_id, each.cause) for each in answer.retries] == [(PAPER, Cause.UNKNOWN)]


def test_lack_of_memory_behind_a_suspect_is_mended_as_ever() -> None:
    answer = planned(failed(Cause.OOM, suspect()), RecoverySettings())
    assert [each.memory for each in answer.retries] == [(64 * MIB, 96 * MIB)]


def test_suspect_that_ran_again_in_vain_ends_it() -> None:
    first = planned(failed(Cause.INPUT, suspect()))
    past = PastRounds().after(RoundOutcome.RESUBMITTED, first)
    answer = plan(failed(Cause.INPUT, suspect(), past=past), RERUN)
    assert isinstance(answer, Refusal)
    assert answer.left_alone[0].reason.endswith("; it was run again once, in vain")


def test_other_failures_are_no_business_of_suspects() -> None:
    findings = (finding(9, Cause.CODE),)
    rows = replace(situation(*findings, dependents=CHAIN), suspects=(suspect(),))
    assert [each.job_id for each in planned(rows, RecoverySettings()).retries] == [9]
    assert explained(findings, suspect_inputs(findings, rows.suspects, CHAIN)) == findings


def test_nearest_suspect_is_named() -> None:
    suspects = (suspect(MAKE), suspect(PLOT))
    found = suspect_inputs((finding(PAPER, Cause.INPUT),), suspects, CHAIN)
    assert {job_id: each.job.id for job_id, each in found.items()} == {PAPER: PLOT}


def test_limited_retry_of_a_suspect_is_remembered() -> None:
    past = PastRounds().after(RoundOutcome.RESUBMITTED, planned(failed(Cause.INPUT, suspect())))
    assert [(each.job_id, each.cause) for each in past.retried] == [
        (MAKE, Cause.SUSPECT),
        (PAPER, Cause.INPUT),
    ]
    assert all(isinstance(each, Retry) for each in past.retried)
