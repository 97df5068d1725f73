"""Claims of ready jobs: as many as fit into the resources of a worker."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torc_watch.core.units import parse_duration
from torc_watch.sandbox.server import bodies
from torc_watch.sandbox.server.api_request import (
    ApiRequest,
    ApiResponse,
    parse_flag,
    parse_quantity,
)
from torc_watch.sandbox.server.job_selection import (
    UNLIMITED,
    NodePool,
    ResourceAmounts,
    select_fitting,
)
from torc_watch.sandbox.server.jobs import claimed_jobs
from torc_watch.sandbox.server.resource_handlers import require_workflow
from torc_watch.sandbox.server.store import Row, Store

_ORDERS_0_12 = {
    "gpus_runtime_memory": "num_gpus DESC, runtime_s DESC, memory_bytes DESC, job.id",
    "gpus_memory_runtime": "num_gpus DESC, memory_bytes DESC, runtime_s DESC, job.id",
}
_ORDER_1_0 = """
    job.priority DESC, num_gpus DESC, runtime_s DESC, memory_bytes DESC, num_cpus DESC, job.id
"""
_FITTING = """
    SELECT job.id, memory_bytes, num_cpus, num_gpus, num_nodes
    FROM job JOIN resource_requirements AS need ON need.id = job.resource_requirements_id
    WHERE job.workflow_id = ? AND job.status = 'ready' AND runtime_s <= ?
    AND memory_bytes <= ? AND num_cpus <= ? AND num_gpus <= ? AND num_nodes <= ?
    AND job.id NOT IN (SELECT value FROM json_each(?))
    AND (? OR job.scheduler_id IS NULL OR job.scheduler_id = ?)
"""


def claim_fitting_jobs(request: ApiRequest) -> ApiResponse:
    """Set jobs that fit together into the resources of the body to pending."""
    workflow_id, limit = request.path_integer(), request.path_integer("limit")
    resources = request.body(bodies.NodeResources)
    time = resources.time_limit
    seconds = UNLIMITED if time is None else parse_quantity("time_limit", time, parse_duration)
    if _is_canceled(request.store, workflow_id):
        return ApiResponse({"jobs": [], "reason": "Workflow is canceled"})
    require_workflow(request.store, workflow_id)
    scheduler = resources.scheduler_config_id
    ready_jobs = _ReadyJobs(request.store, workflow_id, seconds, _order(request), scheduler)
    is_strict = request.parameter("strict_scheduler_match", parse_flag)
    if not is_strict and not ready_jobs.fitting_jobs(ResourceAmounts.of(resources), limit):
        ready_jobs = replace(ready_jobs, any_scheduler=True)
    select = _select_1_0 if request.api_version == "1.0" else _select_0_12
    return ApiResponse({"jobs": _claim(request, select(ready_jobs, resources, limit))})


@dataclass(frozen=True, slots=True)
class _ReadyJobs:
    """The ready jobs of a workflow, in the order in which they are claimed."""

    store: Store
    workflow_id: int
    seconds: int
    order: str
    scheduler: int | None
    any_scheduler: bool = False

    def fitting_jobs(
        self, limits: ResourceAmounts, limit: int, excluding: Sequence[int] = ()
    ) -> list[Row]:
        """The first jobs that would each fit alone."""
        sql = f"{_FITTING} ORDER BY {self.order} LIMIT {limit}"
        scheduler = (self.any_scheduler, self.scheduler)
        excluded = json.dumps(excluding)
        return self.store.rows(sql, self.workflow_id, self.seconds, *limits, excluded, *scheduler)


def _select_0_12(ready_jobs: _ReadyJobs, resources: bodies.NodeResources, limit: int) -> list[int]:
    return select_fitting(ready_jobs.fitting_jobs(ResourceAmounts.of(resources), limit), resources)


def _select_1_0(ready_jobs: _ReadyJobs, resources: bodies.NodeResources, limit: int) -> list[int]:
    """The first jobs that fit, then further jobs that fit into the remaining resources."""
    nodes = NodePool(resources)
    taken = nodes.select(ready_jobs.fitting_jobs(ResourceAmounts.of(resources), limit))
    remaining = nodes.remaining
    if len(taken) < limit and remaining.num_cpus > 0 and remaining.num_nodes > 0:
        taken += nodes.select(
            ready_jobs.fitting_jobs(remaining, limit - len(taken), excluding=taken)
        )
    return taken


def _claim(request: ApiRequest, job_ids: list[int]) -> list[Row]:
    request.store.execute(
        "UPDATE job SET status = 'pending' WHERE id IN (SELECT value FROM json_each(?))",
        json.dumps(job_ids),
    )
    return claimed_jobs(request.store, request.api_version, job_ids)


def _order(request: ApiRequest) -> str:
    if request.api_version == "1.0":
        return _ORDER_1_0
    return _ORDERS_0_12.get(request.parameter("sort_method", str) or "none", "job.id")


def _is_canceled(store: Store, workflow_id: int) -> bool:
    sql = "SELECT is_canceled FROM workflow_status WHERE id = ?"
    return bool(store.value(sql, workflow_id))
