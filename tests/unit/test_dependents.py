"""Direct and indirect dependents."""

import pytest

from torc_watch.core.model import Dependent
from torc_watch.core.policy import all_dependents

# Each job with one that it waits for: a diamond with a tail, and a chain of its own.
PAIRS = [(2, 1), (3, 1), (4, 2), (4, 3), (5, 4), (11, 10)]
DEPENDENTS = [
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
        ([1, 4], [2, 3, 4, 5]),  # one of them depends on the other
    ],
)
def test_all_dependents(jobs: list[int], found: list[int]) -> None:
    assert all_dependents(jobs, DEPENDENTS) == {number: f"j{number}" for number in found}


def test_long_chain() -> None:
    """Its length is no limit, as for Torc."""
    chain = [Dependent(job_id=n + 1, job_name="j", depends_on=n) for n in range(100_000)]
    assert len(all_dependents([0], chain)) == 100_000
