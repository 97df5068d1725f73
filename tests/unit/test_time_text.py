"""Times and durations as text."""

from datetime import UTC, datetime, timedelta

import pytest

from torc_watch.render.time_text import ago, until, waits_until

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s ago"),
        (119, "119 s ago"),
        (120, "2 min ago"),
        (7_199, "119 min ago"),
        (7_200, "2 h ago"),
        (200_000, "2 d ago"),
        (-5, "0 s ago"),
    ],
)
def test_past_time_as_text(seconds: int, text: str) -> None:
    assert ago((NOW - timedelta(seconds=seconds)).isoformat(), NOW) == text


def test_time_until_which_something_waits_has_its_date_on_another_day() -> None:
    today = datetime.now(UTC).astimezone().replace(hour=14, minute=5)
    assert waits_until(today, "to run") == "until 14:05 to run"
    tomorrow = today + timedelta(days=1)
    assert waits_until(tomorrow, "to run") == f"until {tomorrow:%Y-%m-%d} 14:05 to run"


@pytest.mark.parametrize(
    ("seconds", "text"), [(40, "in 40 s"), (300, "in 5 min"), (0.5, "now"), (-3, "now")]
)
def test_future_time_as_text(seconds: float, text: str) -> None:
    assert until((NOW + timedelta(seconds=seconds)).isoformat(), NOW) == text
