"""Why a job failed: turns the server's rows about it into one finding with its reason.

The rules are ordered by reliability: measurements before what a return code suggests, and a death
that is not the job's own fault before both. They were tested on what real runners report
(tests/fixtures).
"""

from dataclasses import dataclass
from enum import StrEnum

from torc_watch.core import units
from torc_watch.core.model import (
    TORCS_KILL_CODES,
    Job,
    JobResult,
    JobStatus,
    KillCodes,
    Requirements,
)
from torc_watch.core.worker_end import WorkerEnd

ORPHANED = -128  # Torc's return code for a job whose worker died
OUT_OF_MEMORY = 137  # 128 + SIGKILL, which is how the kernel ends a job for its memory
TOLD_TO_END = 143  # 128 + SIGTERM
OUT_OF_TIME = 152  # 128 + SIGXCPU: a limit on CPU time, and Slurm's code for a time limit
LOST_SIGNAL = -1  # 0.12, of a program that bash replaced itself with
STOPPED_BY_WORKER = frozenset({-9, -15})  # the worker had to leave and took the job with it
KILLED = frozenset({OUT_OF_MEMORY, TOLD_TO_END, LOST_SIGNAL, -9, -15})  # perhaps from outside

_LAST_SIGNAL = 64
_DIGITS_OF_A_BYTE = 7  # of a number of MiB

# A kill within the last tenth of the run time limit counts as a timeout: enforcement runs only from
# time to time, and sends its SIGTERM early enough for the job to save its state.
NEAR_LIMIT = 0.9

# The row that the server makes for jobs without resource requirements. Its numbers, 1 MiB and one
# minute, are no estimate: exceeding them proves nothing. A row of the job's own with somewhat more
# would be enforced, which this one is not.
DEFAULT_REQUIREMENTS = "default"


class Cause(StrEnum):
    OOM = "oom"
    TIMEOUT = "timeout"
    INTERRUPTED = "interrupted"  # its worker or allocation ended first: not the job's fault
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the server knows about a failed job: its last result and its requirements.

    ``worker`` is the end of the worker that reported the result, where that may explain it.
    """

    job: Job
    result: JobResult | None
    requirements: Requirements | None
    kill_codes: KillCodes = TORCS_KILL_CODES
    worker: WorkerEnd | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """``reason`` is a phrase for the user that says what was observed."""

    job: Job
    cause: Cause
    reason: str
    requirements: Requirements | None
    peak_memory: int | None = None
    ran: float | None = None  # seconds
    run_id: int | None = None  # of its result, None without one


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What the job requested: bytes and seconds."""

    memory: int
    runtime: int


def diagnose(evidence: Evidence) -> Finding:
    """The most likely cause of one job's failure.

    OOM and TIMEOUT need a request, readable as a whole, that can be raised.
    """
    cause, reason = _explain(evidence)
    return Finding(
        job=evidence.job,
        cause=cause,
        reason=reason,
        requirements=evidence.requirements,
        peak_memory=evidence.result.peak_memory if evidence.result else None,
        ran=evidence.result.exec_seconds if evidence.result else None,
        run_id=evidence.result.run_id if evidence.result else None,
    )


def runtime_limit(requirements: Requirements | None) -> int | None:
    """How long (s) the job asked to run; None where that cannot be known or raised."""
    request = _request_of(requirements)
    return request.runtime if request else None


def _explain(evidence: Evidence) -> tuple[Cause, str]:
    result = evidence.result
    if result is None:
        if evidence.job.status is JobStatus.TERMINATED:
            return Cause.INTERRUPTED, "terminated before it had a result"
        return Cause.UNKNOWN, "the server holds no result for it"
    if result.return_code == ORPHANED:
        return Cause.INTERRUPTED, "its worker died"
    request, codes = _request_of(evidence.requirements), evidence.kill_codes
    was_stopped = _was_stopped(result, codes, evidence.worker)
    if was_stopped and evidence.worker and evidence.worker.is_external:
        return Cause.INTERRUPTED, f"stopped because {evidence.worker.phrase}"
    return (
        _memory_exceeded(result, request)
        or _time_exceeded(result, request, was_stopped=was_stopped)
        or (_stopped(evidence.worker) if was_stopped else _killed(result, request, codes))
        or (Cause.UNKNOWN, _exit_phrase(result.return_code))
    )


def _request_of(row: Requirements | None) -> _Request | None:
    if row is None or row.name == DEFAULT_REQUIREMENTS:
        return None
    if row.memory is None or row.runtime is None:
        return None
    return _Request(memory=row.memory, runtime=row.runtime)


def _memory_exceeded(result: JobResult, request: _Request | None) -> tuple[Cause, str] | None:
    peak = result.peak_memory
    if request is None or peak is None or peak <= request.memory:
        return None
    limit = units.format_memory(request.memory)
    return Cause.OOM, f"peak memory {_mebibytes(peak, above=request.memory)} above its {limit}"


def _time_exceeded(
    result: JobResult, request: _Request | None, *, was_stopped: bool
) -> tuple[Cause, str] | None:
    if request is None:
        return None
    if result.return_code == OUT_OF_TIME and result.status is JobStatus.FAILED:
        return Cause.TIMEOUT, f"killed for its run time ({OUT_OF_TIME})"
    was_killed = result.return_code in KILLED or was_stopped
    if was_killed and result.exec_seconds >= NEAR_LIMIT * request.runtime:
        limit = units.format_duration(request.runtime)
        return Cause.TIMEOUT, f"killed at its run time limit {limit}"
    return None


def _stopped(worker: WorkerEnd | None) -> tuple[Cause, str]:
    if worker is None or worker.cause is None:
        return Cause.INTERRUPTED, "stopped because its worker had to leave"
    return Cause.INTERRUPTED, f"stopped because {worker.phrase}"


def _killed(
    result: JobResult, request: _Request | None, codes: KillCodes
) -> tuple[Cause, str] | None:
    if not _was_killed_for_memory(result, codes):
        return None
    if request is None:
        return Cause.UNKNOWN, f"killed ({result.return_code}), with no readable request to raise"
    return Cause.OOM, f"killed ({result.return_code})"


def _was_stopped(result: JobResult, codes: KillCodes, worker: WorkerEnd | None) -> bool:
    """Whether the end of the worker, or of its allocation, ended the job."""
    if _was_stopped_by_worker(result, codes):
        return True
    if worker is None or not worker.may_have_stopped_job(result.completed):
        return False
    # Slurm tells all processes to end, and the job may be faster than its worker.
    if result.return_code == TOLD_TO_END:
        return True
    is_kept = result.status is JobStatus.PENDING_FAILED
    return is_kept and not _was_killed_for_memory(result, codes)


def _was_stopped_by_worker(result: JobResult, codes: KillCodes) -> bool:
    """Torc 1.0 has no other time limit for a job than the end of its worker.

    The status shows it, with 152 only if the job had to be killed. A failure that waits for the
    user (``pending_failed``) has lost that status, and only the code is left.
    """
    if result.status is JobStatus.PENDING_FAILED and result.return_code == codes.runtime:
        return True
    return result.return_code in STOPPED_BY_WORKER or result.status is JobStatus.TERMINATED


def _was_killed_for_memory(result: JobResult, codes: KillCodes) -> bool:
    """Torc kills at a peak above the request; a lower peak means that the job itself exited so.

    Without a peak, which busy nodes may lose, Torc's code counts as its kill.
    """
    is_kill = result.return_code == codes.memory and result.peak_memory is None
    return is_kill or result.return_code == OUT_OF_MEMORY


def _exit_phrase(return_code: int) -> str:
    if 128 < return_code <= 128 + _LAST_SIGNAL:  # above it are the program's own codes, such as 255
        return f"killed by signal {return_code - 128}"
    if return_code < 0:
        return "killed by a signal, which one was not recorded"
    return f"exit code {return_code}"


def _mebibytes(size: int, *, above: int) -> str:
    """With as many digits as it takes to see the difference."""
    texts = [f"{size / units.MIB:.{digits}f}" for digits in range(1, _DIGITS_OF_A_BYTE + 1)]
    shown = next((text for text in texts if float(text) * units.MIB > above), texts[-1])
    return f"{shown}m"
