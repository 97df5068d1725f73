"""A round of the jobs that a user has chosen."""

from dataclasses import replace

import pytest

from tests.unit.test_policy import SMALL, finding, situation
from torc_watch.core.cause import Cause
from torc_watch.core.job_choice import JobChoice
from torc_watch.core.model import JobStatus
from torc_watch.core.policy import plan
from torc_watch.core.recovery_round import Plan, RecoverySettings, Refusal
from torc_watch.core.units import GIB, MIB

OOM, UNKNOWN = finding(1, Cause.OOM), finding(2, Cause.UNKNOWN)


def chosen(*jobs: str, memory: int | None = None, runtime: int | None = None) -> Plan | Refusal:
    choice = JobChoice(jobs=jobs, memory=memory, runtime=runtime)
    answer = plan(situation(OOM, UNKNOWN), RecoverySettings(choice=choice))
    assert isinstance(answer, (Plan, Refusal))
    return answer


def targets(answer: Plan | Refusal) -> dict[int, tuple[object, object]]:
    assert isinstance(answer, Plan)
    return {each.job_id: (each.memory, each.runtime) for each in answer.retries}


RAISED = (64 * MIB, 96 * MIB)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(chosen("2"), {2: (None, None)}, id="by ID"),
        pytest.param(chosen("train_1"), {1: (RAISED, None)}, id="by name"),
        pytest.param(chosen("train_1", "2"), {1: (RAISED, None), 2: (None, None)}, id="two"),
        pytest.param(
            chosen("2", memory=GIB), {2: ((64 * MIB, GIB), None)}, id="more memory than before"
        ),
        pytest.param(chosen("2", runtime=600), {2: (None, (60, 600))}, id="more time than before"),
        pytest.param(
            chosen("1", memory=80 * MIB), {1: (RAISED, None)}, id="never less than planned"
        ),
        pytest.param(chosen("2", memory=MIB, runtime=1), {2: (None, None)}, id="never lowered"),
        pytest.param(
            chosen(memory=GIB),
            {1: ((64 * MIB, GIB), None), 2: ((64 * MIB, GIB), None)},
            id="all that failed",
        ),
    ],
)
def test_only_these_run_again_with_at_least_as_much(
    answer: Plan, expected: dict[int, tuple[object, object]]
) -> None:
    assert targets(answer) == expected


def test_others_are_left_alone_and_the_rows_follow() -> None:
    answer = chosen("2", memory=GIB)
    assert isinstance(answer, Plan)
    (left,) = answer.left_alone
    assert (left.job_id, left.reason) == (1, "another job was chosen (--job)")
    (adjustment,) = answer.adjustments
    assert (adjustment.memory, adjustment.job_ids) == (GIB, (2,))


def test_what_no_node_has_is_refused() -> None:
    answer = chosen("2", memory=1024 * GIB)
    assert isinstance(answer, Refusal)
    reasons = [left.reason for left in answer.left_alone if left.job_id == 2]
    assert reasons[0].startswith("it requests 1t of memory, and a node has at most")


@pytest.mark.parametrize(
    ("jobs", "text"),
    [
        (("9",), "Job 9 of workflow 42 did not fail, or is not there."),
        (("train_1", "x", "y"), "Jobs x, y of workflow 42 did not fail, or are not there."),
    ],
)
def test_job_that_did_not_fail_is_refused(jobs: tuple[str, ...], text: str) -> None:
    answer = chosen(*jobs)
    assert isinstance(answer, Refusal)
    assert answer.reason.startswith(text)
    assert "torc-watchd why 42" in answer.reason


def test_job_without_requirements_keeps_none() -> None:
    bare = replace(finding(3, Cause.UNKNOWN, asked=None), requirements=None)
    choice = JobChoice(jobs=("3",), memory=GIB)
    answer = plan(situation(bare), RecoverySettings(choice=choice))
    assert targets(answer) == {3: (None, None)}  # type: ignore[arg-type]


def test_terminated_job_that_is_not_chosen_restarts_anyway() -> None:
    stopped = finding(3, Cause.TIMEOUT, status=JobStatus.TERMINATED, asked=SMALL)
    choice = JobChoice(jobs=("2",))
    answer = plan(situation(UNKNOWN, stopped), RecoverySettings(choice=choice))
    assert isinstance(answer, Plan)
    assert answer.left_alone[0].restarts_anyway
