"""Times and durations as text."""

from datetime import UTC, datetime, timedelta

import pytest

from torc_watch.render.time_text import ago, until

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


@pytest.mark.parametrize(
    ("seconds", "text"), [(40, "in 40 s"), (300, "in 5 min"), (0.5, "now"), (-3, "now")]
)
def test_future_time_as_text(seconds: float, text: str) -> None:
    assert until((NOW + timedelta(seconds=seconds)).isoformat(), NOW) == text
