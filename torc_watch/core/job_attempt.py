"""Which attempt of a job is meant, and what is known of its output before a file is opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torc_watch.core.errors import InvalidInput
from torc_watch.core.model import Job, JobResult, JobStatus, Workflow

_BEFORE_A_START = (JobStatus.UNINITIALIZED, JobStatus.BLOCKED, JobStatus.READY, JobStatus.PENDING)
_UNDER_WAY = (JobStatus.PENDING, JobStatus.RUNNING)
_UNFINISHED = (*_BEFORE_A_START, JobStatus.RUNNING, JobStatus.UNRECOGNIZED)
_ELSEWHERE = "its runner has another output folder: give that as --output-dir"
_UNWRITTEN = {  # by the mode of the workflow's `stdio`
    "none": "the workflow keeps no output of jobs (stdio mode none)",
    "no_stdout": "the workflow keeps no standard output of jobs (stdio mode no_stdout)",
    "no_stderr": "the workflow keeps no error output of jobs (stdio mode no_stderr)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """``result`` is None while it runs, and for one that Torc itself tried again."""

    run_id: int
    attempt: int
    result: JobResult | None = None


def is_over(job: Job) -> bool:
    return job.status not in _UNFINISHED


def has_ended(workflow: Workflow, job: Job, attempt: Attempt) -> bool:
    """Whether this very attempt is over; another one of the job may run."""
    later = (workflow.run_id, job.attempt) > (attempt.run_id, attempt.attempt)
    return later or attempt.result is not None or is_over(job)


def chosen_attempt(
    workflow: Workflow,
    job: Job,
    results: Sequence[JobResult],
    *,
    run_id: int | None = None,
    attempt: int | None = None,
) -> Attempt:
    """The one that runs, else the last one, of all runs or of the one that is asked for.

    Raises InvalidInput for a run that has not been.
    """
    if run_id is not None and run_id > workflow.run_id:
        raise InvalidInput(
            f"Workflow {workflow.id} is in run {workflow.run_id}, and has no run {run_id} yet."
        )
    run = _last_run(workflow, job, results) if run_id is None else run_id
    number = _last_attempt(workflow, job, results, run) if attempt is None else attempt
    known = (each for each in results if (each.run_id, each.attempt) == (run, number))
    return Attempt(run_id=run, attempt=number, result=next(known, None))


def _last_run(workflow: Workflow, job: Job, results: Sequence[JobResult]) -> int:
    if job.status in _UNDER_WAY or not results:
        return workflow.run_id
    return max(each.run_id for each in results)


def _last_attempt(workflow: Workflow, job: Job, results: Sequence[JobResult], run_id: int) -> int:
    if run_id == workflow.run_id and job.status in _UNDER_WAY:
        return job.attempt
    of_run = [each.attempt for each in results if each.run_id == run_id]
    return max(of_run, default=job.attempt if run_id == workflow.run_id else 1)


def why_no_output(job: Job, attempt: Attempt, config: Mapping[str, Any]) -> str:
    """Why an attempt may have left no file; ``config`` is the workflow's ``execution_config``."""
    if attempt.result is None and job.status in _BEFORE_A_START:
        return f"it has not started: it is {job.status.value}"
    if attempt.result is None and job.status in (JobStatus.CANCELED, JobStatus.DISABLED):
        return f"it never ran: it is {job.status.value}"
    stdio = _stdio_of(job, config)
    if unwritten := _UNWRITTEN.get(str(stdio.get("mode"))):
        return unwritten
    if stdio.get("delete_on_success") is True and _has_succeeded(job, attempt):
        return "Torc deleted it when the job succeeded (delete_on_success)"
    if attempt.result is None and job.status is JobStatus.RUNNING:
        return _ELSEWHERE
    return f"it was deleted, or {_ELSEWHERE}"


def _has_succeeded(job: Job, attempt: Attempt) -> bool:
    status = attempt.result.status if attempt.result else job.status
    return status is JobStatus.COMPLETED


def _stdio_of(job: Job, config: Mapping[str, Any]) -> Mapping[str, Any]:
    overrides = config.get("job_stdio_overrides")
    own = overrides.get(job.name) if isinstance(overrides, dict) else None
    found = own if isinstance(own, dict) else config.get("stdio")
    return found if isinstance(found, dict) else {}
