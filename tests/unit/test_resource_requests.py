import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core import resource_requests
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
    assert (
        resource_requests.raised_memory(limit, peak=peak, multiplier=multiplier, cap=cap)
        == expected
    )


@given(limit=_SIZES, peak=st.none() | _SIZES, multiplier=_MULTIPLIERS, cap=st.none() | _SIZES)
def test_memory_is_raised_above_all_that_was_seen_and_within_the_cap(
    limit: int, peak: int | None, multiplier: float, cap: int | None
) -> None:
    raised = resource_requests.raised_memory(limit, peak=peak, multiplier=multiplier, cap=cap)
    if raised is None:
        assert cap is not None
        assert cap <= max(limit, peak or 0)
    else:
        assert raised > max(limit, peak or 0)
        assert cap is None or raised <= cap


@pytest.mark.parametrize(
    ("limit", "ran", "multiplier", "cap", "expected"),
    [
        pytest.param(3600, None, 1.5, None, 5400, id="multiplied"),
        pytest.param(3600, 3603.5, 1.5, None, 5400, id="a kill takes a moment"),
        pytest.param(3600, 5399.9, 1.5, None, 5400, id="below what is asked for"),
        pytest.param(
            3600, 5400.0, 1.5, None, 8256, id="all that would be asked for was not enough"
        ),
        pytest.param(3600, 14_390.0, 1.5, None, 21_888, id="far more: its worker's time"),
        pytest.param(3600, 14_333.0, 1.5, None, 21_504, id="evened, but never below"),
        pytest.param(3600, 14_390.0, 1.5, 7200, 7200, id="within the cap"),
        pytest.param(2, None, 1.5, None, 3, id="whole seconds"),
        pytest.param(1, None, 1.01, None, 2, id="at least one more"),
        pytest.param(0, None, 1.5, None, 1, id="nothing"),
        pytest.param(3600, None, 1.5, 4000, 4000, id="clamped"),
        pytest.param(3600, 3700.0, 1.5, 3600, None, id="at the cap already"),
    ],
)
def test_runtime_after_a_timeout(
    limit: int, ran: float | None, multiplier: float, cap: int | None, expected: int | None
) -> None:
    assert (
        resource_requests.raised_runtime(limit, ran=ran, multiplier=multiplier, cap=cap) == expected
    )


@given(
    limit=st.integers(min_value=0, max_value=10**8),
    ran=st.none() | st.floats(min_value=0, max_value=10**8),
    multiplier=_MULTIPLIERS,
    cap=st.none() | st.integers(min_value=0, max_value=10**8),
)
def test_runtime_is_raised_above_what_was_seen_and_within_the_cap(
    limit: int, ran: float | None, multiplier: float, cap: int | None
) -> None:
    raised = resource_requests.raised_runtime(limit, ran=ran, multiplier=multiplier, cap=cap)
    if raised is None:
        assert cap is not None
        assert cap <= limit
    else:
        assert raised > limit
        assert raised == cap or raised > (ran or 0)
        assert cap is None or raised <= cap
