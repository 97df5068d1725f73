"""The workflows that `scripts/bench cluster-recovery` has both programs recover."""

import pytest
from short_requests import EACH_KIND, ONE_KIND, WORKLOADS, Job, Workload, jobs_of, workflow

from torc_watch.core.units import MIB

each_workload = pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)


def all_jobs(workload: Workload) -> list[Job]:
    return [job for kind in workload.kinds for job in jobs_of(kind)]


@each_workload
def test_a_third_of_sixty_jobs_requests_too_little(workload: Workload) -> None:
    jobs = all_jobs(workload)

    assert len(jobs) == 60
    assert sum(job.is_short for job in jobs) == 20


@each_workload
def test_the_largest_need_of_a_kind_that_is_short(workload: Workload) -> None:
    for kind in workload.kinds:
        largest = max(job.need for job in jobs_of(kind))
        assert largest == round(kind.request * kind.most) if kind.short else largest < kind.request


def test_one_kind_is_short_as_a_whole() -> None:
    assert [sum(job.is_short for job in jobs_of(kind)) for kind in ONE_KIND.kinds] == [20, 0, 0]


def test_a_third_of_each_kind_is_short() -> None:
    assert [sum(job.is_short for job in jobs_of(kind)) for kind in EACH_KIND.kinds] == [7, 7, 6]


@each_workload
def test_no_need_is_near_its_request(workload: Workload) -> None:
    """What a job takes is known to some MiB only."""
    for job in all_jobs(workload):
        assert abs(job.need - job.kind.request) * MIB > 4 * MIB, job


@each_workload
def test_the_same_workflow_each_time(workload: Workload) -> None:
    assert workflow(workload) == workflow(workload)


@each_workload
def test_jobs_of_the_last_kind_wait_for_one_of_each_other(workload: Workload) -> None:
    waits = {row["name"]: row["depends_on"] for row in workflow(workload)["jobs"]}

    assert waits["merge_07"] == ["align_07", "train_07"]
    assert [name for name, before in waits.items() if not before] == [
        job.name for job in all_jobs(workload) if job.kind.name != "merge"
    ]
