from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core import cadence

CHANCES = st.floats(min_value=0, max_value=1, exclude_max=True)


@given(interval=st.floats(min_value=0.1, max_value=10_000), chance=CHANCES)
def test_a_poll_is_never_later_than_asked_for_and_never_much_earlier(
    interval: float, chance: float
) -> None:
    assert 0.89 * interval <= cadence.until_next_poll(interval, chance) <= interval


@given(failures=st.integers(min_value=1, max_value=10_000), chance=CHANCES)
def test_an_unwell_server_is_left_alone_for_up_to_a_minute(failures: int, chance: float) -> None:
    delay = cadence.until_next_try(failures, chance)
    assert 0.5 <= delay <= 60
    assert cadence.until_next_try(failures + 1, chance) >= delay
