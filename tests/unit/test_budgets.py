"""What a watch has used of what it may."""

import pytest

from torc_watch.core.budgets import Budgets, CauseBudget, budgets_of
from torc_watch.core.cause import Cause
from torc_watch.core.recovery_round import PastRounds, RecoverySettings, Retry
from torc_watch.render.budget_text import budget_text


def retry(job_id: int, cause: Cause) -> Retry:
    return Retry(job_id=job_id, job_name="", cause=cause, reason="", fingerprint="f")


PAST = PastRounds(
    ended=5,
    used=2,
    retried=(
        retry(1, Cause.NETWORK),
        retry(1, Cause.NETWORK),
        retry(2, Cause.NETWORK),
        retry(1, Cause.OOM),  # only rounds bound it
        retry(3, Cause.LIMIT),  # from before the watch
    ),
)


def test_retries_are_counted_by_cause() -> None:
    found = budgets_of(PAST, RecoverySettings(max_node_hours=50), 12.4, recovers=True)
    assert found == Budgets(
        rounds_used=2,
        max_rounds=3,
        retries=(
            CauseBudget(cause=Cause.NETWORK, used=2, allowed=3, jobs=2),
            CauseBudget(cause=Cause.LIMIT, used=1, allowed=1, jobs=1),
        ),
        node_hours=12.4,
        max_node_hours=50,
    )


@pytest.mark.parametrize(
    ("settings", "node_hours", "recovers", "text"),
    [
        pytest.param(
            RecoverySettings(max_node_hours=50),
            12.4,
            True,
            "Used: 2 of 3 rounds; retries of one job: network 2 of 3, limit of the system 1 of 1; "
            "12.4 of 50 node hours.",
            id="all",
        ),
        pytest.param(
            RecoverySettings(),
            318.4,
            False,
            "Used: retries of one job: network 2 of 3, limit of the system 1 of 1; 318 node hours.",
            id="without-limits",
        ),
    ],
)
def test_text(settings: RecoverySettings, node_hours: float, text: str, *, recovers: bool) -> None:
    assert list(budget_text(budgets_of(PAST, settings, node_hours, recovers=recovers))) == [text]


def test_nothing_is_said_of_nothing() -> None:
    found = budgets_of(PastRounds(), RecoverySettings(), 0.0, recovers=False)
    assert list(budget_text(found)) == []
