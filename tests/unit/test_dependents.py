"""Which jobs are behind others, however far."""

import pytest

from torc_watch.core.dependents import Dependent, behind

# Each job with one that it waits for: a diamond with a tail, and a chain of its own.
PAIRS = [(2, 1), (3, 1), (4, 2), (4, 3), (5, 4), (11, 10)]
DEPENDANTS = [
    Dependent(job_id=job_id, job_name=f"j{job_id}", depends_on=depends_on)
    for job_id, depends_on in PAIRS
]


@pytest.mark.parametrize(
    ("jobs", "found"),
    [
        ([], []),
        ([99], []),
        ([5], []),
        ([1], [2, 3, 4, 5]),
        ([3], [4, 5]),
        ([3, 10], [4, 5, 11]),
        ([1, 4], [2, 3, 4, 5]),  # one of them is behind another
    ],
)
def test_behind(jobs: list[int], found: list[int]) -> None:
    assert behind(jobs, DEPENDANTS) == {number: f"j{number}" for number in found}


def test_long_chain() -> None:
    """It is no deeper for the program than for Torc."""
    chain = [Dependent(job_id=n + 1, job_name="j", depends_on=n) for n in range(100_000)]
    assert len(behind([0], chain)) == 100_000
