"""Successes that something speaks against: the server says completed, the evidence does not.

A suspicion is no failure: the workflow's verdict stays as it is, and such a job runs again only
where the user said so.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from torc_watch.core.allocation import EndCause, StepEnd
from torc_watch.core.cause import Cause
from torc_watch.core.clue import Clue, Weight
from torc_watch.core.diagnosis import NEAR_LIMIT
from torc_watch.core.events import SuspectJob
from torc_watch.core.findings import Finding
from torc_watch.core.job_request import runtime_limit
from torc_watch.core.model import Job, JobResult, Requirements
from torc_watch.core.output_files import Oddity, OddOutput
from torc_watch.core.recovery_round import PastRounds, RecoverySettings
from torc_watch.core.worker_end import WorkerEnd

# A worker of Torc tells its jobs to end 90 seconds before its allocation does, and ours at most as
# early; whatever completes after that may have been told. Clocks differ a little.
_TOLD_BEFORE_LIMIT = timedelta(seconds=95)
_TOLD_BEFORE_END = timedelta(seconds=5)  # of an allocation that is canceled or preempted
_REPORTED_AFTER = timedelta(seconds=120)
_TELLS_JOBS = frozenset({EndCause.CANCELED, EndCause.PREEMPTED})
_MOST_SHARING = 5  # jobs of an allocation that are named where one of them lost a process


class SuspicionKind(StrEnum):
    OOM_KILL = "oom_kill"
    OOM_NEARBY = "oom_nearby"  # in its allocation, perhaps of another job
    OUTPUT_MISSING = "output_missing"
    OUTPUT_EMPTY = "output_empty"
    OUTPUT_TRUNCATED = "output_truncated"
    STOPPED = "stopped"  # told to end, and did as if it were done


_KINDS = {
    Oddity.MISSING: SuspicionKind.OUTPUT_MISSING,
    Oddity.EMPTY: SuspicionKind.OUTPUT_EMPTY,
    Oddity.TRUNCATED: SuspicionKind.OUTPUT_TRUNCATED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """What is known of a completed job.

    ``worker`` is the end of its worker where that may say more, ``step`` that of its step. Of an
    allocation that ran out of memory, for which no failure accounts, ``sharing`` counts the jobs
    that completed there; it is 0 for all others. ``clues`` are what such a job's output says.
    ``odd_output`` is what is wrong with a file that it declared.
    """

    job: Job
    result: JobResult
    requirements: Requirements | None
    worker: WorkerEnd | None = None
    step: StepEnd | None = None
    sharing: int = 0
    clues: tuple[Clue, ...] = ()
    odd_output: OddOutput | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """``reason`` is a phrase for people that says what was observed.

    ``clue`` is the line of output that says it, if one does. ``ran`` is in seconds, ``peak_memory``
    in bytes.
    """

    job: Job
    kind: SuspicionKind
    reason: str
    requirements: Requirements | None = None
    clue: Clue | None = None
    peak_memory: int | None = None
    ran: float | None = None
    run_id: int | None = None
    ended: datetime | None = None

    def as_failure(self) -> Finding:
        """As if it had failed for what it lacked, if it lacked something."""
        return Finding(
            job=self.job,
            cause=self._lack(),
            reason=self.reason,
            requirements=self.requirements,
            peak_memory=self.peak_memory,
            ran=self.ran,
            run_id=self.run_id,
            ended=self.ended,
            clue=self.clue,
        )

    def _lack(self) -> Cause:
        limit = runtime_limit(self.requirements)
        if limit is None:  # nor can its memory be raised
            return Cause.INTERRUPTED
        if self.kind is SuspicionKind.OOM_KILL:
            return Cause.OOM
        had_its_time = self.ran is not None and self.ran >= NEAR_LIMIT * limit
        if self.kind is SuspicionKind.STOPPED and had_its_time:
            return Cause.TIMEOUT
        return Cause.INTERRUPTED


def suspicion_of(success: Success) -> Suspicion | None:
    """What speaks most against a success; None if nothing does."""
    kind, reason, clue = _memory(success) or _output(success) or _stop(success) or (None, "", None)
    if kind is None:
        return None
    return Suspicion(
        job=success.job,
        kind=kind,
        reason=reason,
        requirements=success.requirements,
        clue=clue,
        peak_memory=success.result.peak_memory,
        ran=success.result.exec_seconds,
        run_id=success.result.run_id,
        ended=success.result.completed,
    )


def reruns(
    suspects: Collection[Suspicion], past: PastRounds, settings: RecoverySettings | None
) -> tuple[Suspicion, ...]:
    """Those that may run again: where the user said so, once each, and only what is its own."""
    if settings is None or not settings.rerun_suspects:
        return ()
    again = rerun_before(past)
    return tuple(
        each
        for each in suspects
        if each.job.id not in again and each.kind is not SuspicionKind.OOM_NEARBY
    )


def rerun_objections(
    suspects: Collection[Suspicion], past: PastRounds, settings: RecoverySettings
) -> dict[int, str]:
    """Why the others do not run again, for people, by their jobs' IDs."""
    may_run = {each.job.id for each in reruns(suspects, past, settings)}
    again = rerun_before(past)
    return {
        each.job.id: _objection(each, has_run_again=each.job.id in again)
        for each in suspects
        if each.job.id not in may_run
    }


def _objection(suspect: Suspicion, *, has_run_again: bool) -> str:
    if has_run_again:
        return f"job {suspect.job.id} was run again once, in vain"
    if suspect.kind is SuspicionKind.OOM_NEARBY:
        return f"job {suspect.job.id} is not run again, because it is one of several"
    return f"job {suspect.job.id} does not run again without --rerun-suspects"


def rerun_before(past: PastRounds) -> frozenset[int]:
    """The IDs of suspects that ran again in earlier rounds."""
    return frozenset(retry.job_id for retry in past.retried if retry.cause is Cause.SUSPECT)


def suspects_text(number: int, workflow_id: int) -> str:
    noun = "suspect success" if number == 1 else "suspect successes"
    return f"{number} {noun}: torc-watchd why {workflow_id}"


def suspect_job(suspicion: Suspicion) -> SuspectJob:
    return SuspectJob(
        job_id=suspicion.job.id,
        job_name=suspicion.job.name,
        kind=suspicion.kind,
        reason=suspicion.reason,
    )


_Ground = tuple[SuspicionKind, str, Clue | None] | None


def _memory(success: Success) -> _Ground:
    worker, step = success.worker, success.step
    name = worker.name if worker else "its allocation"
    if step is not None and step.cause is EndCause.OUT_OF_MEMORY:
        return SuspicionKind.OOM_KILL, f"its step in {name} ran out of memory", None
    if not success.sharing:
        return None
    for clue in success.clues:
        if clue.cause is Cause.OOM and clue.weight is not Weight.ECHO:
            reason = f"{name} ran out of memory, and {clue.says}: {clue.line}"
            return SuspicionKind.OOM_KILL, reason, clue
    if success.sharing == 1:
        reason = f"{name}, in which no other job completed, ran out of memory"
        return SuspicionKind.OOM_KILL, reason, None
    if success.sharing <= _MOST_SHARING:
        reason = f"{name} ran out of memory, and any of its {success.sharing} jobs may be the cause"
        return SuspicionKind.OOM_NEARBY, reason, None
    return None


def _output(success: Success) -> _Ground:
    odd = success.odd_output
    return None if odd is None else (_KINDS[odd.oddity], odd.reason, None)


def _stop(success: Success) -> _Ground:
    worker, completed = success.worker, success.result.completed
    if worker is None:
        return None
    if success.step is not None and success.step.cause is EndCause.TIME_LIMIT:
        return _stopped(f"its step in {worker.name} ran out of time")
    if completed is None:
        return None
    ended = worker.status.ended if worker.status else None
    if worker.cause in _TELLS_JOBS and _is_within(completed, ended, _TOLD_BEFORE_END):
        return _stopped(f"it ended when {worker.phrase}")
    if _is_within(completed, worker.node.limit, _TOLD_BEFORE_LIMIT):
        return _stopped(f"it ended when {worker.name} ran out of time")
    return None


def _is_within(completed: datetime, end: datetime | None, before: timedelta) -> bool:
    return end is not None and end - before <= completed <= end + _REPORTED_AFTER


def _stopped(phrase: str) -> _Ground:
    return SuspicionKind.STOPPED, f"{phrase}; it may have saved only a part", None
