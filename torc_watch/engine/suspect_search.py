"""Completed jobs whose success is suspect, of a workflow at rest. Only reads.

Files are looked at in the thread that reads outputs, within its time; what jobs have written is
read for few of them.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torc_watch.core import assessment
from torc_watch.core.allocation import AllocationState, EndCause, StepEnd
from torc_watch.core.clue import Clue
from torc_watch.core.errors import SchedulerError, ServerError
from torc_watch.core.findings import Finding
from torc_watch.core.model import SLURM, ComputeNode, JobCounts, JobResult, JobStatus, Workflow
from torc_watch.core.output_files import OddOutput
from torc_watch.core.return_code import KILLED, ORPHANED
from torc_watch.core.suspect_inputs import explained, suspect_inputs
from torc_watch.core.suspect_success import Success, Suspicion, suspicion_of
from torc_watch.core.worker_end import WorkerEnd
from torc_watch.engine.declared_outputs import NO_FILES, DeclaredOutputs, Successes
from torc_watch.engine.error_output import error_folders
from torc_watch.engine.job_outputs import JobOutputs
from torc_watch.engine.messages import Diagnosis
from torc_watch.engine.step_search import find_steps
from torc_watch.engine.worker_ends import find_worker_ends
from torc_watch.schedulers.cluster import Cluster
from torc_watch.torc.client import TorcClient
from torc_watch.torc.declared_files import JobFiles, count_files, list_job_files

_MAX_SUCCESSES = 20_000
_MAX_FILES = 50_000
_MAX_OUTPUTS = 100  # of jobs, that are read
_HINTS = (EndCause.OUT_OF_MEMORY, EndCause.TIME_LIMIT, EndCause.CANCELED, EndCause.PREEMPTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectReport:
    """``unchecked`` says, for people, what was not looked at; usually empty.

    ``is_early`` says that nothing was: it is not known yet how an allocation ended.
    """

    suspects: tuple[Suspicion, ...] = ()
    unchecked: str = ""
    is_early: bool = False


class SuspectSearch:
    """Asks for completed jobs only where a file or the end of a worker may speak against one."""

    def __init__(self, client: TorcClient, cluster: Cluster, outputs: JobOutputs) -> None:
        self._client = client
        self._cluster = cluster
        self._outputs = outputs
        self._declared = DeclaredOutputs(client, outputs)

    async def with_suspects(
        self, diagnosis: Diagnosis, workflow: Workflow, output_dir: Path
    ) -> tuple[Diagnosis, str]:
        """The diagnosis with the suspects, in the reasons of the jobs behind them too.

        Also what was not looked at, for people. Raises ServerError where there are suspects.
        """
        ended = [orphan.result for orphan in diagnosis.orphans.running]
        report = await self.find(workflow, diagnosis.counts, output_dir, diagnosis.findings, ended)
        if not report.suspects:
            return diagnosis, report.unchecked
        findings = diagnosis.findings
        if findings:
            dependents = await self._client.list_dependents(workflow.id) or ()
            findings = explained(findings, suspect_inputs(findings, report.suspects, dependents))
        return replace(diagnosis, findings=findings, suspects=report.suspects), report.unchecked

    async def find(
        self,
        workflow: Workflow,
        counts: JobCounts,
        output_dir: Path,
        findings: Collection[Finding] = (),
        orphans: Iterable[JobResult] = (),
        *,
        may_wait: bool = False,
    ) -> SuspectReport:
        """``findings`` are those on failed jobs, ``orphans`` results that are yet to be recorded.

        With ``may_wait``, nothing is looked at before it is known how each allocation ended.
        """
        completed = counts.of(JobStatus.COMPLETED)
        if not completed:
            return SuspectReport()
        if completed > _MAX_SUCCESSES:
            return SuspectReport(unchecked=f"more than {_MAX_SUCCESSES:,} jobs completed")
        try:
            nodes = await self._client.list_compute_nodes(workflow.id)
            ends, unchecked = await self._worker_ends(workflow, nodes)
            if may_wait and any(map(_has_yet_to_end, ends.values())):
                return SuspectReport(is_early=True)
            files = await count_files(self._client.transport, workflow.id)
            telling = {number: end for number, end in ends.items() if _may_tell(end)}
            if files > _MAX_FILES:
                unchecked, files = f"there are more than {_MAX_FILES:,} files", 0
            seen = await self._declared.look(workflow, nodes) if files else NO_FILES
            unchecked = unchecked or seen.unseen
            may_be_odd = seen.may_be_odd(findings)
            if not may_be_odd and not telling:
                return SuspectReport(unchecked=unchecked)
            successes = await self._successes(workflow, nodes, telling, with_files=may_be_odd)
            odd: Mapping[int, OddOutput] = {}
            if may_be_odd:
                odd = await self._declared.odd(workflow, successes, seen, findings)
            suspects = await self._suspects(workflow, output_dir, successes, odd, orphans)
        except ServerError as error:  # nor for a list that a server cannot give
            return SuspectReport(unchecked=str(error))
        return SuspectReport(suspects=suspects, unchecked=unchecked)

    async def _worker_ends(
        self, workflow: Workflow, nodes: Iterable[ComputeNode]
    ) -> tuple[dict[int, WorkerEnd], str]:
        """Of the workers in Slurm, by the node's ID, and why they are not known."""
        allocations = {
            each.id
            for each in await self._client.list_allocations(workflow.id)
            if each.scheduler_type == SLURM
        }
        of_slurm = [node for node in nodes if node.allocation_id in allocations]
        if not of_slurm:
            return {}, ""
        try:
            return await find_worker_ends(self._client, self._cluster, workflow.id, of_slurm), ""
        except SchedulerError as error:  # success does not wait for Slurm
            return {}, str(error)

    async def _successes(
        self,
        workflow: Workflow,
        nodes: Iterable[ComputeNode],
        ends: Mapping[int, WorkerEnd],
        *,
        with_files: bool,
    ) -> Successes:
        client, completed = self._client, JobStatus.COMPLETED
        rows = await client.list_requirements(workflow.id)
        results = await client.list_results(workflow.id, completed)
        allocations = {end.allocation for end in ends.values() if end.allocation}
        steps: Mapping[int, Mapping[str, StepEnd]] = {}
        if workflow.spreads_jobs and allocations:
            steps = await find_steps(self._cluster, allocations)
        return Successes(
            files=await self._completed(workflow.id, with_files=with_files),
            results={result.job_id: result for result in results},
            requirements={row.id: row for row in rows},
            nodes={node.id: node for node in nodes},
            ends=ends,
            steps=steps,
        )

    async def _completed(self, workflow_id: int, *, with_files: bool) -> list[JobFiles]:
        if with_files:
            return await list_job_files(self._client.transport, workflow_id, JobStatus.COMPLETED)
        jobs = await self._client.list_jobs(workflow_id, JobStatus.COMPLETED)
        return [JobFiles(job=job) for job in jobs]

    async def _suspects(
        self,
        workflow: Workflow,
        output_dir: Path,
        successes: Successes,
        odd: Mapping[int, OddOutput],
        orphans: Iterable[JobResult],
    ) -> tuple[Suspicion, ...]:
        sharing = await self._sharing(workflow, successes, orphans)
        clues = await self._clues(workflow, output_dir, successes, sharing)
        found = (
            suspicion_of(
                Success(
                    job=each.job,
                    result=successes.results[each.job.id],
                    requirements=successes.requirements.get(each.job.requirements_id or 0),
                    worker=successes.worker_of(each.job),
                    step=successes.step_of(each.job, workflow.id),
                    sharing=sharing.get(each.job.id, 0),
                    clues=clues.get(each.job.id, ()),
                    odd_output=odd.get(each.job.id),
                )
            )
            for each in successes.files
            if each.job.id in successes.results
        )
        return tuple(suspicion for suspicion in found if suspicion is not None)

    async def _sharing(
        self,
        workflow: Workflow,
        successes: Successes,
        orphans: Iterable[JobResult],
    ) -> dict[int, int]:
        """How many jobs completed in an allocation that ran out of memory, by each one's ID.

        Not those of an allocation where the job is known that was killed.
        """
        short = {
            number: end.allocation.id
            for number, end in successes.ends.items()
            if end.allocation and end.cause is EndCause.OUT_OF_MEMORY
        }
        if not short:
            return {}
        failed = [*orphans]
        for status in assessment.FAILURES:  # also of jobs that have succeeded since
            failed += await self._client.list_results(workflow.id, status, all_runs=True)
        codes = KILLED | {ORPHANED, workflow.kill_codes.memory}
        accounted = {
            short.get(each.compute_node_id or 0) for each in failed if each.return_code in codes
        }
        jobs: dict[int, list[int]] = defaultdict(list)
        for each in successes.results.values():
            allocation = short.get(each.compute_node_id or 0)
            if allocation is not None and allocation not in accounted:
                jobs[allocation].append(each.job_id)
        return {job_id: len(group) for group in jobs.values() for job_id in group}

    async def _clues(
        self,
        workflow: Workflow,
        output_dir: Path,
        successes: Successes,
        sharing: Mapping[int, int],
    ) -> Mapping[int, tuple[Clue, ...]]:
        chosen = [
            (each.job, successes.results[each.job.id])
            for each in successes.files
            if each.job.id in sharing
        ][:_MAX_OUTPUTS]
        folders = error_folders(output_dir, workflow.submission_directory)
        return (await self._outputs.clues(folders, workflow.id, chosen)).by_job


def _has_yet_to_end(worker: WorkerEnd) -> bool:
    return worker.status is not None and worker.status.state is not AllocationState.GONE


def _may_tell(worker: WorkerEnd) -> bool:
    """Whether its end may say something of a job that completed."""
    return worker.cause in _HINTS or worker.may_have_stopped_job(worker.ended)
