import pytest

from torc_watch.core.diagnosis import Cause, Evidence, Finding, diagnose
from torc_watch.core.model import (
    TORCS_KILL_CODES,
    Job,
    JobResult,
    JobStatus,
    KillCodes,
    Requirements,
)
from torc_watch.core.units import MIB

LIMIT = 64 * MIB
RUNTIME = 100
OWN_CODES = KillCodes(memory=77, runtime=78)


def diagnosed(
    return_code: int,
    *,
    peak: int | None = None,
    seconds: float = 1.0,
    status: JobStatus = JobStatus.FAILED,
    memory: int | None = LIMIT,
    runtime: int | None = RUNTIME,
    requirements_name: str = "small",
    kill_codes: KillCodes = TORCS_KILL_CODES,
) -> Finding:
    job = Job(id=7, name="train", command="true", status=status, requirements_id=1, attempt=1)
    result = JobResult(
        job_id=7,
        run_id=1,
        attempt=1,
        status=status,
        return_code=return_code,
        exec_seconds=seconds,
        peak_memory=peak,
        compute_node_id=1,
    )
    requirements = Requirements(
        id=1,
        name=requirements_name,
        num_cpus=1,
        num_gpus=0,
        num_nodes=1,
        memory=memory,
        runtime=runtime,
    )
    return diagnose(
        Evidence(job=job, result=result, requirements=requirements, kill_codes=kill_codes)
    )


@pytest.mark.parametrize(
    ("finding", "cause", "reason"),
    [
        pytest.param(
            diagnosed(1, peak=LIMIT + MIB),
            Cause.OOM,
            "peak memory 65.0m above its 64m",
            id="a measured peak is believed whatever the return code",
        ),
        pytest.param(
            diagnosed(-1, peak=LIMIT + MIB), Cause.OOM, "peak memory", id="bash exec'd, killed"
        ),
        pytest.param(diagnosed(137), Cause.OOM, "killed (137)", id="137 with no peak"),
        pytest.param(
            diagnosed(137, peak=LIMIT // 2), Cause.OOM, "killed (137)", id="137, spike missed"
        ),
        pytest.param(
            diagnosed(137, seconds=95),
            Cause.TIMEOUT,
            "at its run time limit PT1M40S",
            id="137 late",
        ),
        pytest.param(
            diagnosed(137, seconds=95, peak=LIMIT + 1), Cause.OOM, "peak", id="peak before time"
        ),
        pytest.param(diagnosed(152), Cause.TIMEOUT, "(152)", id="Torc's own timeout code"),
        pytest.param(
            diagnosed(152, status=JobStatus.TERMINATED, seconds=89),
            Cause.INTERRUPTED,
            "leave",
            id="152, but its worker ended long before its time",
        ),
        pytest.param(
            diagnosed(152, status=JobStatus.TERMINATED, seconds=90),
            Cause.TIMEOUT,
            "limit",
            id="152 at nine tenths",
        ),
        pytest.param(
            diagnosed(137, status=JobStatus.TERMINATED),
            Cause.INTERRUPTED,
            "leave",
            id="its worker ended with SIGKILL",
        ),
        pytest.param(
            diagnosed(152, status=JobStatus.PENDING_FAILED),
            Cause.INTERRUPTED,
            "leave",
            id="152, waiting for a person",
        ),
        pytest.param(
            diagnosed(78, status=JobStatus.PENDING_FAILED, kill_codes=OWN_CODES),
            Cause.INTERRUPTED,
            "leave",
            id="the workflow's own 152",
        ),
        pytest.param(
            diagnosed(78, status=JobStatus.PENDING_FAILED, seconds=95, kill_codes=OWN_CODES),
            Cause.TIMEOUT,
            "limit",
            id="the workflow's own 152, late",
        ),
        pytest.param(
            diagnosed(78, seconds=95, kill_codes=OWN_CODES),
            Cause.UNKNOWN,
            "exit code 78",
            id="of a job that was not stopped it is an exit code",
        ),
        pytest.param(
            diagnosed(77, kill_codes=OWN_CODES),
            Cause.OOM,
            "killed (77)",
            id="the workflow's own 137, and its peak was lost",
        ),
        pytest.param(
            diagnosed(77, peak=0, kill_codes=OWN_CODES),
            Cause.UNKNOWN,
            "exit code 77",
            id="ended before its memory was looked at",
        ),
        pytest.param(
            diagnosed(137, kill_codes=OWN_CODES),
            Cause.OOM,
            "killed (137)",
            id="the kernel knows no codes but its own",
        ),
        pytest.param(
            diagnosed(-1, seconds=90), Cause.TIMEOUT, "limit", id="0.12's lost signal, late"
        ),
        pytest.param(diagnosed(143, seconds=90), Cause.TIMEOUT, "limit", id="TERM at nine tenths"),
        pytest.param(diagnosed(143, seconds=89), Cause.UNKNOWN, "signal 15", id="TERM before it"),
        pytest.param(
            diagnosed(1, seconds=99), Cause.UNKNOWN, "exit code 1", id="a bug late is still a bug"
        ),
        pytest.param(diagnosed(1), Cause.UNKNOWN, "exit code 1", id="a bug"),
        pytest.param(
            diagnosed(1, peak=LIMIT), Cause.UNKNOWN, "exit code 1", id="peak at the limit"
        ),
        pytest.param(diagnosed(139), Cause.UNKNOWN, "signal 11", id="segmentation fault"),
        pytest.param(diagnosed(255), Cause.UNKNOWN, "exit code 255", id="no signal has number 127"),
        pytest.param(diagnosed(-1), Cause.UNKNOWN, "not recorded", id="0.12's lost signal"),
        pytest.param(diagnosed(-128), Cause.INTERRUPTED, "worker died", id="orphan"),
        pytest.param(
            diagnosed(-128, peak=LIMIT + 1), Cause.INTERRUPTED, "worker died", id="orphan, large"
        ),
        pytest.param(
            diagnosed(-15, status=JobStatus.TERMINATED),
            Cause.INTERRUPTED,
            "leave",
            id="runner left",
        ),
        pytest.param(
            diagnosed(0, status=JobStatus.TERMINATED), Cause.INTERRUPTED, "leave", id="saved itself"
        ),
        pytest.param(
            diagnosed(-9, status=JobStatus.TERMINATED, seconds=100),
            Cause.TIMEOUT,
            "limit",
            id="terminated at its limit",
        ),
        pytest.param(
            diagnosed(1, peak=500 * MIB, requirements_name="default"),
            Cause.UNKNOWN,
            "exit code 1",
            id="nobody asked for the default row's memory",
        ),
        pytest.param(
            diagnosed(137, peak=500 * MIB, requirements_name="default"),
            Cause.UNKNOWN,
            "no readable request to raise",
            id="nor would a somewhat larger row of its own let it live",
        ),
        pytest.param(
            diagnosed(143, seconds=7200, requirements_name="default"),
            Cause.UNKNOWN,
            "signal 15",
            id="nor its run time",
        ),
        pytest.param(
            diagnosed(137, memory=None), Cause.UNKNOWN, "no readable", id="unreadable memory"
        ),
        pytest.param(
            diagnosed(137, peak=LIMIT + 1, runtime=None),
            Cause.UNKNOWN,
            "no readable",
            id="memory cannot be raised without the run time that goes with it",
        ),
        pytest.param(
            diagnosed(152, runtime=None), Cause.UNKNOWN, "signal 24", id="unreadable run time"
        ),
    ],
)
def test_causes(finding: Finding, cause: Cause, reason: str) -> None:
    assert finding.cause is cause
    assert reason in finding.reason


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (JobStatus.FAILED, Cause.UNKNOWN),
        (JobStatus.PENDING_FAILED, Cause.UNKNOWN),
        (JobStatus.TERMINATED, Cause.INTERRUPTED),
    ],
)
def test_job_without_a_result(status: JobStatus, cause: Cause) -> None:
    job = Job(id=7, name="train", command="true", status=status, requirements_id=None, attempt=1)
    assert diagnose(Evidence(job=job, result=None, requirements=None)).cause is cause


def test_finding_has_the_measurements() -> None:
    found = diagnosed(152, peak=7, seconds=250.0)
    assert (found.peak_memory, found.ran, found.run_id) == (7, 250.0, 1)


@pytest.mark.parametrize(
    ("return_code", "reason"),
    [(129, "killed by signal 1"), (192, "killed by signal 64"), (193, "exit code 193")],
)
def test_only_the_numbers_that_signals_have_are_signals(return_code: int, reason: str) -> None:
    assert diagnosed(return_code).reason == reason
