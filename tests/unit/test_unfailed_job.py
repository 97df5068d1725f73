import pytest

from torc_watch.core.model import Dependent, Job, JobStatus
from torc_watch.core.unfailed_job import job_named, job_standing

LOAD, MERGE, PLOT, OTHER = 3, 4, 5, 6


def job(job_id: int, name: str, status: JobStatus) -> Job:
    return Job(id=job_id, name=name, command="", status=status, requirements_id=None, attempt=1)


def behind(job_id: int, depends_on: int) -> Dependent:
    return Dependent(job_id=job_id, job_name="", depends_on=depends_on)


BEHIND = (behind(MERGE, LOAD), behind(PLOT, MERGE), behind(PLOT, OTHER), behind(MERGE, PLOT))


@pytest.mark.parametrize(
    ("status", "load", "said"),
    [
        pytest.param(
            JobStatus.CANCELED,
            JobStatus.FAILED,
            "was canceled because job 3 (load) failed. Why: torc-watchd why 1 3",
            id="canceled behind a failure",
        ),
        pytest.param(
            JobStatus.BLOCKED,
            JobStatus.TERMINATED,
            "waits for jobs that it depends on: job 3 (load) failed. Why: torc-watchd why 1 3",
            id="blocked behind a failure",
        ),
        pytest.param(JobStatus.CANCELED, JobStatus.COMPLETED, "was canceled.", id="by a user"),
        pytest.param(JobStatus.COMPLETED, JobStatus.FAILED, "completed.", id="completed"),
        pytest.param(JobStatus.RUNNING, JobStatus.FAILED, "is running.", id="running"),
        pytest.param(
            JobStatus.UNRECOGNIZED,
            JobStatus.FAILED,
            "has the status unrecognized.",
            id="a status of a newer server",
        ),
    ],
)
def test_standing(status: JobStatus, load: JobStatus, said: str) -> None:
    jobs = [
        job(LOAD, "load", load),
        job(MERGE, "merge", JobStatus.CANCELED),
        job(PLOT, "plot", status),
    ]
    assert job_standing(1, jobs[-1], jobs, BEHIND) == f"Job 5 (plot) {said}"


def test_id_counts_before_a_name() -> None:
    jobs = [job(3, "4", JobStatus.FAILED), job(4, "x", JobStatus.FAILED)]
    assert job_named("4", jobs) == jobs[1]
    assert job_named("x", jobs) == jobs[1]
    assert job_named("4", jobs[:1]) == jobs[0]
    assert job_named("y", jobs) is None
