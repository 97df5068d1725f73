"""Which failed jobs may run again while others of their workflow run, and why the others may not.

Torc's server does not check which attempt a report is about: only a job whose last attempt has a
result is safe, because the server takes no second result of an attempt. All other jobs wait until
the workflow is at rest.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from torc_watch.core.allocation import AllocationState, EndCause
from torc_watch.core.cause import Remedy
from torc_watch.core.findings import Finding
from torc_watch.core.model import (
    Dependent,
    Job,
    JobCounts,
    JobResult,
    JobStatus,
    Workflow,
)
from torc_watch.core.recovery_round import ApprovalLimits, RecoverySettings
from torc_watch.core.return_code import ORPHANED
from torc_watch.core.sizing_policy import SizingPolicy
from torc_watch.core.worker_end import WorkerEnd

FAILED_IN_PLACE = (JobStatus.FAILED, JobStatus.TERMINATED)
_ACTIVE = (JobStatus.READY, JobStatus.PENDING, JobStatus.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastAttempt:
    """A failed job and its last result, if any; ``retries`` counts those in place so far."""

    job: Job
    result: JobResult | None
    retries: int = 0


def is_wanted(settings: RecoverySettings, *, is_of_slurm: bool) -> bool:
    """Allocations on this machine wait in no queue: there a round comes soon enough.

    Nor is it the default with the user's multipliers, by which all is as `torc watch` does it.
    """
    if settings.max_retries == 0:
        return False
    by_default = is_of_slurm and settings.sizing is SizingPolicy.EVIDENCE
    return by_default if settings.in_place is None else settings.in_place


def why_off(settings: RecoverySettings, workflow: Workflow, *, is_tested: bool) -> str:
    """Why no job of a workflow is retried in place, for users; empty where some may be.

    ``is_tested`` is of the version of Torc's server.
    """
    if settings.approval != ApprovalLimits():
        return "plans wait for approval"
    if workflow.use_pending_failed:
        return "failures of this workflow wait for the user (use_pending_failed)"
    return "" if is_tested else "it was not tested with this version of Torc"


def is_worth_a_look(counts: JobCounts) -> bool:
    """Whether jobs have failed, and others run or are about to. Otherwise all is over soon."""
    return bool(counts.of(*FAILED_IN_PLACE) and counts.of(*_ACTIVE))


def objection(attempt: LastAttempt, run_id: int, max_retries: int | None) -> str | None:
    """Why the job waits until the workflow is at rest, whatever made it fail; None if it may not.

    ``run_id`` is the workflow's run.
    """
    job, result = attempt.job, attempt.result
    if job.status not in FAILED_IN_PLACE:
        return f"its status is {job.status}"
    if job.has_failure_handler:
        return "its failure handler counts the attempts"
    if result is None or (result.run_id, result.attempt) != (run_id, job.attempt):
        return "its last attempt has no result"
    if result.return_code == ORPHANED:
        return "its worker was lost, and may still run it"
    if max_retries is not None and attempt.retries >= max_retries:
        return retried_in_vain(attempt.retries)
    return None


def bound_jobs(
    dependents: Iterable[Dependent], waiting: Iterable[Job], counted: Iterable[int]
) -> frozenset[int]:
    """The IDs of jobs that only a new run repeats with all that follows from them.

    The ends of some are ``counted`` by actions, which would take the failure for one more. Others
    did not hold back a dependent, which is not among those that are ``waiting``: in this run it
    does not run again.
    """
    held_back = {job.id for job in waiting if job.status is not JobStatus.READY}
    released = {each.depends_on for each in dependents if each.job_id not in held_back}
    return frozenset(released.union(counted))


def retried_in_vain(retries: int) -> str:
    times = {1: "once", 2: "twice"}.get(retries, f"{retries} times")
    return f"it was retried {times} while others ran, in vain"


def objection_to_cause(
    finding: Finding,
    worker: WorkerEnd | None,
    ended_by_us: Collection[int],
    *,
    limits_memory: bool,
) -> str | None:
    """The same by what made it fail. ``worker`` is the end of the one that ran it, if known.

    ``ended_by_us`` are the scheduler's numbers of allocations that rounds of recovery canceled.
    Unless the workflow ``limits_memory`` of its jobs, only a larger allocation has more for one.
    """
    if finding.remedy is Remedy.RAISE_MEMORY and not limits_memory:
        return "its allocation has no more memory"
    if finding.remedy in (Remedy.RAISE_MEMORY, Remedy.RAISE_RUNTIME):
        return None
    if finding.remedy is not Remedy.RETRY or not finding.cause.is_interruption:
        return finding.reason
    if worker is None or worker.allocation is None or has_yet_to_end(worker):
        return "its worker is still there"  # and may interrupt it again
    if worker.cause is EndCause.CANCELED and worker.allocation.scheduler_id not in ended_by_us:
        return f"{worker.phrase}"
    return None


def has_yet_to_end(worker: WorkerEnd) -> bool:
    return worker.status is not None and worker.status.state is not AllocationState.GONE
