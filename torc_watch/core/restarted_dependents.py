"""The dependents that Torc restarts along with the jobs on which they depend."""

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from torc_watch.core.model import Dependent, JobStatus
from torc_watch.core.recovery_round import Repeat, Retry, Skip
from torc_watch.core.situation import Situation


def restarted_dependents(situation: Situation, retries: Iterable[Retry]) -> dict[int, str] | None:
    """The names, by id, of the dependents that Torc restarts along with the jobs that are reset."""
    if situation.dependents is None:
        return None
    reset = [retry.job_id for retry in retries]
    reset += [job.id for job in situation.waiting if job.status is JobStatus.UNINITIALIZED]
    return all_dependents(reset, situation.dependents)


def all_dependents(jobs: Iterable[int], dependents: Iterable[Dependent]) -> dict[int, str]:
    """The names, by id, of all direct and indirect dependents of ``jobs``."""
    waiting: dict[int, list[Dependent]] = {}
    for dependent in dependents:
        waiting.setdefault(dependent.depends_on, []).append(dependent)
    found: dict[int, str] = {}
    blockers = deque(jobs)
    while blockers:
        for dependent in waiting.pop(blockers.popleft(), ()):
            found[dependent.job_id] = dependent.job_name
            blockers.append(dependent.job_id)
    return found


def with_restart(left: Skip, restarted: Collection[int]) -> Skip:
    return replace(left, restarts_anyway=left.restarts_anyway or left.job_id in restarted)


def repeated_jobs(
    situation: Situation, restarted: Mapping[int, str], retries: Iterable[Retry]
) -> tuple[Repeat, ...]:
    """Those ``restarted`` dependents that have neither failed nor yet to run."""
    known = {finding.job.id for finding in situation.findings}
    known |= {job.id for job in situation.waiting} | {retry.job_id for retry in retries}
    return tuple(
        Repeat(job_id=job_id, job_name=name)
        for job_id, name in sorted(restarted.items())
        if job_id not in known
    )
