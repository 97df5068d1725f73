"""What of the jobs that are left queued or running allocations will take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.units import GIB
from torc_watch.planner.coverage import OpenAllocation, restricted, uncovered_jobs
from torc_watch.planner.job_kinds import JobRequest, PlannedJob, sort_jobs

SMALL = JobRequest(name="small", num_cpus=1, memory=GIB, runtime=600)
LARGE = JobRequest(name="large", num_cpus=4, memory=8 * GIB, runtime=600)
WIDE = JobRequest(name="wide", num_cpus=4, memory=GIB, num_nodes=2, runtime=600)
NODE = OpenAllocation(num_cpus=4, memory=8 * GIB, remaining=1000)
LONGER = OpenAllocation(num_cpus=4, memory=8 * GIB, remaining=1500)


def jobs(request: JobRequest, number: int) -> list[PlannedJob]:
    return [PlannedJob(example=f"{request.name}_{each}", request=request) for each in range(number)]


def chain(*requests: JobRequest) -> list[PlannedJob]:
    return [
        PlannedJob(example=f"{place}", request=request, after=(place - 1,) if place else ())
        for place, request in enumerate(requests)
    ]


@pytest.mark.parametrize(
    ("planned", "running", "allocations", "left"),
    [
        pytest.param(jobs(SMALL, 3), [], [], 3, id="nothing is queued"),
        pytest.param(jobs(SMALL, 6), [], [NODE], 2, id="four at once"),
        pytest.param(jobs(SMALL, 6), [], [NODE, NODE], 0, id="two allocations"),
        pytest.param(jobs(SMALL, 8), [], [LONGER], 0, id="one after the other"),
        pytest.param(jobs(SMALL, 4), jobs(SMALL, 4), [NODE], 4, id="it has jobs already"),
        pytest.param(jobs(SMALL, 4), jobs(SMALL, 4), [LONGER], 0, id="it takes more later"),
        pytest.param(jobs(LARGE, 2), [], [NODE], 1, id="large ones"),
        pytest.param(jobs(LARGE, 1) + jobs(SMALL, 1), [], [NODE], 1, id="no room beside it"),
        pytest.param(
            jobs(SMALL, 1), [], [OpenAllocation(num_cpus=4, memory=GIB, remaining=470)], 1,
            id="its time is nearly over",
        ),
        pytest.param(
            jobs(SMALL, 1), [], [OpenAllocation(num_cpus=4, memory=GIB, remaining=490)], 0,
            id="a runner would take it",
        ),
        pytest.param(jobs(WIDE, 1), [], [NODE], 1, id="needs two nodes"),
        pytest.param(
            jobs(SMALL, 50), [], [OpenAllocation(num_cpus=None, memory=None)], 0,
            id="not known how large",
        ),
        pytest.param(chain(SMALL, SMALL, SMALL), [], [NODE], 2, id="a chain"),
        pytest.param(chain(SMALL, LARGE), [], [NODE], 1, id="a later layer has no time"),
        pytest.param(
            chain(SMALL, LARGE), [], [LONGER, LONGER], 0, id="a later layer has time"
        ),
    ],
)  # fmt: skip
def test_jobs_that_nothing_takes(
    planned: list[PlannedJob],
    running: list[PlannedJob],
    allocations: list[OpenAllocation],
    left: int,
) -> None:
    assert len(uncovered_jobs(planned, running, allocations)) == left


_REQUESTS = st.builds(
    JobRequest,
    name=st.sampled_from("ab"),
    num_cpus=st.integers(1, 8),
    memory=st.integers(1, 16).map(GIB.__mul__),
    runtime=st.integers(1, 5000),
)
_ALLOCATIONS = st.lists(
    st.builds(
        OpenAllocation,
        num_cpus=st.none() | st.integers(1, 16),
        memory=st.none() | st.integers(1, 32).map(GIB.__mul__),
        remaining=st.none() | st.floats(-100, 10_000),
    ),
    max_size=5,
)
_JOBS = st.lists(_REQUESTS, max_size=10).map(
    lambda rows: [job for row in rows for job in jobs(row, 2)]
)


@given(_JOBS, _JOBS, _ALLOCATIONS, _ALLOCATIONS)
def test_more_allocations_leave_no_more_jobs(
    planned: list[PlannedJob],
    running: list[PlannedJob],
    allocations: list[OpenAllocation],
    more: list[OpenAllocation],
) -> None:
    left = uncovered_jobs(planned, running, allocations)
    assert len(uncovered_jobs(planned, running, allocations + more)) <= len(left) <= len(planned)
    assert len(set(left)) == len(left)


def test_jobs_that_are_left_wait_for_those_that_are_taken() -> None:
    planned = chain(SMALL, LARGE, LARGE)
    assert [job.waits for job in restricted(planned, [1, 2])] == [True, False]
    assert [job.after for job in restricted(planned, [1, 2])] == [(), (0,)]
    found = sort_jobs(restricted(planned, [1, 2]))
    assert not found.begin_at_once([0])
    assert sort_jobs(planned).begin_at_once([0, 1])
    assert not sort_jobs(planned).begin_at_once([1])
