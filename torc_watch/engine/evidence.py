"""What is known of each failed job, from all who know something of it."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from torc_watch.core.clue import Clue, Weight
from torc_watch.core.evidence import Evidence
from torc_watch.core.kill_owner import KillSuspect, kills_by_job
from torc_watch.core.memory_kill import MemoryKill
from torc_watch.core.model import Allocation, Job, JobResult, Requirements, Workflow
from torc_watch.core.worker_end import WorkerEnd
from torc_watch.engine.job_outputs import WrittenClues
from torc_watch.engine.step_search import JobPlaces
from torc_watch.failures.step_lines import allocations_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What the server knows of the failed jobs of a workflow.

    ``results`` are by the job's ID; ``workers`` are the ends of those that may explain some, by the
    node's ID.
    """

    workflow: Workflow
    jobs: Collection[Job]
    results: Mapping[int, JobResult]
    workers: Mapping[int, WorkerEnd]
    requirements_of: Callable[[Job], Requirements | None]


def gather_evidence(
    reported: Reported, places: JobPlaces, written: WrittenClues
) -> Iterator[Evidence]:
    """Job by job."""
    kills = _kills(reported, places, written)
    for job in reported.jobs:
        result = reported.results.get(job.id)
        if result is None:
            yield _without_result(job, reported)
            continue
        step = places.step_of(result, reported.workflow)
        of_step = written.by_step.get(step.id, ()) if step else ()
        allocation = places.allocation_of(result)
        of_job = _of_allocation(written.by_job.get(job.id, ()), allocation)
        yield Evidence(
            job=job,
            result=replace(result, peak_memory=places.peak_of(result)),
            requirements=reported.requirements_of(job),
            kill_codes=reported.workflow.kill_codes,
            worker=reported.workers.get(result.compute_node_id or 0),
            is_step=reported.workflow.spreads_jobs,
            step=step,
            clues=(*of_job, *of_step),
            silence=written.silent.get(job.id),
            beside=_beside(result, reported.workflow, places, written),
            kills=kills.get(job.id, ()),
            node=places.node_of(result, reported.workflow).shown,
        )


def _without_result(job: Job, reported: Reported) -> Evidence:
    return Evidence(job=job, result=None, requirements=reported.requirements_of(job))


def _of_allocation(clues: tuple[Clue, ...], allocation: Allocation | None) -> tuple[Clue, ...]:
    """Without what Slurm says of other allocations: a job may print their logs."""
    if allocation is None:
        return clues
    own = {allocation.scheduler_id}
    return tuple(
        clue
        for clue in clues
        if clue.weight is not Weight.SCHEDULER or allocations_in(clue.line) <= own
    )


def _beside(
    result: JobResult, workflow: Workflow, places: JobPlaces, written: WrittenClues
) -> tuple[Clue, ...]:
    """What Slurm says of the step in which a worker runs all jobs that are none of their own."""
    allocation = places.allocation_of(result)
    if allocation is None or workflow.spreads_jobs:
        return ()
    return written.by_step.get(f"{allocation.scheduler_id}.batch", ())


def _kills(
    reported: Reported, places: JobPlaces, written: WrittenClues
) -> Mapping[int, tuple[MemoryKill, ...]]:
    """By the job's ID."""
    if not written.kills:
        return {}
    suspects: dict[int, list[KillSuspect]] = {}
    for job in reported.jobs:
        result = reported.results.get(job.id)
        allocation = places.allocation_of(result) if result else None
        if result is None or allocation is None:
            continue
        suspect = KillSuspect(
            job=job,
            result=result,
            step=places.step_of(result, reported.workflow),
            pids=written.killed.get(job.id, frozenset()),
        )
        suspects.setdefault(allocation.scheduler_id, []).append(suspect)
    found: dict[int, tuple[MemoryKill, ...]] = {}
    for number, kills in written.kills.items():
        found |= kills_by_job(kills, suspects.get(number, ()))
    return found
