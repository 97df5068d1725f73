"""Workers take ready jobs, as many as fit into what they have."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torc_watch.core.units import parse_duration
from torc_watch.sandbox.server import bodies
from torc_watch.sandbox.server.calls import Answer, Call, flag, quantity
from torc_watch.sandbox.server.jobs import claimed_jobs
from torc_watch.sandbox.server.packing import UNLIMITED, Needs, Nodes, packed
from torc_watch.sandbox.server.resources import require_workflow
from torc_watch.sandbox.server.store import Row, Store

_ORDERS_OF_12 = {
    "gpus_runtime_memory": "num_gpus DESC, runtime_s DESC, memory_bytes DESC, job.id",
    "gpus_memory_runtime": "num_gpus DESC, memory_bytes DESC, runtime_s DESC, job.id",
}
_ORDER_OF_1_0 = """
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


def claim_fitting_jobs(call: Call) -> Answer:
    """Jobs that fit together into the resources of the body become pending."""
    workflow_id, limit = call.number(), call.number("limit")
    resources = call.body(bodies.NodeResources)
    time = resources.time_limit
    seconds = UNLIMITED if time is None else quantity("time_limit", time, parse_duration)
    if _is_canceled(call.store, workflow_id):
        return Answer({"jobs": [], "reason": "Workflow is canceled"})
    require_workflow(call.store, workflow_id)
    scheduler = resources.scheduler_config_id
    source = _Source(call.store, workflow_id, seconds, _order(call), scheduler)
    is_strict = call.asked("strict_scheduler_match", flag)
    if not is_strict and not source.fitting(Needs.of(resources), limit):
        source = replace(source, of_any_scheduler=True)
    taken = _taken_1_0 if call.api_version == "1.0" else _taken_0_12
    return Answer({"jobs": _claim(call, taken(source, resources, limit))})


@dataclass(frozen=True, slots=True)
class _Source:
    """Where jobs are taken from: the ready jobs of a workflow, in their order."""

    store: Store
    workflow_id: int
    seconds: int
    order: str
    scheduler: int | None
    of_any_scheduler: bool = False

    def fitting(self, limits: Needs, limit: int, without: Sequence[int] = ()) -> list[Row]:
        """The first jobs each of which would fit by itself."""
        sql = f"{_FITTING} ORDER BY {self.order} LIMIT {limit}"
        whose = (self.of_any_scheduler, self.scheduler)
        known = json.dumps(without)
        return self.store.rows(sql, self.workflow_id, self.seconds, *limits, known, *whose)


def _taken_0_12(source: _Source, resources: bodies.NodeResources, limit: int) -> list[int]:
    return packed(source.fitting(Needs.of(resources), limit), resources)


def _taken_1_0(source: _Source, resources: bodies.NodeResources, limit: int) -> list[int]:
    """The jobs that fit of the first ones, and then of those that fit into what these leave."""
    nodes = Nodes(resources)
    taken = nodes.pack(source.fitting(Needs.of(resources), limit))
    left = nodes.left
    if len(taken) < limit and left.num_cpus > 0 and left.num_nodes > 0:
        taken += nodes.pack(source.fitting(left, limit - len(taken), without=taken))
    return taken


def _claim(call: Call, job_ids: list[int]) -> list[Row]:
    call.store.execute(
        "UPDATE job SET status = 'pending' WHERE id IN (SELECT value FROM json_each(?))",
        json.dumps(job_ids),
    )
    return claimed_jobs(call.store, call.api_version, job_ids)


def _order(call: Call) -> str:
    if call.api_version == "1.0":
        return _ORDER_OF_1_0
    return _ORDERS_OF_12.get(call.asked("sort_method", str) or "none", "job.id")


def _is_canceled(store: Store, workflow_id: int) -> bool:
    sql = "SELECT is_canceled FROM workflow_status WHERE id = ?"
    return bool(store.value(sql, workflow_id))
