"""How a job stands that has not failed itself, for a user who asks why."""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence

from torc_watch.core.model import Dependent, Job, JobStatus

_FAILED = (JobStatus.FAILED, JobStatus.TERMINATED, JobStatus.PENDING_FAILED)
_PHRASES = {
    JobStatus.COMPLETED: "completed",
    JobStatus.CANCELED: "was canceled",
    JobStatus.RUNNING: "is running",
    JobStatus.PENDING: "was claimed by a worker, which has not started it yet",
    JobStatus.READY: "is ready to run: no worker has claimed it yet",
    JobStatus.BLOCKED: "waits for jobs that it depends on",
    JobStatus.DISABLED: "is disabled",
    JobStatus.UNINITIALIZED: "was not started",
}
_BECAUSE_OF_OTHERS = (JobStatus.CANCELED, JobStatus.BLOCKED, JobStatus.UNINITIALIZED)


def job_standing(
    workflow_id: int, job: Job, jobs: Iterable[Job], dependents: Iterable[Dependent]
) -> str:
    """Sentences for people: such as that it was canceled because another failed."""
    phrase = _PHRASES.get(job.status, f"has the status {job.status}")
    failed = None
    if job.status in _BECAUSE_OF_OTHERS:
        failed = _failed_before(job, {each.id: each for each in jobs}, dependents)
    said = f"Job {job.id} ({job.name}) {phrase}"
    if failed is None:
        return f"{said}."
    link = " because" if job.status is JobStatus.CANCELED else ":"
    because = f"{link} job {failed.id} ({failed.name}) failed"
    return f"{said}{because}. Why: torc-watchd why {workflow_id} {failed.id}"


def job_named(job: str, jobs: Sequence[Job]) -> Job | None:
    """The one with this ID, else the first with this name."""
    by_id = (each for each in jobs if str(each.id) == job)
    by_name = (each for each in jobs if each.name == job)
    return next(by_id, None) or next(by_name, None)


def _failed_before(job: Job, jobs: dict[int, Job], dependents: Iterable[Dependent]) -> Job | None:
    """The nearest failed job that it depends on, directly or not."""
    blockers: dict[int, list[int]] = defaultdict(list)
    for each in dependents:
        blockers[each.job_id].append(each.depends_on)
    seen, queue = {job.id}, deque([job.id])
    while queue:
        for blocker in sorted(blockers[queue.popleft()]):
            found = jobs.get(blocker)
            if found is not None and found.status in _FAILED:
                return found
            if blocker not in seen:
                seen.add(blocker)
                queue.append(blocker)
    return None
