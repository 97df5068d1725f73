"""Jobs that request more before they start, because others of their kind lacked it."""

from dataclasses import replace

import pytest

from tests.rigs.failed_kinds import NODE, WRITTEN, attempt, failed, job, situation
from torc_watch.core.cause import Cause
from torc_watch.core.job_choice import JobChoice
from torc_watch.core.kind_history import AttemptEnd
from torc_watch.core.model import Dependent, JobStatus, Requirements
from torc_watch.core.plan_price import price_of
from torc_watch.core.policy import plan
from torc_watch.core.recovery_round import Plan, RecoverySettings
from torc_watch.core.situation import Situation
from torc_watch.core.sizing_policy import SizingPolicy
from torc_watch.core.units import GIB, MIB

UNSTARTED = (JobStatus.UNINITIALIZED, JobStatus.BLOCKED, JobStatus.READY)
RAISED = 9012 * MIB  # 8 GiB and a tenth, rounded up
EVIDENCE = RecoverySettings()


def planned(seen: Situation, settings: RecoverySettings = EVIDENCE) -> Plan:
    answer = plan(seen, settings)
    assert isinstance(answer, Plan), answer
    return answer


@pytest.mark.parametrize("status", JobStatus)
def test_only_jobs_that_have_not_started_are_raised(status: JobStatus) -> None:
    answer = planned(situation([failed(1)], waiting=[job(2, status=status)]))
    raised = [(each.job_id, each.memory, each.runtime) for each in answer.raises]
    assert raised == ([(2, (8 * GIB, RAISED), None)] if status in UNSTARTED else [])


def test_they_move_to_a_row_of_their_own_before_they_start() -> None:
    waiting = [job(number, status=JobStatus.BLOCKED) for number in (2, 3)]
    answer = planned(situation([failed(1)], waiting=waiting))
    assert [(each.memory, each.job_ids) for each in answer.adjustments] == [
        (12 * GIB, (1,)),
        (RAISED, (2, 3)),
    ]
    assert answer.sizing == ("train_*: 1 of 1 failed; 2 that wait get 9012m before they start.",)
    assert price_of(answer).memory_factor == 1.5


def test_canceled_job_is_raised_if_it_runs_again_behind_another() -> None:
    behind = (Dependent(job_id=2, job_name="train_2", depends_on=1),)
    waiting = [job(number, status=JobStatus.CANCELED) for number in (2, 3)]
    answer = planned(situation([failed(1)], waiting=waiting, dependents=behind))
    assert [each.job_id for each in answer.raises] == [2]
    unknown = planned(situation([failed(1)], waiting=waiting, dependents=None))
    assert not unknown.raises


@pytest.mark.parametrize(("failures", "raised"), [(1, 0), (2, 0), (3, 1)])
def test_a_tenth_of_the_kind_has_to_have_failed(failures: int, raised: int) -> None:
    peers = [attempt(100 + number, used=2) for number in range(20)]
    findings = [failed(number) for number in range(failures)]
    seen = situation(findings, peers, waiting=[job(50, status=JobStatus.READY)], completed=20)
    assert len(planned(seen).raises) == raised


def test_failures_of_earlier_rounds_count() -> None:
    past = [attempt(9, AttemptEnd.OUT_OF_MEMORY, gib=16)]
    findings = [failed(8, Cause.UNKNOWN)]
    answer = planned(situation(findings, past, waiting=[job(2, status=JobStatus.READY)]))
    assert [each.memory for each in answer.raises] == [(8 * GIB, 18_023 * MIB)]
    assert price_of(answer).memory_factor == pytest.approx(2.2, rel=0.01)


def test_ready_jobs_are_raised_where_no_run_starts() -> None:
    past = [attempt(9, AttemptEnd.OUT_OF_MEMORY)]
    answer = planned(situation([], past, waiting=[job(2, status=JobStatus.READY)]))
    assert not answer.starts_run
    assert [each.job_ids for each in answer.adjustments] == [(2,)]
    assert answer.allocations[0].memory >= RAISED


def test_allocations_are_as_large_as_what_waiting_jobs_request_then() -> None:
    waiting = [job(2, status=JobStatus.READY)]
    past = [attempt(9, AttemptEnd.OUT_OF_MEMORY, gib=100)]
    nodes = (replace(NODE, memory=120 * GIB),)
    seen = situation([failed(1, Cause.UNKNOWN)], past, waiting=waiting, nodes=nodes)
    ((_, raised),) = (each.memory or (0, 0) for each in planned(seen).raises)
    assert raised >= 110 * GIB
    assert max(each.memory for each in planned(seen).allocations) >= raised


def test_time_is_raised_too() -> None:
    answer = planned(
        situation([failed(1, Cause.TIMEOUT), failed(3)], waiting=[job(2, status=JobStatus.READY)])
    )
    (only,) = answer.raises
    assert only.memory == (8 * GIB, RAISED)
    assert only.runtime is not None
    assert only.runtime[0] < only.runtime[1] <= 2 * only.runtime[0]
    assert only.sizing.count("before it starts") == 2


def test_request_of_a_user_that_is_larger_stays() -> None:
    larger = replace(WRITTEN, id=4, name="small.run1.9g.PT1H", memory=9 * GIB)
    waiting = [job(2, status=JobStatus.READY, row=4), job(5, status=JobStatus.READY)]
    answer = planned(situation([failed(1)], waiting=waiting, rows=(larger,)))
    assert [each.job_id for each in answer.raises] == [5]


def test_request_is_clamped_to_what_there_is() -> None:
    nodes = (replace(NODE, memory=8200 * MIB),)
    answer = planned(situation([failed(1)], waiting=[job(2, status=JobStatus.READY)], nodes=nodes))
    assert [each.memory for each in answer.raises] == [(8 * GIB, 8200 * MIB)]


@pytest.mark.parametrize(
    "waiting",
    [
        pytest.param(job(2, "score_2", JobStatus.READY), id="another kind"),
        pytest.param(job(2, status=JobStatus.READY, row=99), id="a row that is not there"),
    ],
)
def test_others_are_not_raised(waiting: object) -> None:
    assert not planned(situation([failed(1)], waiting=[waiting])).raises  # type: ignore[list-item]


@pytest.mark.parametrize(
    "settings",
    [
        RecoverySettings(sizing=SizingPolicy.FIXED),
        RecoverySettings(choice=JobChoice(jobs=("1",))),
    ],
)
def test_none_is_raised(settings: RecoverySettings) -> None:
    seen = situation([failed(1)], waiting=[job(2, status=JobStatus.READY)])
    assert not planned(seen, settings).raises


@pytest.mark.parametrize(
    "row",
    [replace(WRITTEN, id=4, memory=None), replace(WRITTEN, id=4, runtime=None)],
)
def test_job_whose_requirements_cannot_be_read_is_left_as_it_is(row: Requirements) -> None:
    """No row can be made for it: beside others there would be no end of rounds."""
    waiting = [job(2, status=JobStatus.READY, row=4)]
    seen = situation([failed(1), failed(3, Cause.TIMEOUT)], waiting=waiting, rows=(row,))
    assert not planned(seen).raises
