"""Walltimes in the spellings of Slurm and Torc."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.errors import InvalidQuantity
from torc_watch.core.walltime import format_walltime, parse_walltime

MINUTE, HOUR, DAY = 60, 3600, 86400


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90 * MINUTE),
        ("30:15", 30 * MINUTE + 15),
        ("90:00", 90 * MINUTE),
        ("4:00:00", 4 * HOUR),
        ("04:00:00", 4 * HOUR),
        ("48:00:00", 2 * DAY),
        ("2-0", 2 * DAY),
        ("2-12:30", 2 * DAY + 12 * HOUR + 30 * MINUTE),
        ("10-00:00:00", 10 * DAY),
        ("PT4H", 4 * HOUR),
        ("P2D", 2 * DAY),
        ("UNLIMITED", None),
        ("infinite", None),
    ],
)
def test_read(text: str, seconds: int | None) -> None:
    assert parse_walltime(text) == seconds


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("25:61:00", "its 61 minutes"),
        ("1:00:60", "its 60 seconds"),
        ("30:75", "its 75 seconds"),
        ("1-24:00:00", "its 24 hours"),
        ("1-00:60", "its 60 minutes"),
        ("0", "no time"),
        ("0:00:00", "no time"),
        ("", "not a walltime"),
        ("-1", "not a walltime"),
        ("4h", "not a walltime"),
        ("1:2:3:4", "not a walltime"),
        ("2 days", "not a walltime"),
        ("PT", "not a duration"),
        ("٣:00", "not a walltime"),
    ],
)
def test_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidQuantity, match=reason):
        parse_walltime(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1800, "0:30:00"),
        (4 * HOUR, "4:00:00"),
        (2 * DAY + 61, "2-00:01:01"),
        (365 * DAY, "365-00:00:00"),
        (None, "UNLIMITED"),
    ],
)
def test_written(seconds: int | None, text: str) -> None:
    assert format_walltime(seconds) == text


@given(st.none() | st.integers(1, 10**9))
def test_what_is_written_is_read(seconds: int | None) -> None:
    assert parse_walltime(format_walltime(seconds)) == seconds
