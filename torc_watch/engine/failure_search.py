"""Why the jobs of a workflow failed: what the server and the schedulers know of it.

Only reads, but for a file that shows whether there is room, and is removed at once.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torc_watch.core import assessment, diagnosis
from torc_watch.core.assessment import Observation, Orphans
from torc_watch.core.cancellation import EndedAllocation
from torc_watch.core.clue import Clue
from torc_watch.core.findings import Finding
from torc_watch.core.in_place_gate import has_yet_to_end
from torc_watch.core.job_request import DEFAULT_REQUIREMENTS
from torc_watch.core.model import (
    SLURM,
    ComputeNode,
    Job,
    JobCounts,
    JobResult,
    JobStatus,
    Requirements,
    Workflow,
)
from torc_watch.core.return_code import ORPHANED, OUT_OF_MEMORY, TOLD_TO_END
from torc_watch.core.worker_end import WorkerEnd
from torc_watch.engine.error_output import error_folders
from torc_watch.engine.evidence import Reported, gather_evidence
from torc_watch.engine.job_outputs import Failures, JobOutputs
from torc_watch.engine.messages import Diagnosis
from torc_watch.engine.orphan_search import find_orphans
from torc_watch.engine.sibling_search import SiblingSearch
from torc_watch.engine.silent_failures import SilentFailures
from torc_watch.engine.step_search import JobPlaces, find_places
from torc_watch.engine.worker_ends import find_worker_ends
from torc_watch.schedulers.cluster import Cluster
from torc_watch.torc.client import TorcClient
from torc_watch.torc.offline_journal import OfflineResults, read_offline_results


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reports:
    """What workers reported of failed jobs.

    ``results`` has the last result of each, by the job's ID; ``workers`` the ends of those workers
    that may explain one, by the node's ID; ``requirements`` the rows of the workflow, by their IDs.
    ``nodes`` are all workers, None where they were not asked for.
    """

    results: Mapping[int, JobResult]
    workers: Mapping[int, WorkerEnd]
    requirements: Mapping[int, Requirements]
    nodes: Collection[ComputeNode] | None

    def requirements_of(self, job: Job) -> Requirements | None:
        """The job's row; jobs without one run on the row that the server made for them."""
        rows = self.requirements
        if job.requirements_id is not None:
            return rows.get(job.requirements_id)
        return next((row for row in rows.values() if row.name == DEFAULT_REQUIREMENTS), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedJobs:
    """Jobs that failed while others run. ``workers`` are the ends of theirs, by the job's ID.

    ``early`` are the IDs of jobs that may have ended with their allocations, which have not yet.
    """

    findings: tuple[Finding, ...]
    workers: Mapping[int, WorkerEnd]
    early: frozenset[int]
    unread: int = 0


class FailureSearch:
    """Asks for failed jobs and their results, never for the completed ones."""

    def __init__(self, client: TorcClient, cluster: Cluster, outputs: JobOutputs) -> None:
        self._client = client
        self._cluster = cluster
        self._outputs = outputs
        self._silent = SilentFailures(client, outputs)

    async def diagnose(
        self, observation: Observation, counts: JobCounts, output_dir: Path
    ) -> Diagnosis:
        """Why each failed job failed, and which orphans dead workers left.

        ``output_dir`` is that of the workers. Raises SchedulerError and ServerError.
        """
        workflow = observation.workflow
        reports = await self._reports(workflow, counts, observation.allocations)
        orphans = await find_orphans(
            self._client,
            self._cluster,
            observation,
            reports.requirements_of,
            reports.results.values(),
            partial(self._read, workflow, output_dir),
        )
        failed, unread = await self._failures(workflow, counts, reports, output_dir)
        return Diagnosis(
            counts=_after_release(counts, orphans),
            unread=unread,
            findings=(*failed, *(orphan.finding for orphan in orphans.running)),
            orphans=orphans,
            ended=_ended(observation.allocations, reports.workers),
            offline=_offline_results(output_dir, workflow, orphans),
        )

    async def _read(
        self, workflow: Workflow, output_dir: Path, failures: Failures
    ) -> Mapping[int, tuple[Clue, ...]]:
        folders = error_folders(output_dir, workflow.submission_directory)
        return (await self._outputs.clues(folders, workflow.id, failures)).by_job

    async def is_early(self, workflow: Workflow, counts: JobCounts) -> bool:
        """Whether an allocation that took jobs along has yet to end, or its end to be known.

        Raises SchedulerError and ServerError.
        """
        if not _failure_statuses(counts):
            return False
        reports = await self._reports(workflow, counts)
        stopped = {
            result.compute_node_id
            for result in reports.results.values()
            if _may_have_been_stopped(result)
        }
        return any(
            has_yet_to_end(worker)
            for node_id, worker in reports.workers.items()
            if node_id in stopped or _is_of_slurm(worker)
        )

    async def failures(
        self, workflow: Workflow, counts: JobCounts, output_dir: Path
    ) -> tuple[Finding, ...]:
        """Why each job failed that has failed so far, while others may still run."""
        if not _failure_statuses(counts):
            return ()
        reports = await self._reports(workflow, counts)
        findings, _ = await self._failures(workflow, counts, reports, output_dir)
        return findings

    async def explain(
        self,
        observation: Observation,
        jobs: Sequence[Job],
        results: Mapping[int, JobResult],
        output_dir: Path,
    ) -> ExplainedJobs:
        """Why these jobs failed, each of which has its result, while others may still run.

        Raises SchedulerError and ServerError.
        """
        reports = await self._with_workers(
            observation.workflow, {job.id: results[job.id] for job in jobs}, observation.allocations
        )
        workers = {
            job_id: worker
            for job_id, result in reports.results.items()
            if (worker := reports.workers.get(result.compute_node_id or 0))
        }
        early = {
            job_id
            for job_id, worker in workers.items()
            if _may_have_been_stopped(results[job_id]) and has_yet_to_end(worker)
        }
        known = [job for job in jobs if job.id not in early]
        findings, unread = await self._explain(observation.workflow, known, reports, output_dir)
        return ExplainedJobs(
            findings=findings, workers=workers, early=frozenset(early), unread=unread
        )

    async def _failures(
        self, workflow: Workflow, counts: JobCounts, reports: _Reports, output_dir: Path
    ) -> tuple[tuple[Finding, ...], int]:
        """The findings, and of how many jobs the output could not be read."""
        jobs = [
            job
            for status in _failure_statuses(counts)
            for job in await self._client.list_jobs(workflow.id, status)
        ]
        return await self._explain(workflow, jobs, reports, output_dir)

    async def _explain(
        self, workflow: Workflow, jobs: Sequence[Job], reports: _Reports, output_dir: Path
    ) -> tuple[tuple[Finding, ...], int]:
        ended = [(job, reports.results[job.id]) for job in jobs if job.id in reports.results]
        places = await self._places(workflow, reports)
        folders = error_folders(output_dir, workflow.submission_directory)
        numbers = {each.scheduler_id for each in places.allocations.values()}
        written = await self._outputs.clues(folders, workflow.id, ended, numbers)
        evidence = gather_evidence(
            Reported(
                workflow=workflow,
                jobs=jobs,
                results=reports.results,
                workers=reports.workers,
                requirements_of=reports.requirements_of,
            ),
            places,
            written,
        )
        known = await self._silent.explain(workflow, list(evidence), written, places.nodes)
        findings = [diagnosis.diagnose(each) for each in known]
        search = SiblingSearch(self._client, self._cluster, workflow)
        return await search.blame_nodes(findings, reports.results, places), written.unread

    async def _places(self, workflow: Workflow, reports: _Reports) -> JobPlaces:
        results = list(reports.results.values())
        nodes = reports.nodes
        if nodes is None:
            has_any = any(result.compute_node_id is not None for result in results)
            nodes = await self._client.list_compute_nodes(workflow.id) if has_any else []
        return await find_places(self._client, self._cluster, workflow, nodes, results)

    async def _reports(
        self, workflow: Workflow, counts: JobCounts, known: Collection[EndedAllocation] = ()
    ) -> _Reports:
        results = {
            result.job_id: result
            for status in _failure_statuses(counts)
            for result in await self._client.list_results(workflow.id, status)
        }
        return await self._with_workers(workflow, results, known)

    async def _with_workers(
        self,
        workflow: Workflow,
        results: Mapping[int, JobResult],
        known: Collection[EndedAllocation],
    ) -> _Reports:
        rows = await self._client.list_requirements(workflow.id)
        explained = {
            result.compute_node_id
            for result in results.values()
            if _may_have_been_stopped(result) or result.return_code in (OUT_OF_MEMORY, ORPHANED)
        }
        nodes = await self._client.list_compute_nodes(workflow.id) if explained else None
        return _Reports(
            results=results,
            workers=await find_worker_ends(
                self._client,
                self._cluster,
                workflow.id,
                [node for node in nodes or () if node.id in explained],
                known,
            ),
            requirements={row.id: row for row in rows},
            nodes=nodes,
        )


def _may_have_been_stopped(result: JobResult) -> bool:
    """Whether the end of its worker may explain it."""
    is_stopped = result.status in (JobStatus.TERMINATED, JobStatus.PENDING_FAILED)
    return is_stopped or result.return_code == TOLD_TO_END


def _is_of_slurm(worker: WorkerEnd) -> bool:
    """At its end Slurm says whether any process was killed for its memory."""
    return worker.allocation is not None and worker.allocation.scheduler_type == SLURM


def _failure_statuses(counts: JobCounts) -> list[JobStatus]:
    return [status for status in assessment.FAILURES if counts.of(status)]


def _after_release(counts: JobCounts, orphans: Orphans) -> JobCounts:
    """The counts once dead workers' claims are given back, which is before a plan is made."""
    released = len(orphans.claimed)
    return JobCounts(
        {
            **counts.by_status,
            JobStatus.PENDING: counts.of(JobStatus.PENDING) - released,
            JobStatus.READY: counts.of(JobStatus.READY) + released,
        }
    )


def _ended(
    known: Collection[EndedAllocation], workers: Mapping[int, WorkerEnd]
) -> tuple[EndedAllocation, ...]:
    """The open allocations, and those that took jobs along whose results were reported."""
    ended = {allocation.id: (allocation, status) for allocation, status in known}
    for worker in workers.values():
        if worker.allocation is not None and worker.status is not None:
            ended[worker.allocation.id] = worker.allocation, worker.status
    return tuple(ended.values())


def _offline_results(output_dir: Path, workflow: Workflow, orphans: Orphans) -> OfflineResults:
    """Of the jobs that seem to be orphans: most workflows have none, and no file is looked for."""
    jobs = [orphan.job.id for orphan in orphans.running]
    if not jobs:
        return OfflineResults()
    return read_offline_results(output_dir, workflow.id, workflow.run_id, jobs)
