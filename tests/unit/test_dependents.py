"""Direct and indirect dependents."""

import pytest

from torc_watch.core.model import Dependent
from torc_watch.core.restarted_dependents import all_dependents

# (job, a job it depends on): a diamond with a tail, and a separate chain.
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
def test_direct_and_indirect_dependents_are_found(jobs: list[int], found: list[int]) -> None:
    assert all_dependents(jobs, DEPENDENTS) == {number: f"j{number}" for number in found}


def test_dependents_in_a_long_chain_are_found() -> None:
    """Torc also follows chains of any length."""
    chain = [Dependent(job_id=n + 1, job_name="j", depends_on=n) for n in range(100_000)]
    assert len(all_dependents([0], chain)) == 100_000
