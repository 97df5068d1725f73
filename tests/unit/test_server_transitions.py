"""Which attempts may be retried, and how the sets of statuses relate."""

import pytest

from torc_watch.core.model import JobStatus
from torc_watch.sandbox.server.transitions import retry_objection, sql_set

MAY_BE_RETRIED = {JobStatus.RUNNING, JobStatus.FAILED, JobStatus.TERMINATED}


@pytest.mark.parametrize("status", list(JobStatus))
def test_only_jobs_that_ran_badly_or_run_are_retried(status: JobStatus) -> None:
    objection = retry_objection(status, attempt=1, max_retries=2)
    assert (objection is None) == (status in MAY_BE_RETRIED)


@pytest.mark.parametrize(
    ("attempt", "max_retries", "allowed"),
    [(1, 0, False), (1, 1, False), (1, 2, True), (3, 3, False)],
)
def test_attempts_stay_below_the_limit(attempt: int, max_retries: int, allowed: bool) -> None:
    assert (retry_objection(JobStatus.FAILED, attempt, max_retries) is None) == allowed


def test_statuses_as_sql() -> None:
    statuses = frozenset({JobStatus.READY, JobStatus.BLOCKED})
    assert sql_set(statuses) == "('blocked', 'ready')"
