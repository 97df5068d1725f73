"""What is known of attempts: put together from the journal and the server, and kept bounded."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core import sized_attempts
from torc_watch.core.cause import Cause
from torc_watch.core.job_kind import KindKey
from torc_watch.core.kind_history import AttemptEnd, SizedAttempt
from torc_watch.core.recovery_round import Plan, Retry
from torc_watch.core.sized_attempts import (
    AttemptNews,
    ScoutStart,
    key_of,
    merged,
    news_of,
    scout_starts,
)
from torc_watch.core.units import GIB

KIND = KindKey(workflow_id=42, requirements="big", template="train_*")
OTHER_KIND = replace(KIND, template="test_*")
LACKED = SizedAttempt(
    kind=KIND,
    job_id=7,
    run_id=1,
    attempt=1,
    end=AttemptEnd.OUT_OF_MEMORY,
    memory=8 * GIB,
    runtime=60,
    peak=8 * GIB,
    ran=12.5,
)
COMPLETED = replace(LACKED, job_id=8, end=AttemptEnd.COMPLETED, peak=5 * GIB)

ATTEMPTS = st.builds(
    SizedAttempt,
    kind=st.sampled_from([KIND, OTHER_KIND]),
    job_id=st.integers(1, 6),
    run_id=st.integers(1, 3),
    attempt=st.integers(1, 3),
    end=st.sampled_from(AttemptEnd),
    memory=st.sampled_from([None, GIB, 8 * GIB]),
    runtime=st.sampled_from([None, 60]),
    peak=st.sampled_from([None, 0, GIB]),
    ran=st.sampled_from([None, 0.0, 12.5]),
    is_scout=st.booleans(),
)
EACH_ONCE = st.lists(ATTEMPTS, unique_by=key_of)


def retry(job_id: int, **fields: Any) -> Retry:
    return Retry(job_id=job_id, job_name="", cause=Cause.OOM, reason="", **fields)


def plan_of(*retries: Retry, in_place: bool = False) -> Plan:
    return Plan(
        workflow_id=42,
        run_id=3,
        number=1,
        retries=retries,
        uninitialized=0,
        left_alone=(),
        adjustments=(),
        scheduler_config_id=None,
        allocations=(),
        in_place=in_place,
    )


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param({}, {}, id="the same"),
        pytest.param({"memory": 12 * GIB, "runtime": 90}, {}, id="its row was raised since"),
        pytest.param({"kind": OTHER_KIND}, {"kind": OTHER_KIND}, id="a user renamed its row"),
        pytest.param({"peak": None, "ran": 0.0}, {}, id="no measurement"),
        pytest.param({"peak": 9 * GIB}, {"peak": 9 * GIB}, id="another measurement"),
        pytest.param(
            {"end": AttemptEnd.OTHER}, {"end": AttemptEnd.OTHER}, id="Slurm told the cause later"
        ),
    ],
)
def test_what_is_known_of_an_attempt_grows(now: dict[str, Any], expected: dict[str, Any]) -> None:
    found = merged([LACKED], [replace(LACKED, **now)], ())
    assert found == (replace(LACKED, **expected),)


def test_hole_is_filled() -> None:
    hole = replace(LACKED, memory=None, runtime=None, peak=0, ran=None)
    assert merged([hole], [LACKED], ()) == (LACKED,)


def test_scout_stays_one() -> None:
    """Its plan may be deleted, or from another version."""
    scout = replace(LACKED, is_scout=True)
    assert merged([scout], [LACKED], ()) == (scout,)


@given(known=EACH_ONCE, found=EACH_ONCE)
def test_nothing_is_new_a_second_time(known: list[SizedAttempt], found: list[SizedAttempt]) -> None:
    once = merged(known, found, ())
    assert merged(once, found, ()) == once
    assert {key_of(each) for each in once} == {key_of(each) for each in (*known, *found)}
    assert len(once) == len({key_of(each) for each in once})


@given(known=EACH_ONCE, found=EACH_ONCE, order=st.randoms(use_true_random=False))
def test_order_does_not_matter(
    known: list[SizedAttempt], found: list[SizedAttempt], order: Any
) -> None:
    starts = {ScoutStart(job_id=2, run_id=2), ScoutStart(job_id=3, run_id=1, attempt=2)}
    expected = set(merged(known, found, starts))
    order.shuffle(known)
    order.shuffle(found)
    assert set(merged(known, found, starts)) == expected


@pytest.mark.parametrize(
    ("start", "attempts", "scouts"),
    [
        pytest.param(ScoutStart(job_id=7, run_id=2), [(7, 2, 1)], {(7, 2, 1)}, id="of the run"),
        pytest.param(
            ScoutStart(job_id=7, run_id=2), [(7, 1, 1), (7, 3, 1), (8, 2, 1)], set(), id="others"
        ),
        pytest.param(
            ScoutStart(job_id=7, run_id=2), [(7, 2, 3)], {(7, 2, 3)}, id="after retries of Torc"
        ),
        pytest.param(
            ScoutStart(job_id=7, run_id=2),
            [(7, 2, 1), (7, 2, 2)],
            {(7, 2, 1)},
            id="only before it was retried in place",
        ),
        pytest.param(
            ScoutStart(job_id=7, run_id=2, attempt=2),
            [(7, 2, 1), (7, 2, 2), (7, 2, 3)],
            {(7, 2, 2)},
            id="in place",
        ),
    ],
)
def test_scouts_are_those_that_a_plan_started(
    start: ScoutStart, attempts: Sequence[tuple[int, int, int]], scouts: Collection[object]
) -> None:
    known = [
        replace(COMPLETED, job_id=job_id, run_id=run_id, attempt=attempt)
        for job_id, run_id, attempt in attempts
    ]
    found = {key_of(each) for each in merged((), known, [start]) if each.is_scout}
    assert found == scouts
    later = merged(known[:-1], known[-1:], [start])  # the others were recorded before
    assert later[-1].is_scout == (key_of(later[-1]) in scouts)


def test_plans_tell_which_attempts_are_scouts() -> None:
    retries = retry(7, is_scout=True, attempt=2), retry(8, attempt=1)
    assert scout_starts(plan_of(*retries)) == {ScoutStart(job_id=7, run_id=4)}
    in_place = plan_of(*retries, in_place=True)
    assert scout_starts(in_place) == {ScoutStart(job_id=7, run_id=3, attempt=3)}


def test_news_are_what_the_journal_does_not_have() -> None:
    changed = replace(LACKED, peak=9 * GIB)
    assert news_of([LACKED], [LACKED]) == AttemptNews()
    assert news_of([LACKED], [changed, COMPLETED]).recorded == (changed, COMPLETED)


def numbered(attempt: SizedAttempt, *numbers: int, **fields: Any) -> list[SizedAttempt]:
    return [replace(attempt, job_id=number, **fields) for number in numbers]


def test_oldest_of_a_kind_are_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sized_attempts, "_MOST_OF_A_KIND", 4)
    known = [
        *numbered(COMPLETED, 1, 2, run_id=3),
        *numbered(COMPLETED, 3, run_id=1, is_scout=True),
        *numbered(LACKED, 4, run_id=2),
        *numbered(LACKED, 5, run_id=1),
    ]
    other = numbered(replace(COMPLETED, kind=OTHER_KIND), 6, 7)
    new = numbered(LACKED, 8, run_id=3)

    news = news_of([*known, *other], [*known, *other, *new])

    assert news.recorded == tuple(new)
    assert set(news.deleted) == {(1, 3, 1), (2, 3, 1)}  # the server has these results
    left = [each for each in (*known, *new) if key_of(each) not in news.deleted]
    again = news_of(left, [*left, *numbered(LACKED, 9, run_id=3)])
    assert again.deleted == ((5, 1, 1),)


def test_completed_jobs_beyond_the_bound_are_not_recorded_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sized_attempts, "_MOST_OF_A_KIND", 4)
    on_server = numbered(COMPLETED, *range(10, 100))
    first = news_of([LACKED], [LACKED, *on_server])
    assert len(first.recorded) == 3
    known = [LACKED, *first.recorded]
    assert news_of(known, merged(known, on_server, ())) == AttemptNews()


def test_oldest_of_a_workflow_are_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sized_attempts, "_MOST_OF_A_KIND", 2)
    monkeypatch.setattr(sized_attempts, "_MOST_OF_A_WORKFLOW", 3)
    attempts = [
        replace(LACKED, job_id=number, run_id=number, kind=replace(KIND, template=f"{number % 2}"))
        for number in range(1, 9)
    ]
    news = news_of((), attempts)
    assert {each.job_id for each in news.recorded} == {6, 7, 8}
    assert Counter(each.kind for each in news.recorded).most_common()[0][1] == 2
