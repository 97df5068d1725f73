"""Why a job failed: turns the server's rows about it into one finding with its reason.

The rules are ordered by reliability: the end of its allocation and of its step, what Slurm and the
kernel say of the job, what its worker killed it for, a kill, what its program wrote, measurements,
and its return code. They were tested on what real runners report (tests/fixtures).
"""

from torc_watch.core import units
from torc_watch.core.allocation import AllocationState, EndCause
from torc_watch.core.cause import Cause
from torc_watch.core.clue import Clue, Weight, leading
from torc_watch.core.conclusion import Conclusion, guess, likely, proven
from torc_watch.core.evidence import Evidence, facts_of
from torc_watch.core.fact import NO_OUTPUT, Confidence, Fact
from torc_watch.core.findings import Finding
from torc_watch.core.job_request import Request, objection_to_raise, request_of
from torc_watch.core.memory_kill import MemoryKill
from torc_watch.core.model import SLURM, JobResult, JobStatus, KillCodes, Requirements
from torc_watch.core.output_files import stem
from torc_watch.core.return_code import (
    KILLED,
    ORPHANED,
    OUT_OF_MEMORY,
    OUT_OF_TIME,
    STOPPED_BY_WORKER,
    TOLD_TO_END,
    cause_of_code,
    exit_phrase,
    suggested_by_code,
)
from torc_watch.core.silent_failure import without_output, without_room
from torc_watch.core.step_end import contradicted_by_step, detail_of, said_by_step
from torc_watch.core.worker_end import WorkerEnd

_NO_RESULT = "the server holds no result for it"
_DIGITS_OF_A_BYTE = 7  # of a number of MiB
# A kill within the last tenth of the run time limit counts as a timeout: enforcement runs only from
# time to time, and sends its SIGTERM early enough for the job to save its state.
NEAR_LIMIT = 0.9


def diagnose(evidence: Evidence) -> Finding:
    """The most likely cause of one job's failure.

    OOM and TIMEOUT need a request, readable as a whole, that can be raised.
    """
    conclusion = _explain(evidence)
    cause, confidence = conclusion.cause, conclusion.confidence
    clue = leading(evidence.clues)
    proves = clue is not None and clue.cause is cause and clue.weight is not Weight.ECHO
    contradictions = _contradictions(cause, evidence.clues)
    return Finding(
        job=evidence.job,
        cause=cause,
        reason=conclusion.reason,
        confidence=confidence.lowered if contradictions else confidence,
        clue=clue if proves else None,
        fingerprint=clue.fingerprint if clue and proves else _fingerprint(evidence, cause),
        contradictions=contradictions,
        node=evidence.node,
        facts=tuple(facts_of(evidence)),
        ended=evidence.result.completed if evidence.result else None,
        requirements=evidence.requirements,
        peak_memory=evidence.result.peak_memory if evidence.result else None,
        ran=evidence.result.exec_seconds if evidence.result else None,
        run_id=evidence.result.run_id if evidence.result else None,
    )


def _fingerprint(evidence: Evidence, cause: Cause) -> str | None:
    """Of causes that are known from the return code, or a file that is missing, alone."""
    if cause is Cause.INPUT and evidence.missing_outputs:
        return f"no output {stem(evidence.missing_outputs[0])}"
    code = evidence.result.return_code if evidence.result else None
    is_suggested = code is not None and cause_of_code(code) is cause
    return f"return code {code}" if is_suggested else None


def is_unexplained(evidence: Evidence) -> bool:
    """Whether its return code is all that speaks of it: then it matters what is not there."""
    return _seen(evidence) is None


def _explain(evidence: Evidence) -> Conclusion:
    return _seen(evidence) or _suggested(evidence)


def _seen(evidence: Evidence) -> Conclusion | None:
    """None where its return code is all that speaks of it."""
    result = evidence.result
    if result is None:
        if evidence.job.status is JobStatus.TERMINATED:
            return likely(Cause.INTERRUPTED, "terminated before it had a result")
        return guess(_NO_RESULT)
    if result.return_code == ORPHANED:
        return _orphaned(evidence.worker)
    request, codes = request_of(evidence.requirements), evidence.kill_codes
    step, worker = evidence.step, evidence.worker
    if step is not None and step.cause is EndCause.OUT_OF_MEMORY:
        reason = f"its step ran out of memory{detail_of(step)}"
        return _out_of_memory(reason, evidence.requirements)
    was_stopped = _was_stopped(result, codes, worker)
    if was_stopped and worker and worker.is_external:
        return proven(worker.interruption, f"stopped because {worker.phrase}")
    clue = leading(evidence.clues)
    return (
        said_by_step(step, runtime=request.runtime if request else None, share=NEAR_LIMIT)
        or _said_by_scheduler(clue, result, evidence.requirements)
        or _canceled(evidence, result, was_stopped=was_stopped)
        or _said_by_kernel(evidence.kills, evidence.requirements)
        or _killed_above_memory(result, request, codes)
        or _time_exceeded(evidence, result, request, was_stopped=was_stopped)
        or (_stopped(worker) if was_stopped else None)
        or _killed(evidence, result)
        or _written(clue, result, evidence.requirements)
        or _memory_exceeded(result, request)
        or contradicted_by_step(result.return_code, step)
    )


def _suggested(evidence: Evidence) -> Conclusion:
    """By its return code, and by what is not there."""
    result = evidence.result
    if result is None:
        return guess(_NO_RESULT)
    code = result.return_code
    return (
        without_room(code, evidence.full_folder)
        or without_output(code, evidence.missing_outputs, evidence.step)
        or suggested_by_code(code)
        or guess(_unexplained(result, evidence.silence))
    )


def _orphaned(worker: WorkerEnd | None) -> Conclusion:
    if worker is None or worker.cause is None:
        return likely(Cause.INTERRUPTED, "its worker died")
    return likely(worker.interruption, worker.phrase)


def _canceled(evidence: Evidence, result: JobResult, *, was_stopped: bool) -> Conclusion | None:
    """By a user; the end of an allocation may cancel steps as well."""
    step, worker = evidence.step, evidence.worker
    if step is None or step.cause is not EndCause.CANCELED or not step.canceled_by or was_stopped:
        return None
    if worker and worker.is_external and worker.may_have_stopped_job(result.completed):
        return proven(worker.interruption, f"stopped because {worker.phrase}")
    return proven(Cause.CANCELED, f"{step.canceled_by} canceled its step{detail_of(step)}")


def _said_by_scheduler(
    clue: Clue | None, result: JobResult, requirements: Requirements | None
) -> Conclusion | None:
    """Where Torc runs jobs as steps, the time limit of a step is what its allocation has left."""
    if clue is None or clue.weight is not Weight.SCHEDULER:
        return None
    request = request_of(requirements)
    had_its_time = request is not None and result.exec_seconds >= NEAR_LIMIT * request.runtime
    if clue.cause is Cause.TIMEOUT and not had_its_time:
        return proven(Cause.INTERRUPTED, "Slurm ended it at the end of its allocation")
    return _written(clue, result, requirements)


def _out_of_memory(reason: str, requirements: Requirements | None) -> Conclusion:
    """Of which there is proof."""
    if objection := objection_to_raise(requirements):
        return guess(f"{reason}, {objection}")
    return proven(Cause.OOM, reason)


def _said_by_kernel(
    kills: tuple[MemoryKill, ...], requirements: Requirements | None
) -> Conclusion | None:
    own = next((kill for kill in kills if kill.is_own), None)
    if own is None:
        return None
    reason = f"the kernel killed its process {own.pid} ({own.process}) for its memory"
    return _out_of_memory(reason, requirements)


def _written(
    clue: Clue | None, result: JobResult, requirements: Requirements | None
) -> Conclusion | None:
    """What the program wrote before it ended. An echo of another failure says nothing."""
    if clue is None or clue.weight is Weight.ECHO:
        return None
    reason = f"{clue.says}: {clue.line}"
    objection = objection_to_raise(requirements)
    if objection and clue.cause in (Cause.OOM, Cause.TIMEOUT):
        return guess(f"{reason}, {objection}")
    return Conclusion(cause=clue.cause, reason=reason, confidence=_confidence_in(clue, result))


def _confidence_in(clue: Clue, result: JobResult) -> Confidence:
    if clue.weight is Weight.SCHEDULER:
        return Confidence.PROVEN
    is_confirmed = cause_of_code(result.return_code) is clue.cause
    if clue.weight is Weight.FATAL:
        return Confidence.PROVEN if is_confirmed else Confidence.LIKELY
    return Confidence.LIKELY if is_confirmed else Confidence.GUESS


def _contradictions(cause: Cause, clues: tuple[Clue, ...]) -> tuple[Clue, ...]:
    """What else was said as surely as what counts."""
    heaviest = max((clue.weight for clue in clues), default=Weight.ECHO)
    return tuple(
        clue
        for clue in clues
        if clue.cause not in (cause, Cause.UNKNOWN) and clue.weight == heaviest
    )


def _killed_above_memory(
    result: JobResult, request: Request | None, codes: KillCodes
) -> Conclusion | None:
    """Torc's worker kills a job that uses more than it requested, whatever the job has written."""
    was_killed = result.return_code in (codes.memory, *KILLED)
    exceeded = _memory_exceeded(result, request) if was_killed else None
    return proven(exceeded.cause, exceeded.reason) if exceeded else None


def _memory_exceeded(result: JobResult, request: Request | None) -> Conclusion | None:
    peak = result.peak_memory
    if request is None or peak is None or peak <= request.memory:
        return None
    limit = units.format_memory(request.memory)
    reason = f"peak memory {_mebibytes(peak, above=request.memory)} above its {limit}"
    return likely(Cause.OOM, reason)


def _time_exceeded(
    evidence: Evidence, result: JobResult, request: Request | None, *, was_stopped: bool
) -> Conclusion | None:
    if request is None:
        return None
    if result.return_code == OUT_OF_TIME and result.status is JobStatus.FAILED:
        return likely(Cause.TIMEOUT, f"killed for its run time ({OUT_OF_TIME})")
    # Slurm says of a step that it ended for its time.
    was_killed = was_stopped or (result.return_code in KILLED and evidence.step is None)
    if was_killed and result.exec_seconds >= NEAR_LIMIT * request.runtime:
        limit = units.format_duration(request.runtime)
        return likely(Cause.TIMEOUT, f"killed at its run time limit {limit}")
    return None


def _stopped(worker: WorkerEnd | None) -> Conclusion:
    if worker is None or worker.cause is None:
        return likely(Cause.INTERRUPTED, "stopped because its worker had to leave")
    return proven(Cause.INTERRUPTED, f"stopped because {worker.phrase}")


def _killed(evidence: Evidence, result: JobResult) -> Conclusion | None:
    if evidence.step is not None or not _was_killed_for_memory(result, evidence.kill_codes):
        return None
    phrase = f"killed ({result.return_code})"
    if objection := objection_to_raise(evidence.requirements):
        return guess(f"{phrase}, {objection}")
    is_torcs_code = result.return_code != OUT_OF_MEMORY  # one that the workflow chose
    if is_torcs_code or _was_lack_seen(evidence):
        return likely(Cause.OOM, phrase)
    worker = evidence.worker
    if worker is not None and not evidence.is_step and _saw_no_lack(result, worker):
        return guess(f"{phrase}, but {worker.name} never lacked memory")
    return guess(phrase, Cause.OOM)


def _was_lack_seen(evidence: Evidence) -> bool:
    """By the kernel or Slurm, of this job or of another beside it."""
    has_lacked = evidence.worker and evidence.worker.cause is EndCause.OUT_OF_MEMORY
    is_beside = any(clue.cause is Cause.OOM for clue in evidence.beside)
    return bool(evidence.kills or has_lacked or is_beside)


def _saw_no_lack(result: JobResult, worker: WorkerEnd) -> bool:
    """Whether neither Torc, which keeps the peak for which it kills, nor Slurm killed the job.

    Slurm says so at the end of an allocation in which the kernel has killed any process.
    """
    allocation, status = worker.allocation, worker.status
    if allocation is None or status is None or allocation.scheduler_type != SLURM:
        return False
    ended_well = status.state is AllocationState.GONE and worker.cause is None
    return ended_well and result.peak_memory is not None


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


def _unexplained(result: JobResult, silence: Fact | None) -> str:
    """Output that was not read may say more, other than output that is not there."""
    phrase = exit_phrase(result.return_code)
    return phrase if silence is None or silence == NO_OUTPUT else f"{phrase}; {silence.text}"


def _mebibytes(size: int, *, above: int) -> str:
    """With as many digits as it takes to see the difference."""
    texts = [f"{size / units.MIB:.{digits}f}" for digits in range(1, _DIGITS_OF_A_BYTE + 1)]
    shown = next((text for text in texts if float(text) * units.MIB > above), texts[-1])
    return f"{shown}m"
