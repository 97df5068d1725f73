import pytest

from torc_watch.core.model import TORCS_KILL_CODES, JobStatus, KillCodes
from torc_watch.sandbox.runner.job import KillReason, classify_exit

OWN_CODES = KillCodes(memory=77, runtime=78)


@pytest.mark.parametrize(
    ("kill_reason", "exit_code", "status", "return_code"),
    [
        (None, 0, JobStatus.COMPLETED, 0),
        (None, 3, JobStatus.FAILED, 3),
        (None, 137, JobStatus.FAILED, 137),
        (None, -9, JobStatus.FAILED, 137),
        (None, -11, JobStatus.FAILED, 139),
        (KillReason.MEMORY, -9, JobStatus.FAILED, 137),
        (KillReason.MEMORY, 0, JobStatus.FAILED, 137),
        (KillReason.RUNTIME, -15, JobStatus.TERMINATED, 152),
        (KillReason.RUNTIME, -9, JobStatus.TERMINATED, 152),
        (KillReason.RUNTIME, 7, JobStatus.TERMINATED, 152),
        (KillReason.RUNTIME, 0, JobStatus.COMPLETED, 0),
        (KillReason.STOPPED, -9, JobStatus.TERMINATED, 152),
        (KillReason.STOPPED, -15, JobStatus.TERMINATED, 143),
        (KillReason.STOPPED, 7, JobStatus.TERMINATED, 7),
        (KillReason.STOPPED, 0, JobStatus.COMPLETED, 0),
    ],
)
def test_status_and_return_code(
    kill_reason: KillReason | None, exit_code: int, status: JobStatus, return_code: int
) -> None:
    assert classify_exit(kill_reason, exit_code, TORCS_KILL_CODES) == (status, return_code)


@pytest.mark.parametrize(
    ("kill_reason", "return_code"),
    [(KillReason.MEMORY, 77), (KillReason.RUNTIME, 78), (KillReason.STOPPED, 78), (None, 137)],
)
def test_workflow_sets_the_return_codes_of_killed_jobs(
    kill_reason: KillReason | None, return_code: int
) -> None:
    assert classify_exit(kill_reason, -9, OWN_CODES)[1] == return_code
