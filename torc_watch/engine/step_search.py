"""The steps of the allocations in which failed jobs ran, as Slurm has them. Only reads."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import anyio

from torc_watch.core.allocation import StepEnd
from torc_watch.core.errors import SchedulerError
from torc_watch.core.job_node import JobNode, node_of_job
from torc_watch.core.job_output import step_name
from torc_watch.core.model import SLURM, Allocation, ComputeNode, JobResult, Workflow
from torc_watch.schedulers.cluster import Cluster
from torc_watch.torc.client import TorcClient

_MAX_SECONDS = 15.0  # a diagnosis says less without it
_MAX_ALLOCATIONS = 200  # the newest: each may have thousands of steps


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlaces:
    """Where jobs ran: in which steps, and on which nodes.

    ``nodes`` are workers by their IDs, ``allocations`` those of Slurm by theirs; ``steps`` are
    their ends by the allocation's ID and the step's name.
    """

    nodes: Mapping[int, ComputeNode] = field(default_factory=dict)
    allocations: Mapping[int, Allocation] = field(default_factory=dict)
    steps: Mapping[int, Mapping[str, StepEnd]] = field(default_factory=dict)

    def allocation_of(self, result: JobResult) -> Allocation | None:
        """None outside of Slurm."""
        worker = self._worker_of(result)
        return self.allocations.get(worker.allocation_id or 0) if worker else None

    def step_of(self, result: JobResult, workflow: Workflow) -> StepEnd | None:
        """None where it is not known, or workers do not start jobs as steps."""
        if not workflow.spreads_jobs:
            return None
        name = step_name(
            workflow_id=workflow.id,
            job_id=result.job_id,
            run_id=result.run_id,
            attempt=result.attempt,
        )
        return self._steps_beside(result).get(name)

    def node_of(self, result: JobResult, workflow: Workflow) -> JobNode:
        return node_of_job(
            self._worker_of(result),
            step=self.step_of(result, workflow),
            steps=self._steps_beside(result),
            is_spread=workflow.spreads_jobs,
        )

    def _worker_of(self, result: JobResult) -> ComputeNode | None:
        return self.nodes.get(result.compute_node_id or 0)

    def _steps_beside(self, result: JobResult) -> Mapping[str, StepEnd]:
        worker = self._worker_of(result)
        return self.steps.get(worker.allocation_id or 0, {}) if worker else {}


async def find_places(
    client: TorcClient,
    cluster: Cluster,
    workflow_id: int,
    nodes: Collection[ComputeNode],
    results: Iterable[JobResult],
) -> JobPlaces:
    """Where these jobs ran; steps are left out where Slurm does not say. Raises ServerError."""
    by_id = {node.id: node for node in nodes}
    used = {by_id[each.compute_node_id or 0] for each in results if each.compute_node_id in by_id}
    wanted = {node.allocation_id for node in used} - {None}
    if not wanted or SLURM not in cluster.schedulers:
        return JobPlaces(nodes=by_id)
    rows = await client.list_allocations(workflow_id)
    allocations = {row.id: row for row in rows if row.id in wanted and row.scheduler_type == SLURM}
    newest = sorted(allocations.values(), key=lambda each: each.id)[-_MAX_ALLOCATIONS:]
    return JobPlaces(nodes=by_id, allocations=allocations, steps=await _steps(cluster, newest))


async def _steps(
    cluster: Cluster, allocations: Collection[Allocation]
) -> Mapping[int, Mapping[str, StepEnd]]:
    with anyio.move_on_after(_MAX_SECONDS):
        try:
            return await cluster.steps(allocations)
        except SchedulerError:
            return {}
    return {}
