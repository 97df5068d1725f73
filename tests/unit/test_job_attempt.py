"""Which attempt of a job is shown, and why it may have left no output."""

from typing import Any

import pytest

from torc_watch.core.errors import InvalidInput
from torc_watch.core.job_attempt import Attempt, chosen_attempt, has_ended, why_no_output
from torc_watch.core.model import Job, JobResult, JobStatus, Workflow

DONE, FAILED, RUNNING, READY = (
    JobStatus.COMPLETED,
    JobStatus.FAILED,
    JobStatus.RUNNING,
    JobStatus.READY,
)


def workflow(run_id: int) -> Workflow:
    return Workflow(
        id=4,
        name="w",
        user="ada",
        created="",
        run_id=run_id,
        is_canceled=False,
        is_archived=False,
    )


def job(status: JobStatus = FAILED, attempt: int = 1) -> Job:
    return Job(
        id=7, name="train", command="true", status=status, requirements_id=None, attempt=attempt
    )


def result(run_id: int, attempt: int = 1, status: JobStatus = FAILED) -> JobResult:
    return JobResult(
        job_id=7,
        run_id=run_id,
        attempt=attempt,
        status=status,
        return_code=int(status is not DONE),
        exec_seconds=1,
        peak_memory=None,
        compute_node_id=None,
    )


EARLIER, LATER = result(1), result(2, 3)


@pytest.mark.parametrize(
    ("run", "status", "asked", "expected"),
    [
        pytest.param(2, FAILED, {}, (2, 3, LATER), id="the last one"),
        pytest.param(5, FAILED, {}, (2, 3, LATER), id="of an earlier run"),
        pytest.param(3, RUNNING, {}, (3, 4, None), id="the one that runs"),
        pytest.param(3, JobStatus.PENDING, {}, (3, 4, None), id="the one that starts"),
        pytest.param(3, READY, {}, (2, 3, LATER), id="the last one of a job to come"),
        pytest.param(3, RUNNING, {"run_id": 1}, (1, 1, EARLIER), id="in a run"),
        pytest.param(3, RUNNING, {"run_id": 3}, (3, 4, None), id="in the current run"),
        pytest.param(2, FAILED, {"attempt": 2}, (2, 2, None), id="one that Torc retried"),
        pytest.param(3, FAILED, {"run_id": 1, "attempt": 1}, (1, 1, EARLIER), id="this one"),
        pytest.param(5, FAILED, {"run_id": 4}, (4, 1, None), id="in a run without it"),
        pytest.param(5, FAILED, {"run_id": 5}, (5, 4, None), id="in a run before its result"),
    ],
)
def test_attempt(
    run: int, status: JobStatus, asked: dict[str, int], expected: tuple[Any, ...]
) -> None:
    found = chosen_attempt(workflow(run), job(status, attempt=4), [LATER, EARLIER], **asked)
    assert (found.run_id, found.attempt, found.result) == expected


def test_attempt_of_a_job_without_results() -> None:
    assert chosen_attempt(workflow(1), job(READY), ()) == Attempt(run_id=1, attempt=1)


def test_run_to_come_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"Workflow 4 is in run 2, and has no run 3 yet\."):
        chosen_attempt(workflow(2), job(), (), run_id=3)


@pytest.mark.parametrize(
    ("status", "attempt", "expected"),
    [
        pytest.param(RUNNING, Attempt(run_id=2, attempt=4), False, id="runs"),
        pytest.param(READY, Attempt(run_id=2, attempt=4), False, id="comes"),
        pytest.param(DONE, Attempt(run_id=2, attempt=4), True, id="job over"),
        pytest.param(RUNNING, Attempt(run_id=2, attempt=3), True, id="next attempt"),
        pytest.param(RUNNING, Attempt(run_id=1, attempt=9), True, id="next run"),
        pytest.param(READY, Attempt(run_id=2, attempt=4, result=LATER), True, id="has result"),
    ],
)
def test_end_of_an_attempt(status: JobStatus, attempt: Attempt, expected: bool) -> None:
    assert has_ended(workflow(2), job(status, attempt=4), attempt) is expected


ELSEWHERE = "its runner has another output folder: give that as --output-dir"
FOLDER = f"it was deleted, or {ELSEWHERE}"
DELETED = "Torc deleted it when the job succeeded (delete_on_success)"
DELETES = {"stdio": {"mode": "combined", "delete_on_success": True}}
SUCCESS = result(1, status=DONE)


@pytest.mark.parametrize(
    ("status", "ended", "config", "expected"),
    [
        pytest.param(READY, None, {}, "it has not started: it is ready", id="not started"),
        pytest.param(JobStatus.CANCELED, None, {}, "it never ran: it is canceled", id="canceled"),
        pytest.param(DONE, SUCCESS, DELETES, DELETED, id="deleted"),
        pytest.param(READY, SUCCESS, DELETES, DELETED, id="deleted in an earlier run"),
        pytest.param(FAILED, EARLIER, DELETES, FOLDER, id="not deleted of a failure"),
        pytest.param(RUNNING, None, DELETES, ELSEWHERE, id="not deleted while it runs"),
        pytest.param(DONE, SUCCESS, {"stdio": 7, "job_stdio_overrides": []}, FOLDER, id="odd"),
        pytest.param(
            DONE,
            SUCCESS,
            {"stdio": {"mode": "none"}},
            "the workflow keeps no output of jobs (stdio mode none)",
            id="not kept",
        ),
        pytest.param(
            DONE,
            SUCCESS,
            {"job_stdio_overrides": {"train": {"delete_on_success": True}}},
            DELETED,
            id="deleted by the job's own word",
        ),
        pytest.param(
            DONE,
            SUCCESS,
            DELETES | {"job_stdio_overrides": {"train": {"mode": "separate"}, "x": DELETES}},
            FOLDER,
            id="kept by the job's own word",
        ),
        pytest.param(FAILED, EARLIER, {"stdio": {"mode": ["none"]}}, FOLDER, id="no mode"),
    ],
)
def test_reason(
    status: JobStatus, ended: JobResult | None, config: dict[str, Any], expected: str
) -> None:
    attempt = Attempt(run_id=1, attempt=1, result=ended)
    assert why_no_output(job(status), attempt, config) == expected
