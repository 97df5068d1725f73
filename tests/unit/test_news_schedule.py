"""When news goes: quiet hours, digests, limits and retries."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.errors import InvalidInput
from torc_watch.core.news_schedule import (
    MOST_ATTEMPTS,
    NewsLimits,
    QuietHours,
    is_due,
    retry_delay,
)

NIGHT = QuietHours(time(22), time(7))
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
CLOCKS = st.times().map(lambda clock: clock.replace(second=0, microsecond=0))


@pytest.mark.parametrize("text", ["22:00-07:00", " 22:00 - 7:00 ", "22:00-7:00"])
def test_quiet_hours_are_read(text: str) -> None:
    assert QuietHours.parse(text) == NIGHT
    assert str(NIGHT) == "22:00-07:00"


@pytest.mark.parametrize(
    "text", ["", "22-7", "24:00-07:00", "22:60-07:00", "22:00-22:00", "22:00", "٢٢:00-07:00"]
)
def test_what_are_no_quiet_hours(text: str) -> None:
    with pytest.raises(InvalidInput, match="quiet"):
        QuietHours.parse(text)


@given(start=CLOCKS, end=CLOCKS, clock=CLOCKS)
def test_a_day_is_quiet_or_not(start: time, end: time, clock: time) -> None:
    """The hours of the day that are left are those that are quiet the other way round."""
    if start != end:
        assert QuietHours(start, end).contain(clock) != QuietHours(end, start).contain(clock)
        assert QuietHours(start, end).contain(start)
        assert not QuietHours(start, end).contain(end)


@given(
    day=st.sampled_from([datetime(2026, 3, 29), datetime(2026, 10, 25), datetime(2026, 6, 1)]),  # noqa: DTZ001
    minute=st.integers(0, 48 * 60),
    start=CLOCKS,
    end=CLOCKS,
)
def test_news_waits_for_a_day_at_most_also_where_clocks_change(
    day: datetime, minute: int, start: time, end: time
) -> None:
    if start == end:
        return
    limits = NewsLimits(quiet_hours=QuietHours(start, end))
    began = day.replace(tzinfo=BERLIN).astimezone(UTC) + timedelta(minutes=minute)
    moments = (began + timedelta(minutes=later) for later in range(25 * 60 + 1))
    went = next(
        moment
        for moment in moments
        if is_due(moment, moment.astimezone(BERLIN).time(), began, (), limits)
    )
    clock = went.astimezone(BERLIN).time()
    assert not QuietHours(start, end).contain(clock)
    if went > began:  # it waited until the very end, or until the clocks skipped that
        before = (went - timedelta(minutes=1)).astimezone(BERLIN).time()
        assert QuietHours(start, end).contain(before)


@pytest.mark.parametrize(
    ("waited", "digest", "sent", "expected"),
    [
        (0, 0, (), True),
        (0, 600, (), False),
        (599, 600, (), False),
        (600, 600, (), True),
        (0, 0, (1, 2, 3), False),
        (0, 0, (1, 2, 3600), True),
        (0, 0, (1, 2), True),
    ],
)
def test_digest_and_limit(waited: int, digest: int, sent: tuple[int, ...], expected: bool) -> None:
    limits = NewsLimits(digest=timedelta(seconds=digest), per_hour=3)
    times = [NOON - timedelta(seconds=each) for each in sent]
    oldest = NOON - timedelta(seconds=waited)
    assert is_due(NOON, time(12), oldest, times, limits) == expected


def test_attempts_end_after_about_a_day() -> None:
    delays = [retry_delay(failures) for failures in range(1, MOST_ATTEMPTS)]
    assert delays[:3] == [timedelta(seconds=seconds) for seconds in (30, 60, 120)]
    assert max(delays) == timedelta(minutes=30)
    assert timedelta(hours=22) < sum(delays, timedelta()) < timedelta(hours=26)
