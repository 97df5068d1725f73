"""When failures that may pass by themselves run again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.cause import REMEDIES, Cause, Remedy
from torc_watch.core.clue import Clue, Weight
from torc_watch.core.findings import Finding
from torc_watch.core.model import Job, JobStatus
from torc_watch.core.recovery_round import PastRounds, Retry
from torc_watch.core.retry_delay import RetryDelay, delay_before, held_up, retry_delays

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
FAILED = BEGAN + timedelta(hours=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def finding(job_id: int, cause: Cause, *, ended: datetime | None = FAILED) -> Finding:
    job = Job(
        id=job_id,
        name=f"train_{job_id}",
        command="true",
        status=JobStatus.FAILED,
        requirements_id=None,
        attempt=1,
    )
    return Finding(job=job, cause=cause, reason="because", requirements=None, ended=ended)


def with_remedy(own: Finding, remedy: Remedy) -> Finding:
    clue = Clue(rule="r", cause=own.cause, weight=Weight.FATAL, says="", line="", file="e")
    return replace(own, clue=replace(clue, remedy=remedy))


def past(*retried: tuple[int, Cause]) -> PastRounds:
    retries = tuple(
        Retry(job_id=job_id, job_name="", cause=cause, reason="") for job_id, cause in retried
    )
    return PastRounds(retried=retries, began=BEGAN)


FIRST = past()


@pytest.mark.parametrize(
    ("cause", "minutes"),
    [
        (Cause.FILE_SYSTEM, [2, 8, 30, 30]),
        (Cause.NETWORK, [2, 8, 30, 30]),
        (Cause.SCHEDULER, [2, 8, 30, 30]),
        (Cause.LICENSE, [10, 30, 60, 60]),
        (Cause.FILE_SYSTEM_FULL, [2, 8, 30, 30]),
    ],
)
def test_pause_grows_with_the_retries_of_a_job(cause: Cause, minutes: list[int]) -> None:
    for used, pause in enumerate(minutes):
        (delay,) = retry_delays([finding(7, cause)], past(*[(7, cause)] * used), FAILED)
        assert delay.not_before == FAILED + pause * MINUTE
        assert delay.awaits_room or delay.until == delay.not_before


@pytest.mark.parametrize("cause", [cause for cause in Cause if REMEDIES[cause] != "retry_later"])
def test_other_causes_do_not_wait(cause: Cause) -> None:
    waits = cause in (Cause.SCHEDULER, Cause.FILE_SYSTEM_FULL)
    assert bool(retry_delays([finding(7, cause)], FIRST, FAILED)) == waits


def test_rule_of_a_user_makes_other_failures_wait() -> None:
    own = with_remedy(finding(7, Cause.CODE), Remedy.RETRY_LATER)
    (delay,) = retry_delays([own], FIRST, FAILED)
    assert delay.not_before == FAILED + 2 * MINUTE


def test_rule_of_a_user_makes_failures_go_at_once() -> None:
    own = with_remedy(finding(7, Cause.NETWORK), Remedy.RETRY)
    assert not retry_delays([own], FIRST, FAILED)


def test_jobs_wait_together_from_the_last_failure_on() -> None:
    jobs = [finding(7, Cause.NETWORK), finding(8, Cause.NETWORK, ended=FAILED + MINUTE)]
    (delay,) = retry_delays(jobs, past((7, Cause.NETWORK)), FAILED + MINUTE)
    assert delay.jobs == {7, 8}
    assert delay.not_before == FAILED + 9 * MINUTE


@pytest.mark.parametrize(
    ("ended", "began", "asked"),
    [
        pytest.param(BEGAN - MINUTE, BEGAN, None, id="before-the-watch"),
        pytest.param(None, BEGAN, None, id="no-result"),
        pytest.param(FAILED, None, None, id="no-watch"),
        pytest.param(FAILED, BEGAN, FAILED, id="user-asked-since"),
    ],
)
def test_failure_that_the_user_knew_of_does_not_wait(
    ended: datetime | None, began: datetime | None, asked: datetime | None
) -> None:
    failure = finding(7, Cause.NETWORK, ended=ended)
    assert not retry_delays([failure], PastRounds(began=began), FAILED, asked=asked)


def test_failure_since_the_user_asked_waits() -> None:
    assert retry_delays([finding(7, Cause.NETWORK)], FIRST, FAILED, asked=FAILED - MINUTE)


def test_full_file_system_has_a_day() -> None:
    (delay,) = retry_delays([finding(7, Cause.FILE_SYSTEM_FULL)], FIRST, FAILED)
    assert (delay.not_before, delay.until) == (FAILED + 2 * MINUTE, FAILED + DAY)
    cases = [(MINUTE, True), (3 * MINUTE, False), (3 * MINUTE, True), (DAY, False)]
    over = [delay.is_over(FAILED + passed, has_room=room) for passed, room in cases]
    in_vain = [delay.is_in_vain(FAILED + passed, has_room=room) for passed, room in cases]
    assert over == [False, False, True, False]
    assert in_vain == [False, False, False, True]


@given(st.sampled_from(list(Cause)), st.integers(0, 9), st.floats(-1e6, 1e6))
def test_pause_is_bounded_whatever_the_clocks_say(cause: Cause, used: int, skew: float) -> None:
    now = FAILED + timedelta(seconds=skew)
    failure = finding(7, cause)
    for delay in retry_delays([failure], past(*[(7, cause)] * used), now):
        longest = DAY if delay.awaits_room else timedelta(hours=1)
        assert delay.not_before <= delay.until <= min(now, FAILED) + longest


@given(st.sampled_from(list(Cause)), st.integers(0, 9))
def test_pause_never_shrinks(cause: Cause, used: int) -> None:
    assert delay_before(cause, used) <= delay_before(cause, used + 1)


def delay(minutes: float, *, awaits_room: bool = False) -> RetryDelay:
    moment = FAILED + minutes * MINUTE
    return RetryDelay(
        cause=Cause.FILE_SYSTEM_FULL if awaits_room else Cause.NETWORK,
        jobs=frozenset({7}),
        not_before=moment,
        until=FAILED + DAY if awaits_room else moment,
        awaits_room=awaits_room,
    )


@pytest.mark.parametrize(
    ("pending", "others", "minutes"),
    [
        pytest.param([], False, None, id="none-waits"),
        pytest.param([delay(8)], False, 8, id="alone"),
        pytest.param([delay(8), delay(30)], False, 8, id="first-of-two"),
        pytest.param([delay(8), delay(10)], False, 10, id="first-waits-a-moment"),
        pytest.param([delay(8), delay(10), delay(30)], False, 8, id="first-of-three"),
        pytest.param([delay(8)], True, None, id="others-go"),
        pytest.param([delay(2)], True, 2, id="others-wait-a-moment"),
        pytest.param([delay(1), delay(8)], True, None, id="not-for-the-last"),
        pytest.param([delay(2, awaits_room=True)], True, None, id="not-for-room"),
        pytest.param([delay(2, awaits_room=True)], False, 2, id="earliest-with-room"),
        pytest.param([delay(-2, awaits_room=True)], False, 0, id="only-room-is-missing"),
        pytest.param([delay(-2, awaits_room=True), delay(8)], False, 8, id="room-and-time"),
    ],
)
def test_round_waits(pending: list[RetryDelay], minutes: float | None, *, others: bool) -> None:
    until = held_up(pending, FAILED, has_others=others)
    assert until == (None if minutes is None else FAILED + minutes * MINUTE)
