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
        pytest.param(
            8 * GIB,
            3 * GIB,
            1.5,
            None,
            12 * GIB,
            id="a sampled peak below the limit does not lower the request",
        ),
        pytest.param(
            8 * GIB, 10 * GIB, 1.5, None, 15 * GIB, id="multiplied from a peak above the limit"
        ),
        pytest.param(
            64 * MIB, 64 * MIB + 5, 1.5, None, 99 * MIB, id="a peak just above the limit is rounded"
        ),
        pytest.param(
            64 * MIB,
            66 * MIB - 5,
            1.5,
            None,
            99 * MIB,
            id="a similar peak is rounded to the same request",
        ),
        pytest.param(8 * GIB, None, 1.5, 10 * GIB, 10 * GIB, id="clamped to the largest node"),
        pytest.param(8 * GIB, None, 1.5, 8 * GIB, None, id="at the cap"),
        pytest.param(8 * GIB, 11 * GIB, 1.5, 10 * GIB, None, id="peak above the cap"),
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


@pytest.mark.parametrize(
    ("wanted", "cap", "expected"),
    [
        pytest.param(None, None, 450 * MIB, id="unknown"),
        pytest.param(400 * MIB, None, 450 * MIB, id="less than is asked for anyway"),
        pytest.param(4 * GIB, None, 6 * GIB, id="more"),
        pytest.param(4 * GIB, 5 * GIB, 5 * GIB, id="clamped"),
        pytest.param(4 * GIB, 3 * GIB, None, id="more than any node has"),
        pytest.param(4 * GIB, 300 * MIB, None, id="at the cap"),
    ],
)
def test_memory_that_the_job_said_it_lacked(
    wanted: int | None, cap: int | None, expected: int | None
) -> None:
    raised = resource_requests.raised_memory(
        300 * MIB, peak=MIB, multiplier=1.5, cap=cap, wanted=wanted
    )
    assert raised == expected


@given(limit=_SIZES, peak=st.none() | _SIZES, multiplier=_MULTIPLIERS, cap=st.none() | _SIZES)
def test_memory_is_raised_above_limit_and_peak_and_within_the_cap(
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
        pytest.param(3600, 3603.5, 1.5, None, 5400, id="ran slightly longer than its limit"),
        pytest.param(
            3600, 5399.9, 1.5, None, 5400, id="ran slightly shorter than the raised limit"
        ),
        pytest.param(3600, 5400.0, 1.5, None, 8256, id="ran as long as the raised limit"),
        pytest.param(3600, 14_390.0, 1.5, None, 21_888, id="ran far longer than its limit"),
        pytest.param(3600, 14_333.0, 1.5, None, 21_504, id="rounded, but never below the run time"),
        pytest.param(3600, 14_390.0, 1.5, 7200, 7200, id="ran longer than the cap"),
        pytest.param(2, None, 1.5, None, 3, id="whole seconds"),
        pytest.param(1, None, 1.01, None, 2, id="at least one second more"),
        pytest.param(0, None, 1.5, None, 1, id="from zero"),
        pytest.param(3600, None, 1.5, 4000, 4000, id="clamped"),
        pytest.param(3600, 3700.0, 1.5, 3600, None, id="at the cap"),
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
def test_runtime_is_raised_above_limit_and_run_time_and_within_the_cap(
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
