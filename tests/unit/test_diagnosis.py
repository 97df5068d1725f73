from collections.abc import Sequence

import pytest

from torc_watch.core.cause import Cause
from torc_watch.core.clue import Clue, Weight
from torc_watch.core.diagnosis import diagnose
from torc_watch.core.evidence import Evidence
from torc_watch.core.fact import ALLOCATIONS_NOT_READ, NO_OUTPUT, NOT_READ, Fact, unreadable
from torc_watch.core.findings import Finding
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
    clues: Sequence[Clue] = (),
    silence: Fact | None = None,
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
        Evidence(
            job=job,
            result=result,
            requirements=requirements,
            kill_codes=kill_codes,
            clues=tuple(clues),
            silence=silence,
        )
    )


@pytest.mark.parametrize(
    ("finding", "cause", "reason"),
    [
        pytest.param(
            diagnosed(1, peak=LIMIT + MIB),
            Cause.OOM,
            "peak memory 65.0m above its 64m",
            id="a measured peak above the limit counts with any return code",
        ),
        pytest.param(
            diagnosed(-1, peak=LIMIT + MIB),
            Cause.OOM,
            "peak memory",
            id="killed, with bash replaced by the command",
        ),
        pytest.param(diagnosed(137), Cause.OOM, "killed (137)", id="137 with no peak"),
        pytest.param(
            diagnosed(137, peak=LIMIT // 2),
            Cause.OOM,
            "killed (137)",
            id="137 with a sampled peak below the limit",
        ),
        pytest.param(
            diagnosed(137, seconds=95),
            Cause.TIMEOUT,
            "at its run time limit PT1M40S",
            id="137 at the run time limit",
        ),
        pytest.param(
            diagnosed(137, seconds=95, peak=LIMIT + 1),
            Cause.OOM,
            "peak",
            id="a peak above the limit counts more than the run time",
        ),
        pytest.param(diagnosed(152), Cause.TIMEOUT, "(152)", id="Torc's own timeout code"),
        pytest.param(
            diagnosed(152, status=JobStatus.TERMINATED, seconds=89),
            Cause.INTERRUPTED,
            "leave",
            id="terminated with 152 before nine tenths of its run time",
        ),
        pytest.param(
            diagnosed(152, status=JobStatus.TERMINATED, seconds=90),
            Cause.TIMEOUT,
            "limit",
            id="terminated with 152 at nine tenths of its run time",
        ),
        pytest.param(
            diagnosed(137, status=JobStatus.TERMINATED),
            Cause.INTERRUPTED,
            "leave",
            id="terminated with 137",
        ),
        pytest.param(
            diagnosed(152, status=JobStatus.PENDING_FAILED),
            Cause.INTERRUPTED,
            "leave",
            id="152, pending_failed",
        ),
        pytest.param(
            diagnosed(78, status=JobStatus.PENDING_FAILED, kill_codes=OWN_CODES),
            Cause.INTERRUPTED,
            "leave",
            id="the workflow's own timeout code, pending_failed",
        ),
        pytest.param(
            diagnosed(78, status=JobStatus.PENDING_FAILED, seconds=95, kill_codes=OWN_CODES),
            Cause.TIMEOUT,
            "limit",
            id="the workflow's own timeout code at the run time limit",
        ),
        pytest.param(
            diagnosed(78, seconds=95, kill_codes=OWN_CODES),
            Cause.UNKNOWN,
            "exit code 78",
            id="the workflow's own timeout code of a job that was not stopped",
        ),
        pytest.param(
            diagnosed(77, kill_codes=OWN_CODES),
            Cause.OOM,
            "killed (77)",
            id="the workflow's own memory code without a peak",
        ),
        pytest.param(
            diagnosed(77, peak=0, kill_codes=OWN_CODES),
            Cause.UNKNOWN,
            "exit code 77",
            id="the workflow's own memory code of a job that was never sampled",
        ),
        pytest.param(
            diagnosed(137, kill_codes=OWN_CODES),
            Cause.OOM,
            "killed (137)",
            id="137 in a workflow with its own memory code",
        ),
        pytest.param(
            diagnosed(-1, seconds=90),
            Cause.TIMEOUT,
            "limit",
            id="0.12's lost signal at the run time limit",
        ),
        pytest.param(
            diagnosed(143, seconds=90),
            Cause.TIMEOUT,
            "limit",
            id="SIGTERM at nine tenths of the run time",
        ),
        pytest.param(
            diagnosed(143, seconds=89),
            Cause.UNKNOWN,
            "signal 15",
            id="SIGTERM before nine tenths of the run time",
        ),
        pytest.param(
            diagnosed(1, seconds=99),
            Cause.UNKNOWN,
            "exit code 1",
            id="a code bug at the run time limit",
        ),
        pytest.param(diagnosed(1), Cause.UNKNOWN, "exit code 1", id="a code bug"),
        pytest.param(
            diagnosed(1, peak=LIMIT), Cause.UNKNOWN, "exit code 1", id="peak at the limit"
        ),
        pytest.param(
            diagnosed(139), Cause.CODE, "segmentation fault (signal 11)", id="segmentation fault"
        ),
        pytest.param(
            diagnosed(127),
            Cause.ENVIRONMENT,
            "a command was not found (exit code 127)",
            id="command not found",
        ),
        pytest.param(diagnosed(255), Cause.UNKNOWN, "exit code 255", id="255 is not a signal"),
        pytest.param(diagnosed(-1), Cause.UNKNOWN, "not recorded", id="0.12's lost signal"),
        pytest.param(diagnosed(-128), Cause.INTERRUPTED, "worker died", id="orphan"),
        pytest.param(
            diagnosed(-128, peak=LIMIT + 1),
            Cause.INTERRUPTED,
            "worker died",
            id="orphan with a peak above the limit",
        ),
        pytest.param(
            diagnosed(-15, status=JobStatus.TERMINATED),
            Cause.INTERRUPTED,
            "leave",
            id="terminated by SIGTERM",
        ),
        pytest.param(
            diagnosed(0, status=JobStatus.TERMINATED),
            Cause.INTERRUPTED,
            "leave",
            id="terminated with exit code 0",
        ),
        pytest.param(
            diagnosed(-9, status=JobStatus.TERMINATED, seconds=100),
            Cause.TIMEOUT,
            "limit",
            id="terminated at the run time limit",
        ),
        pytest.param(
            diagnosed(1, peak=500 * MIB, requirements_name="default"),
            Cause.UNKNOWN,
            "exit code 1",
            id="memory of the default requirements is no limit",
        ),
        pytest.param(
            diagnosed(137, peak=500 * MIB, requirements_name="default"),
            Cause.UNKNOWN,
            "no request to raise",
            id="memory of the default requirements cannot be raised",
        ),
        pytest.param(
            diagnosed(143, seconds=7200, requirements_name="default"),
            Cause.UNKNOWN,
            "signal 15",
            id="run time of the default requirements is no limit",
        ),
        pytest.param(
            diagnosed(137, memory=None),
            Cause.UNKNOWN,
            "its memory cannot be read",
            id="unreadable memory",
        ),
        pytest.param(
            diagnosed(137, peak=LIMIT + 1, runtime=None),
            Cause.UNKNOWN,
            "but its request cannot be raised: its run time cannot be read",
            id="memory cannot be raised when the run time is unreadable",
        ),
        pytest.param(
            diagnosed(137, memory=None, runtime=None),
            Cause.UNKNOWN,
            "its memory and run time cannot be read",
            id="unreadable memory and run time",
        ),
        pytest.param(
            diagnosed(152, runtime=None), Cause.UNKNOWN, "signal 24", id="unreadable run time"
        ),
    ],
)
def test_cause_of_a_failed_job(finding: Finding, cause: Cause, reason: str) -> None:
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
def test_cause_of_a_job_without_a_result(status: JobStatus, cause: Cause) -> None:
    job = Job(id=7, name="train", command="true", status=status, requirements_id=None, attempt=1)
    assert diagnose(Evidence(job=job, result=None, requirements=None)).cause is cause


def test_finding_has_the_measurements() -> None:
    found = diagnosed(152, peak=7, seconds=250.0)
    assert (found.peak_memory, found.ran, found.run_id) == (7, 250.0, 1)


@pytest.mark.parametrize(
    ("return_code", "reason"),
    [
        (129, "killed by signal 1"),
        (132, "illegal instruction (signal 4)"),
        (134, "abort (signal 6)"),
        (135, "bus error (signal 7)"),
        (136, "arithmetic error (signal 8)"),
        (192, "killed by signal 64"),
        (193, "exit code 193"),
    ],
)
def test_return_code_is_a_signal_only_for_valid_signal_numbers(
    return_code: int, reason: str
) -> None:
    assert diagnosed(return_code).reason == reason


@pytest.mark.parametrize(
    ("above", "shown"),
    [(MIB, "65.0m"), (MIB // 4, "64.2m"), (4096, "64.004m"), (1, "64.000001m")],
)
def test_peak_is_shown_with_as_many_digits_as_it_takes_to_tell_it_from_the_limit(
    above: int, shown: str
) -> None:
    reason = diagnosed(137, peak=LIMIT + above).reason
    assert reason == f"peak memory {shown} above its 64m"


def clue(cause: Cause, weight: Weight) -> Clue:
    return Clue(rule="r", cause=cause, weight=weight, says="it says", line="so", file="e")


SLURMS_LIMIT = clue(Cause.TIMEOUT, Weight.SCHEDULER)
SLURMS_KILL = clue(Cause.OOM, Weight.SCHEDULER)
PROGRAM = clue(Cause.CODE, Weight.FATAL)
ECHO = clue(Cause.UNKNOWN, Weight.ECHO)
SITES = clue(Cause.UNKNOWN, Weight.FATAL)  # a rule of a site may know no better


@pytest.mark.parametrize(
    ("finding", "cause", "reason"),
    [
        pytest.param(diagnosed(1, clues=[PROGRAM]), Cause.CODE, "it says: so", id="written"),
        pytest.param(diagnosed(1, clues=[ECHO]), Cause.UNKNOWN, "exit code 1", id="an echo"),
        pytest.param(diagnosed(1, clues=[SITES]), Cause.UNKNOWN, "it says: so", id="a site's rule"),
        pytest.param(
            diagnosed(137, clues=[PROGRAM]),
            Cause.OOM,
            "killed (137)",
            id="a kill after an error that was handled",
        ),
        pytest.param(
            diagnosed(1, seconds=99, clues=[PROGRAM]),
            Cause.CODE,
            "it says: so",
            id="an error at the run time limit",
        ),
        pytest.param(
            diagnosed(1, peak=2 * LIMIT, clues=[PROGRAM]),
            Cause.CODE,
            "it says: so",
            id="an error of a job with a peak above its request, which was not enforced",
        ),
        pytest.param(
            diagnosed(0, clues=[SLURMS_KILL]), Cause.OOM, "it says: so", id="Slurm's word"
        ),
        pytest.param(
            diagnosed(1, memory=None, clues=[SLURMS_KILL]),
            Cause.UNKNOWN,
            "its request cannot be raised: its memory cannot be read",
            id="Slurm's word on a job without a readable request",
        ),
        pytest.param(
            diagnosed(152, status=JobStatus.TERMINATED, seconds=60, clues=[SLURMS_LIMIT]),
            Cause.INTERRUPTED,
            "at the end of its allocation",
            id="a step that had the rest of its allocation",
        ),
        pytest.param(
            diagnosed(152, status=JobStatus.TERMINATED, seconds=95, clues=[SLURMS_LIMIT]),
            Cause.TIMEOUT,
            "it says: so",
            id="a step that had its run time",
        ),
    ],
)
def test_cause_of_a_job_that_has_written(finding: Finding, cause: Cause, reason: str) -> None:
    assert finding.cause is cause
    assert reason in finding.reason


def test_evidence_for_and_against_the_cause() -> None:
    limit = clue(Cause.LIMIT, Weight.FATAL)
    hint = clue(Cause.NETWORK, Weight.HINT)
    found = diagnosed(1, clues=[PROGRAM, limit, hint])
    assert (found.clue, found.contradictions) == (PROGRAM, (limit,))
    killed = diagnosed(137, clues=[PROGRAM])
    assert (killed.clue, killed.contradictions) == (None, (PROGRAM,))


@pytest.mark.parametrize(
    ("silence", "reason"),
    [
        (None, "exit code 1"),
        (NO_OUTPUT, "exit code 1"),
        (NOT_READ, "exit code 1; its output was not read in time"),
        (ALLOCATIONS_NOT_READ, "exit code 1; the output of allocations was not read in time"),
        (unreadable("j.e", "Stale file"), "exit code 1; its output cannot be read: Stale file"),
    ],
)
def test_output_that_was_not_read_may_say_more(silence: Fact | None, reason: str) -> None:
    found = diagnosed(1, silence=silence)
    assert found.reason == reason
    assert (silence in found.facts) == (silence is not None)
    assert found.was_read == (silence not in (NOT_READ, ALLOCATIONS_NOT_READ))
