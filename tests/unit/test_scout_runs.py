"""Which scouts run now, and for how long those that wait for them do so."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.rigs.failed_kinds import WRITTEN, attempt, job
from torc_watch.core.job_kind import KindKey
from torc_watch.core.kind_history import AttemptEnd, SizedAttempt
from torc_watch.core.model import JobStatus
from torc_watch.core.scout_runs import scout_runs, started_scouts
from torc_watch.core.sized_attempts import ScoutStart
from torc_watch.core.sizing_policy import ScoutRun

LACKED = AttemptEnd.OUT_OF_MEMORY
KIND = KindKey(workflow_id=42, requirements="small", template="train_*")
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
UNENDED = (JobStatus.BLOCKED, JobStatus.READY, JobStatus.PENDING, JobStatus.RUNNING)


@pytest.mark.parametrize(
    ("start", "is_started"),
    [
        pytest.param(ScoutStart(job_id=1, run_id=2), True, id="in a round at rest"),
        pytest.param(ScoutStart(job_id=1, run_id=1), False, id="in an earlier run"),
        pytest.param(ScoutStart(job_id=3, run_id=2), False, id="it has failed in this run"),
        pytest.param(ScoutStart(job_id=3, run_id=2, attempt=2), True, id="it was retried"),
        pytest.param(ScoutStart(job_id=3, run_id=2, attempt=1), False, id="that attempt failed"),
        pytest.param(ScoutStart(job_id=1, run_id=1, attempt=2), False, id="in place, earlier"),
    ],
)
def test_scouts_that_were_started_and_have_not_failed(
    start: ScoutStart, *, is_started: bool
) -> None:
    attempts = [attempt(1, LACKED, run_id=1), attempt(3, LACKED, run_id=2)]
    assert started_scouts([start], attempts, run_id=2) == ({start.job_id} if is_started else set())


def runs(status: JobStatus, *attempts: SizedAttempt, ran: float | None = 90) -> list[ScoutRun]:
    started = None if ran is None else NOW - timedelta(seconds=ran)
    scout = replace(job(3, status=status), started=started)
    rows = {WRITTEN.id: WRITTEN}
    found = scout_runs([scout], rows, attempts, workflow_id=42, now=NOW)
    assert set(found) <= {KIND}
    return list(found.values())


@pytest.mark.parametrize("status", JobStatus)
def test_scout_that_has_ended_is_not_waited_for(status: JobStatus) -> None:
    assert len(runs(status)) == (status in UNENDED)


def test_scout_that_waits_for_a_worker_has_not_run() -> None:
    assert [each.ran for each in runs(JobStatus.READY, ran=None)] == [0]


def test_longest_of_those_that_were_killed_says_when_a_scout_is_late() -> None:
    attempts = [
        attempt(1, LACKED, ran=50),
        attempt(2, LACKED, ran=60),
        attempt(3, LACKED, ran=700, is_scout=True),
        attempt(4, ran=800),
        attempt(5, AttemptEnd.OTHER, ran=900),
        attempt(6, LACKED, name="score_1", ran=1000),
    ]
    run = ScoutRun(job_id=3, job_name="train_3", ran=90, killed_after=60)
    assert runs(JobStatus.RUNNING, *attempts) == [run]
