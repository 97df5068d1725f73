"""What dead workers left on the server, and why each of their jobs ended. Only reads."""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from torc_watch.core.allocation import EndCause, StepEnd
from torc_watch.core.assessment import Observation, Orphans
from torc_watch.core.clue import Clue
from torc_watch.core.job_output import step_name
from torc_watch.core.model import ComputeNode, Job, JobResult, JobStatus, Requirements
from torc_watch.core.orphaned_job import OrphanedJob, OrphanEvidence, explain_orphan
from torc_watch.core.return_code import OUT_OF_MEMORY
from torc_watch.core.worker_end import WorkerEnd
from torc_watch.engine.job_outputs import Failures
from torc_watch.engine.worker_ends import find_worker_ends
from torc_watch.schedulers.cluster import Cluster
from torc_watch.torc.client import TorcClient

ReadOutputs = Callable[[Failures], Awaitable[Mapping[int, tuple[Clue, ...]]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _RunningJobs:
    """Jobs that count as running, and what is known of their workers.

    ``holders`` has the node of each, by the job's ID, but for those whose worker deregistered;
    ``workers`` the ends of those nodes, by their IDs; ``steps`` those of their allocations, by the
    allocation's ID and the step's name.
    """

    jobs: Collection[Job]
    holders: Mapping[int, ComputeNode]
    workers: Mapping[int, WorkerEnd]
    steps: Mapping[int, Mapping[str, StepEnd]]

    def worker_of(self, job: Job) -> WorkerEnd | None:
        return self.workers[self.holders[job.id].id] if job.id in self.holders else None

    def step_of(self, job: Job, *, workflow_id: int, run_id: int) -> StepEnd | None:
        if job.id not in self.holders:
            return None
        name = step_name(workflow_id=workflow_id, job_id=job.id, run_id=run_id, attempt=job.attempt)
        return self.steps.get(self.holders[job.id].allocation_id or 0, {}).get(name)

    def suspects(self, nodes: Iterable[ComputeNode], results: Iterable[JobResult]) -> Counter[int]:
        """How many jobs may have used up an allocation's memory, by its ID.

        None where it is known which did: because of its result, or its step.
        """
        allocations = {node.id: node.allocation_id for node in nodes}
        known = {
            allocations.get(result.compute_node_id or 0)
            for result in results
            if result.return_code == OUT_OF_MEMORY
        }
        known |= {
            allocation_id
            for allocation_id, steps in self.steps.items()
            if any(step.cause is EndCause.OUT_OF_MEMORY for step in steps.values())
        }
        held = (node.allocation_id for node in self.holders.values())
        return Counter(each for each in held if each is not None and each not in known)


async def find_orphans(
    client: TorcClient,
    cluster: Cluster,
    observation: Observation,
    requirements_of: Callable[[Job], Requirements | None],
    results: Iterable[JobResult],
    read: ReadOutputs,
) -> Orphans:
    """What dead workers left behind, given that ``observation`` saw nothing alive.

    ``results`` are those of the failed jobs. Raises SchedulerError and ServerError.
    """
    workflow = observation.workflow
    nodes = await client.list_compute_nodes(workflow.id)
    open_nodes = _open_nodes(nodes, observation)
    running = await _running_jobs(client, cluster, observation, open_nodes) if nodes else None
    suspects = running.suspects(nodes, results) if running else Counter[int]()

    def evidence(job: Job, running: _RunningJobs) -> OrphanEvidence:
        # A result must name a node: any will do for a job whose own has deregistered.
        node = running.holders.get(job.id, nodes[-1])
        return OrphanEvidence(
            job=job,
            requirements=requirements_of(job),
            run_id=workflow.run_id,
            node_id=node.id,
            worker=running.worker_of(job),
            step=running.step_of(job, workflow_id=workflow.id, run_id=workflow.run_id),
            suspects=suspects[node.allocation_id or 0],
        )

    known = [evidence(job, running) for job in running.jobs] if running else []
    return Orphans(
        running=await _explained(known, read),
        claimed=tuple(await client.list_jobs(workflow.id, JobStatus.PENDING)),
        nodes=open_nodes,
        allocations=tuple(allocation for allocation, _ in observation.allocations),
    )


async def _explained(
    known: Collection[OrphanEvidence], read: ReadOutputs
) -> tuple[OrphanedJob, ...]:
    """What those have written that failed shortly before their worker ended tells why."""
    orphans = [(each, explain_orphan(each)) for each in known]
    failed = [(orphan.job, orphan.result) for each, orphan in orphans if each.has_failed]
    clues = await read(failed) if failed else {}
    return tuple(
        explain_orphan(replace(each, clues=clues[orphan.job.id]))
        if orphan.job.id in clues
        else orphan
        for each, orphan in orphans
    )


def _open_nodes(nodes: Iterable[ComputeNode], observation: Observation) -> tuple[ComputeNode, ...]:
    dead = {node.id for node, _ in observation.unmanaged_workers}
    dead |= {node.id for node in observation.idle_elsewhere}
    return tuple(
        node
        for node in nodes
        if not node.has_ended and (node.allocation_id is not None or node.id in dead)
    )


async def _running_jobs(
    client: TorcClient,
    cluster: Cluster,
    observation: Observation,
    open_nodes: Iterable[ComputeNode],
) -> _RunningJobs:
    workflow_id = observation.workflow.id
    jobs = await client.list_jobs(workflow_id, JobStatus.RUNNING)
    holders = {
        job.id: node
        for node in (open_nodes if jobs else ())
        for job in await client.list_active_jobs_on(node.id, workflow_id)
    }
    workers = await find_worker_ends(
        client, cluster, workflow_id, tuple(holders.values()), observation.allocations
    )
    allocations = {worker.allocation for worker in workers.values()} - {None}
    steps = await cluster.steps([each for each in allocations if each is not None])
    return _RunningJobs(jobs=jobs, holders=holders, workers=workers, steps=steps)
