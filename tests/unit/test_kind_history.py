import math
import time

import pytest

from torc_watch.core.job_kind import KindKey
from torc_watch.core.kind_history import (
    AttemptEnd,
    KindHistory,
    SizedAttempt,
    SizedResource,
    by_kind,
    history_of,
    measured_amount,
)
from torc_watch.core.sizing_policy import Lack, evidence_sizes
from torc_watch.core.units import GIB

KIND = KindKey(workflow_id=42, requirements="big", template="train_*")


@pytest.mark.parametrize("value", [None, 0, 0.0, -1.0, math.nan, math.inf])
def test_what_is_no_measurement_is_unknown(value: float | None) -> None:
    assert measured_amount(value) is None


def test_peak_of_a_killed_job_is_a_lower_bound_and_its_limit_another() -> None:
    history = _memory(_attempt(1, AttemptEnd.OUT_OF_MEMORY, peak=3 * GIB))

    assert dict(history.bounds) == {1: 8 * GIB}
    assert history.largest_use == 0


def test_attempt_of_which_nothing_is_known_is_left_out() -> None:
    history = _memory(
        _attempt(1, AttemptEnd.COMPLETED, memory=None, peak=GIB),
        _attempt(2, AttemptEnd.COMPLETED, memory=0, peak=GIB),
        _attempt(3, AttemptEnd.COMPLETED, memory=-1, peak=GIB),
        _attempt(4, AttemptEnd.OTHER, peak=100 * GIB),
        _attempt(5, AttemptEnd.OUT_OF_TIME, peak=100 * GIB),
    )

    assert history.trials == ()


def test_completed_job_without_a_measured_peak_counts_as_one_that_ran() -> None:
    history = _memory(
        _attempt(1, AttemptEnd.COMPLETED, peak=0),
        _attempt(2, AttemptEnd.OUT_OF_MEMORY, peak=None),
    )

    assert history.lacking_share == 0.5
    assert history.quantile(0.9, above_use=1, above_limit=2) == 16 * GIB


def test_job_that_failed_twice_counts_once() -> None:
    history = _memory(
        _attempt(1, AttemptEnd.OUT_OF_MEMORY),
        _attempt(1, AttemptEnd.OUT_OF_MEMORY, run_id=2, memory=12 * GIB),
    )

    assert history.lacking == {1}
    assert history.quantile(1.0, above_use=1, above_limit=1) == 12 * GIB


def test_job_that_completed_after_it_was_killed_counts_by_what_it_used() -> None:
    history = _memory(
        _attempt(1, AttemptEnd.OUT_OF_MEMORY),
        _attempt(1, AttemptEnd.COMPLETED, run_id=2, memory=16 * GIB, peak=9 * GIB),
    )

    assert history.quantile(1.0, above_use=2, above_limit=5) == 18 * GIB


@pytest.mark.parametrize(("share", "gib"), [(0.1, 1), (0.11, 2), (0.9, 9), (1.0, 10)])
def test_quantile_is_the_least_that_is_enough_for_the_share(share: float, gib: int) -> None:
    history = _memory(
        *(_attempt(n, AttemptEnd.COMPLETED, memory=16 * GIB, peak=n * GIB) for n in range(1, 11))
    )

    assert history.quantile(share, above_use=1, above_limit=1) == gib * GIB


def test_history_that_was_read_backward_says_the_same() -> None:
    attempts = [
        _attempt(1, AttemptEnd.OUT_OF_MEMORY, run_id=2, memory=12 * GIB),
        _attempt(1, AttemptEnd.OUT_OF_MEMORY),
        _attempt(2, AttemptEnd.COMPLETED, peak=3 * GIB),
        _attempt(3, AttemptEnd.COMPLETED, peak=5 * GIB),
    ]

    for history in (_memory(*attempts), _memory(*reversed(attempts))):
        assert dict(history.bounds) == {1: 12 * GIB, 2: 3 * GIB, 3: 5 * GIB}
        assert history.largest_use == 5 * GIB


def test_nothing_is_known_of_a_kind_that_has_not_run() -> None:
    assert _memory().quantile(0.9, above_use=1, above_limit=1) == 0


def test_journal_that_has_an_attempt_twice_says_no_more() -> None:
    once = _attempt(1, AttemptEnd.OUT_OF_MEMORY)

    assert by_kind([once, once]) == {KIND: (once,)}


def test_ten_thousand_kinds_of_one_job_each_are_sized_in_a_moment() -> None:
    began = time.process_time()

    kinds = by_kind(
        _attempt(
            number,
            AttemptEnd.OUT_OF_MEMORY,
            kind=KindKey(workflow_id=42, requirements=None, template=f"job {number:x}"),
        )
        for number in range(10_000)
    )
    sizes = [
        size
        for kind, attempts in kinds.items()
        for size in evidence_sizes(
            history_of(kind.template, SizedResource.MEMORY, 8 * GIB, attempts),
            [_lack(each.job_id) for each in attempts],
        )
    ]

    assert {size.request for size in sizes} == {12 * GIB}
    assert len(sizes) == 10_000
    assert time.process_time() - began < 5


def _memory(*attempts: SizedAttempt) -> KindHistory:
    return history_of("train_*", SizedResource.MEMORY, 8 * GIB, attempts)


def _attempt(
    job_id: int,
    end: AttemptEnd,
    *,
    kind: KindKey = KIND,
    run_id: int = 1,
    memory: int | None = 8 * GIB,
    peak: float | None = None,
) -> SizedAttempt:
    return SizedAttempt(
        kind=kind, job_id=job_id, run_id=run_id, attempt=1, end=end, memory=memory, peak=peak
    )


def _lack(job_id: int) -> Lack:
    return Lack(job_id=job_id, job_name="a", limit=8 * GIB, asked=8 * GIB, round=1, cap=240 * GIB)
