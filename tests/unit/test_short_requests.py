"""The workflow that `scripts/bench cluster-recovery` has both programs recover."""

import short_requests
from short_requests import KINDS, jobs_of

from torc_watch.core.units import MIB

JOBS = [job for kind in KINDS for job in jobs_of(kind)]


def test_a_third_of_sixty_jobs_requests_too_little() -> None:
    assert len(JOBS) == 60
    assert sum(job.is_short for job in JOBS) == 20
    for kind in KINDS:
        jobs = jobs_of(kind)
        assert sum(job.is_short for job in jobs) == kind.short
        assert max(job.need for job in jobs) == round(kind.request * kind.most)


def test_no_need_is_near_its_request() -> None:
    """What a job takes is known to some MiB only."""
    for job in JOBS:
        assert abs(job.need - job.kind.request) * MIB > 4 * MIB, job


def test_the_same_workflow_each_time() -> None:
    assert short_requests.workflow() == short_requests.workflow()


def test_jobs_of_the_last_kind_wait_for_one_of_each_other() -> None:
    waits = {row["name"]: row["depends_on"] for row in short_requests.workflow()["jobs"]}

    assert waits["merge_07"] == ["align_07", "train_07"]
    assert [name for name, before in waits.items() if not before] == [
        job.name for job in JOBS if job.kind.name != "merge"
    ]
