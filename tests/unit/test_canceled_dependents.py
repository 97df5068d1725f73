"""Which canceled jobs wait again for jobs that are retried."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.canceled_dependents import from_the_top, restorable
from torc_watch.core.model import Dependent

Edges = list[tuple[int, int]]  # a job, and the one that it depends on


def dependents(edges: Edges) -> list[Dependent]:
    return [Dependent(job_id=job, job_name="", depends_on=other) for job, other in edges]


@pytest.mark.parametrize(
    ("edges", "retried", "canceled", "failed", "expected"),
    [
        ([(2, 1), (3, 2)], {1}, {2, 3}, set(), {2, 3}),
        ([(2, 1)], {1}, set(), set(), set()),  # it is blocked still, or ran
        ([(2, 1), (2, 9)], {1}, {2}, {9}, set()),
        ([(2, 1), (2, 9)], {1, 9}, {2}, set(), {2}),
        ([(2, 1), (2, 8)], {1}, {2}, set(), {2}),  # 8 has completed, or runs
        ([(2, 1), (3, 2), (3, 9)], {1}, {2, 3}, {9}, {2}),
        ([(2, 1), (3, 2), (4, 3), (3, 9)], {1}, {2, 3, 4}, {9}, {2}),
        ([(2, 1), (3, 2), (3, 5)], {1}, {2, 3, 5}, set(), {2}),  # 5 was canceled for itself
        ([(2, 1), (3, 2)], {1}, {3}, set(), set()),  # 2 is no longer canceled
        ([(2, 1), (3, 1), (4, 2), (4, 3)], {1}, {2, 3, 4}, set(), {2, 3, 4}),
    ],
)
def test_only_those_behind_no_other_failure(
    edges: Edges, retried: set[int], canceled: set[int], failed: set[int], expected: set[int]
) -> None:
    assert restorable(retried, canceled, failed, dependents(edges)) == expected


def test_those_behind_jobs_that_wait_again_already() -> None:
    """An earlier call was interrupted after the first of them."""
    chain = dependents([(2, 1), (3, 2), (4, 3)])
    assert restorable({1}, {3, 4}, set(), chain, blocked={2}) == {3, 4}


EDGES = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 8)), max_size=20).map(
    lambda pairs: [(job, other) for job, other in pairs if job > other]
)


@given(edges=EDGES, jobs=st.sets(st.integers(0, 9)))
def test_each_job_comes_after_those_that_it_depends_on(edges: Edges, jobs: set[int]) -> None:
    levels = from_the_top(jobs, dependents(edges))
    level_of = {job: number for number, level in enumerate(levels) for job in level}
    assert sorted(level_of) == sorted(job for level in levels for job in level) == sorted(jobs)
    for job, other in edges:
        if {job, other} <= jobs:
            assert level_of[other] < level_of[job]


@given(
    edges=EDGES,
    kinds=st.lists(st.sampled_from(["retried", "canceled", "failed", "other"]), min_size=10),
)
def test_none_waits_for_a_job_that_will_not_complete(edges: Edges, kinds: list[str]) -> None:
    retried, canceled, failed = (
        {job for job in range(10) if kinds[job] == kind}
        for kind in ("retried", "canceled", "failed")
    )
    found = restorable(retried, canceled, failed, dependents(edges))
    assert found <= canceled
    for job in found:
        parents = {other for each, other in edges if each == job}
        assert parents & (retried | found)
        assert not parents & (failed | (canceled - found))
