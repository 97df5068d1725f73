"""Why a job ended that its worker never reported, and the result that is recorded of it.

The result is what a worker of Torc would have reported, and the cause is what ``diagnosis`` says of
it. So the cause survives a crash after the result was recorded, and Torc's own tools say the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from torc_watch.core import diagnosis, units
from torc_watch.core.allocation import EndCause, StepEnd
from torc_watch.core.clue import Clue, Weight
from torc_watch.core.diagnosis import NEAR_LIMIT
from torc_watch.core.evidence import Evidence
from torc_watch.core.fact import Confidence, Fact, Source
from torc_watch.core.findings import Finding
from torc_watch.core.job_node import node_of_job
from torc_watch.core.job_request import runtime_limit
from torc_watch.core.model import Job, JobResult, JobStatus, Requirements
from torc_watch.core.return_code import ORPHANED, OUT_OF_MEMORY, OUT_OF_TIME
from torc_watch.core.worker_end import WorkerEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphanEvidence:
    """What is known of a job that still counts as running.

    ``node_id`` is a compute node that its result can name. ``worker`` is None where the job's own
    has deregistered, ``step`` where the job was no step, or accounting has no end of it. ``clues``
    are what its output says, where its step failed.
    ``suspects`` counts the jobs that may have used up the memory of its allocation.
    """

    job: Job
    requirements: Requirements | None
    run_id: int
    node_id: int
    worker: WorkerEnd | None = None
    step: StepEnd | None = None
    suspects: int = 1
    clues: tuple[Clue, ...] = ()

    @property
    def has_failed(self) -> bool:
        """Whether its step ended by itself, with an error, or was told to end."""
        step = self.step
        return step is not None and step.cause is EndCause.FAILED and bool(step.return_code)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphanedJob:
    """A job that a dead worker left ``running``, with the finding about it and its result.

    ``node_id`` is the compute node that the result names.
    """

    finding: Finding
    result: JobResult
    node_id: int

    @property
    def job(self) -> Job:
        return self.finding.job


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """``reason`` is empty where the return code says all there is to say."""

    reason: str
    return_code: int = ORPHANED
    exec_seconds: float = 0.0  # Torc's value for a job whose run time was not measured
    at: datetime | None = None


def explain_orphan(evidence: OrphanEvidence) -> OrphanedJob:
    """The most likely cause, and the result to record: failed, with a return code that says it.

    Where it may be the job's own fault or not, it counts as interrupted: it runs again with what
    it asked for, in an allocation of its own round, where the same end is certain.
    """
    end = _end_of_step(evidence) or _end_of_allocation(evidence)
    result = JobResult(
        job_id=evidence.job.id,
        run_id=evidence.run_id,
        attempt=evidence.job.attempt,
        status=JobStatus.FAILED,  # not terminated: Torc starts those over whenever it initializes
        return_code=end.return_code,
        exec_seconds=end.exec_seconds,
        peak_memory=None,
        compute_node_id=evidence.node_id,
        completed=end.at or (evidence.worker.ended if evidence.worker else None),
    )
    finding = diagnosis.diagnose(
        Evidence(
            job=replace(evidence.job, status=result.status),
            result=result,
            requirements=evidence.requirements,
            worker=evidence.worker if end.return_code == ORPHANED else None,
            clues=evidence.clues,
        )
    )
    return OrphanedJob(
        finding=replace(
            finding,
            reason=end.reason or finding.reason,
            node=_node(evidence),
            confidence=Confidence.PROVEN if evidence.worker else Confidence.LIKELY,
            facts=tuple(_facts(evidence)),
        ),
        result=result,
        node_id=evidence.node_id,
    )


def _end_of_step(evidence: OrphanEvidence) -> _End | None:
    """The state of the job's own step outranks that of its allocation."""
    step, worker = evidence.step, evidence.worker
    if step is None or worker is None:
        return None
    if step.cause is EndCause.OUT_OF_MEMORY:
        reason = f"its step in {worker.name} ran out of memory"
        return _End(reason=reason, return_code=OUT_OF_MEMORY)
    says_why = any(clue.weight is Weight.FATAL for clue in evidence.clues)
    by_itself = says_why or not worker.may_have_stopped_job(step.ended)
    if evidence.has_failed and by_itself and step.ended is not None:
        return _End(
            reason="",
            return_code=step.return_code,
            exec_seconds=_run_time(evidence) or 0.0,
            at=step.ended,
        )
    return None


def _end_of_allocation(evidence: OrphanEvidence) -> _End:
    worker = evidence.worker
    if worker is None:
        return _End(reason="its worker is gone")
    if evidence.step is not None and evidence.step.cause is EndCause.TIME_LIMIT:
        return _end_of_time(evidence, f"its step in {worker.name} ran out of time")
    if worker.cause is EndCause.TIME_LIMIT:
        return _end_of_time(evidence, worker.phrase)
    if worker.cause is EndCause.OUT_OF_MEMORY and evidence.step is None:
        return _end_of_memory(evidence, worker)
    return _End(reason=worker.phrase)


def _end_of_time(evidence: OrphanEvidence, phrase: str) -> _End:
    """A job that had its whole run time needs more; one that began late needs an allocation."""
    limit = runtime_limit(evidence.requirements)
    ran = _run_time(evidence)
    if limit is None or ran is None:
        return _End(reason=phrase)
    at_most = "" if _start_is_known(evidence) else "at most "
    had = f"{at_most}{units.duration_text(ran)} of its {units.duration_text(limit)}"
    reason = f"{phrase}; the job had run {had}"
    if ran < NEAR_LIMIT * limit:
        return _End(reason=reason)
    # More than the limit is worth knowing, unless it is only the age of the worker.
    exec_seconds = ran if _start_is_known(evidence) else min(ran, limit)
    return _End(reason=reason, return_code=OUT_OF_TIME, exec_seconds=exec_seconds)


def _end_of_memory(evidence: OrphanEvidence, worker: WorkerEnd) -> _End:
    """Of several jobs nothing says which used it up, and raising them all is no better a guess."""
    if evidence.suspects == 1:
        return _End(reason=worker.phrase, return_code=OUT_OF_MEMORY)
    if not evidence.suspects:
        return _End(reason=f"{worker.phrase}, which another job used up")
    return _End(reason=f"{worker.phrase}, and any of its {evidence.suspects} jobs may be the cause")


def _start_is_known(evidence: OrphanEvidence) -> bool:
    step_began = evidence.step.began if evidence.step else None
    return (step_began or evidence.job.started) is not None


def _run_time(evidence: OrphanEvidence) -> float | None:
    """In seconds; an upper bound where only the start of the worker is known."""
    step, worker = evidence.step, evidence.worker
    began = (step.began if step else None) or evidence.job.started
    ended = step.ended if step else None
    if worker is not None:
        began = began or worker.node.started
        ended = ended or worker.ended
    if began is None or ended is None:
        return None
    return max(0.0, (ended - began).total_seconds())


def _node(evidence: OrphanEvidence) -> str | None:
    worker = evidence.worker.node if evidence.worker else None
    return node_of_job(worker, step=evidence.step).shown


def _facts(evidence: OrphanEvidence) -> Iterator[Fact]:
    if evidence.worker is not None and evidence.worker.cause is not None:
        yield Fact(source=Source.ALLOCATION, text=evidence.worker.phrase)
    if evidence.step is not None and evidence.step.detail:
        yield Fact(source=Source.STEP, text=evidence.step.detail)
