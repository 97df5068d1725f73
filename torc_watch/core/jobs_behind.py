"""The jobs that wait for others, and run after them in a round."""

from collections.abc import Collection

from torc_watch.core.model import JobStatus
from torc_watch.core.situation import Situation

_WAITS_FOR_JOBS = (JobStatus.BLOCKED, JobStatus.CANCELED)


def jobs_behind(situation: Situation, restarted: Collection[int] | None) -> int:
    """How many of them there are at most.

    ``restarted`` are the dependents of the jobs that are reset; None where they are not known, then
    all that wait count. One that also waits for a job that is left alone counts, too.
    """
    waiting = (job.id for job in situation.waiting if job.status in _WAITS_FOR_JOBS)
    return sum(restarted is None or job_id in restarted for job_id in waiting)
