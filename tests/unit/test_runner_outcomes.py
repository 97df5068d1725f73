import pytest

from torc_watch.core.model import TORCS_KILL_CODES, JobStatus, KillCodes
from torc_watch.sandbox.runner.job import Verdict, judge

OWN_CODES = KillCodes(memory=77, runtime=78)


@pytest.mark.parametrize(
    ("verdict", "exit_code", "status", "return_code"),
    [
        (None, 0, JobStatus.COMPLETED, 0),
        (None, 3, JobStatus.FAILED, 3),
        (None, 137, JobStatus.FAILED, 137),
        (None, -9, JobStatus.FAILED, 137),
        (None, -11, JobStatus.FAILED, 139),
        (Verdict.MEMORY, -9, JobStatus.FAILED, 137),
        (Verdict.MEMORY, 0, JobStatus.FAILED, 137),
        (Verdict.RUNTIME, -15, JobStatus.TERMINATED, 152),
        (Verdict.RUNTIME, -9, JobStatus.TERMINATED, 152),
        (Verdict.RUNTIME, 7, JobStatus.TERMINATED, 152),
        (Verdict.RUNTIME, 0, JobStatus.COMPLETED, 0),
        (Verdict.STOPPED, -9, JobStatus.TERMINATED, 152),
        (Verdict.STOPPED, -15, JobStatus.TERMINATED, 143),
        (Verdict.STOPPED, 7, JobStatus.TERMINATED, 7),
        (Verdict.STOPPED, 0, JobStatus.COMPLETED, 0),
    ],
)
def test_status_and_return_code(
    verdict: Verdict | None, exit_code: int, status: JobStatus, return_code: int
) -> None:
    assert judge(verdict, exit_code, TORCS_KILL_CODES) == (status, return_code)


@pytest.mark.parametrize(
    ("verdict", "return_code"),
    [(Verdict.MEMORY, 77), (Verdict.RUNTIME, 78), (Verdict.STOPPED, 78), (None, 137)],
)
def test_a_workflow_chooses_the_codes_of_what_is_killed(
    verdict: Verdict | None, return_code: int
) -> None:
    assert judge(verdict, -9, OWN_CODES)[1] == return_code
