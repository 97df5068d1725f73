import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core import intervals

CHANCES = st.floats(min_value=0, max_value=1, exclude_max=True)


@given(
    now=st.floats(min_value=0, max_value=1e6),
    interval=st.floats(min_value=0.1, max_value=1000),
    chance=CHANCES,
    planned=st.dictionaries(st.integers(0, 1100), st.integers(1, 5)),
)
def test_poll_is_never_later_than_its_interval_and_never_much_earlier(
    now: float, interval: float, chance: float, planned: dict[int, int]
) -> None:
    wait = intervals.next_poll_time(now, interval, chance, planned, is_first=False) - now
    assert 0.89 * interval - 1e-9 <= wait <= interval + 1e-9
    first = intervals.next_poll_time(now, interval, chance, planned, is_first=True) - now
    assert 0.09 * interval - 1e-9 <= first <= interval + 1e-9


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_poll_takes_the_quietest_second(chance: float) -> None:
    planned = {154: 2, 155: 1, 156: 2, 157: 1, 158: 2, 159: 2}

    assert int(intervals.next_poll_time(100, 60, chance, planned, is_first=False)) in (155, 157)


def test_poll_in_many_years_is_planned_quickly() -> None:
    planned = dict.fromkeys(range(10**10 - 3600, 10**10), 1)
    for is_first in (True, False):
        moment = intervals.next_poll_time(0, 1e10, 0.5, planned, is_first=is_first)
        assert 10**10 - 3600 <= moment <= 10**10


@given(failures=st.integers(min_value=1, max_value=10_000), chance=CHANCES)
def test_backoff_grows_up_to_a_minute(failures: int, chance: float) -> None:
    delay = intervals.backoff_delay(failures, chance)
    assert 0.5 <= delay <= 60
    assert intervals.backoff_delay(failures + 1, chance) >= delay
