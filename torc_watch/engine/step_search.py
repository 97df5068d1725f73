"""The steps of the allocations in which failed jobs ran, as Slurm has them. Only reads."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import anyio

from torc_watch.core.allocation import StepEnd
from torc_watch.core.errors import SchedulerError
from torc_watch.core.job_node import JobNode, node_of_job
from torc_watch.core.job_output import step_name
from torc_watch.core.model import (
    SLURM,
    Allocation,
    ComputeNode,
    JobResult,
    StepUsage,
    Workflow,
)
from torc_watch.schedulers.cluster import Cluster
from torc_watch.torc.client import TorcClient

_IS_ONE = re.compile(r"[^\s,\[\]]+")  # of lists of nodes
_MAX_SECONDS = 15.0  # a diagnosis says less without it
_MAX_ALLOCATIONS = 200  # the newest: each may have thousands of steps


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlaces:
    """Where jobs ran: in which steps, and on which nodes.

    ``nodes`` are workers by their IDs, ``allocations`` those of Slurm by theirs; ``steps`` are
    their ends by the allocation's ID and the step's name, ``usage`` what Torc's server keeps of
    them, by the job's ID, its run and its attempt.
    """

    nodes: Mapping[int, ComputeNode] = field(default_factory=dict)
    allocations: Mapping[int, Allocation] = field(default_factory=dict)
    steps: Mapping[int, Mapping[str, StepEnd]] = field(default_factory=dict)
    usage: Mapping[tuple[int, int, int], StepUsage] = field(default_factory=dict)

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

    def peak_of(self, result: JobResult) -> int | None:
        """The highest that was measured."""
        usage = self._usage_of(result)
        peaks = (result.peak_memory, usage.peak_memory if usage else None)
        return max((peak for peak in peaks if peak is not None), default=None)

    def node_of(self, result: JobResult, workflow: Workflow) -> JobNode:
        usage = self._usage_of(result)
        if usage and _IS_ONE.fullmatch(usage.nodes) and not self._steps_beside(result):
            return JobNode(name=usage.nodes)
        return node_of_job(
            self._worker_of(result),
            step=self.step_of(result, workflow),
            steps=self._steps_beside(result),
            is_spread=workflow.spreads_jobs,
        )

    def _usage_of(self, result: JobResult) -> StepUsage | None:
        return self.usage.get((result.job_id, result.run_id, result.attempt))

    def _worker_of(self, result: JobResult) -> ComputeNode | None:
        return self.nodes.get(result.compute_node_id or 0)

    def _steps_beside(self, result: JobResult) -> Mapping[str, StepEnd]:
        worker = self._worker_of(result)
        return self.steps.get(worker.allocation_id or 0, {}) if worker else {}


async def find_places(
    client: TorcClient,
    cluster: Cluster,
    workflow: Workflow,
    nodes: Collection[ComputeNode],
    results: Collection[JobResult],
    known: JobPlaces | None = None,
) -> JobPlaces:
    """Where these jobs ran; steps are left out where Slurm does not say. Raises ServerError.

    What is ``known`` of allocations is not asked for again.
    """
    known = known or JobPlaces()
    by_id = {node.id: node for node in nodes}
    used = {by_id[each.compute_node_id or 0] for each in results if each.compute_node_id in by_id}
    wanted = {node.allocation_id for node in used} - {None} - known.allocations.keys()
    places = replace(known, nodes=by_id)
    if workflow.spreads_jobs and results and not known.usage:
        rows = await client.list_step_usage(workflow.id)
        usage = {(row.job_id, row.run_id, row.attempt): row for row in rows}
        places = replace(places, usage=usage)
    if not wanted or SLURM not in cluster.schedulers:
        return places
    allocations = {
        row.id: row
        for row in await client.list_allocations(workflow.id)
        if row.id in wanted and row.scheduler_type == SLURM
    }
    return replace(
        places,
        allocations={**known.allocations, **allocations},
        steps={**known.steps, **await find_steps(cluster, allocations.values())},
    )


async def find_steps(
    cluster: Cluster, allocations: Collection[Allocation]
) -> Mapping[int, Mapping[str, StepEnd]]:
    """Those of the newest, by the allocation's ID and their names; none if Slurm does not say."""
    newest = sorted(allocations, key=lambda each: each.id)[-_MAX_ALLOCATIONS:]
    with anyio.move_on_after(_MAX_SECONDS):
        try:
            return await cluster.steps(newest)
        except SchedulerError:
            return {}
    return {}
