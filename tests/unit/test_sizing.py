import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core import sizing
from torc_watch.core.units import GIB, MIB

_SIZES = st.integers(min_value=1, max_value=2**50)
_MULTIPLIERS = st.floats(min_value=1.0001, max_value=100)


@pytest.mark.parametrize(
    ("limit", "peak", "multiplier", "cap", "expected"),
    [
        pytest.param(8 * GIB, None, 1.5, None, 12 * GIB, id="the tutorial's 8g -> 12g"),
        pytest.param(8 * GIB, 3 * GIB, 1.5, None, 12 * GIB, id="a missed spike lowers nothing"),
        pytest.param(8 * GIB, 10 * GIB, 1.5, None, 15 * GIB, id="a peak above the limit counts"),
        pytest.param(64 * MIB, 64 * MIB + 5, 1.5, None, 99 * MIB, id="noise in a peak is evened"),
        pytest.param(64 * MIB, 66 * MIB - 5, 1.5, None, 99 * MIB, id="to what its peers get"),
        pytest.param(8 * GIB, None, 1.5, 10 * GIB, 10 * GIB, id="clamped to the largest node"),
        pytest.param(8 * GIB, None, 1.5, 8 * GIB, None, id="at the cap already"),
        pytest.param(8 * GIB, 11 * GIB, 1.5, 10 * GIB, None, id="seen to need more than there is"),
        pytest.param(100, None, 1.5, None, MIB, id="whole MiB"),
    ],
)
def test_memory_after_an_oom(
    limit: int, peak: int | None, multiplier: float, cap: int | None, expected: int | None
) -> None:
    assert sizing.raised_memory(limit, peak=peak, multiplier=multiplier, cap=cap) == expected


@given(limit=_SIZES, peak=st.none() | _SIZES, multiplier=_MULTIPLIERS, cap=st.none() | _SIZES)
def test_memory_is_raised_above_all_that_was_seen_and_within_the_cap(
    limit: int, peak: int | None, multiplier: float, cap: int | None
) -> None:
    raised = sizing.raised_memory(limit, peak=peak, multiplier=multiplier, cap=cap)
    if raised is None:
        assert cap is not None
        assert cap <= max(limit, peak or 0)
    else:
        assert raised > max(limit, peak or 0)
        assert cap is None or raised <= cap


@pytest.mark.parametrize(
    ("limit", "multiplier", "cap", "expected"),
    [
        (3600, 1.5, None, 5400),
        (2, 1.5, None, 3),
        (1, 1.01, None, 2),
        (0, 1.5, None, 1),
        (3600, 1.5, 4000, 4000),
        (3600, 1.5, 3600, None),
    ],
)
def test_runtime_after_a_timeout(
    limit: int, multiplier: float, cap: int | None, expected: int | None
) -> None:
    assert sizing.raised_runtime(limit, multiplier=multiplier, cap=cap) == expected


@given(
    limit=st.integers(min_value=0, max_value=10**8),
    multiplier=_MULTIPLIERS,
    cap=st.none() | st.integers(min_value=0, max_value=10**8),
)
def test_runtime_is_raised_within_the_cap(limit: int, multiplier: float, cap: int | None) -> None:
    raised = sizing.raised_runtime(limit, multiplier=multiplier, cap=cap)
    if raised is None:
        assert cap is not None
        assert cap <= limit
    else:
        assert raised > limit
        assert cap is None or raised <= cap
