"""Workers take ready jobs: as many as fit into what they have, or simply the next ones."""

import json

from torc_watch.core.errors import InvalidQuantity
from torc_watch.core.units import GIB, parse_duration
from torc_watch.sandbox.server import bodies
from torc_watch.sandbox.server.calls import Answer, Call, flag, integer, refused
from torc_watch.sandbox.server.jobs import claimed_jobs
from torc_watch.sandbox.server.resources import require_workflow
from torc_watch.sandbox.server.store import Row, Store

_UNLIMITED = 2**62
_ORDERS_OF_12 = {
    "gpus_runtime_memory": "num_gpus DESC, runtime_s DESC, memory_bytes DESC, job.id",
    "gpus_memory_runtime": "num_gpus DESC, memory_bytes DESC, runtime_s DESC, job.id",
}
_FITTING = """
    SELECT job.id, memory_bytes, num_cpus, num_gpus, num_nodes
    FROM job JOIN resource_requirements AS need ON need.id = job.resource_requirements_id
    WHERE job.workflow_id = ? AND job.status = 'ready'
    AND memory_bytes <= ? AND num_cpus <= ? AND num_gpus <= ? AND num_nodes <= ?
    AND runtime_s <= ?
"""


def claim_fitting_jobs(call: Call) -> Answer:
    """Jobs that fit together into the resources of the body become pending."""
    workflow_id, limit = call.number(), call.number("limit")
    resources = call.body(bodies.NodeResources)
    if _is_canceled(call.store, workflow_id):
        return Answer({"jobs": [], "reason": "Workflow is canceled"})
    require_workflow(call.store, workflow_id)
    sql = f"{_FITTING} {{scheduler}} ORDER BY {_order(call)} LIMIT {limit}"
    values = (workflow_id, *_limits(resources))
    of_scheduler = "AND (job.scheduler_id IS NULL OR job.scheduler_id = ?)"
    fitting = call.store.rows(
        sql.format(scheduler=of_scheduler), *values, resources.scheduler_config_id
    )
    if not fitting and not call.asked("strict_scheduler_match", flag):
        fitting = call.store.rows(sql.format(scheduler=""), *values)
    return Answer({"jobs": _claim(call, packed(fitting, resources))})


def claim_next_jobs(call: Call) -> Answer:
    """The first ready jobs become pending, whatever they need."""
    workflow_id = call.number()
    limit = call.asked("limit", integer)
    if _is_canceled(call.store, workflow_id):
        return Answer({"jobs": []})
    require_workflow(call.store, workflow_id, 500 if call.dialect == "0.12" else 404)
    order = "id" if call.dialect == "0.12" else "priority DESC, id"
    ready = call.store.column(
        f"SELECT id FROM job WHERE workflow_id = ? AND status = 'ready' ORDER BY {order} LIMIT ?",  # noqa: S608
        workflow_id,
        10 if limit is None else limit,
    )
    return Answer({"jobs": _claim(call, ready)})


def packed(jobs: list[Row], resources: bodies.NodeResources) -> list[int]:
    """The ids of those that fit together, taken in order: a job too large for the rest is passed.

    Only jobs of several nodes use up nodes; the others share them.
    """
    left = {
        "memory_bytes": _bytes(resources),
        "num_cpus": resources.num_cpus,
        "num_gpus": resources.num_gpus,
        "num_nodes": resources.num_nodes,
    }
    chosen = []
    for job in jobs:
        need = {name: job[name] for name in left}
        if need["num_nodes"] <= 1:
            need["num_nodes"] = 0
        if all(need[name] <= left[name] for name in left):
            left = {name: left[name] - need[name] for name in left}
            chosen.append(job["id"])
    return chosen


def _claim(call: Call, job_ids: list[int]) -> list[Row]:
    call.store.execute(
        "UPDATE job SET status = 'pending' WHERE id IN (SELECT value FROM json_each(?))",
        json.dumps(job_ids),
    )
    return claimed_jobs(call.store, call.dialect, job_ids)


def _order(call: Call) -> str:
    if call.dialect == "0.35":
        return "job.priority DESC, job.id"
    return _ORDERS_OF_12.get(call.asked("sort_method", str) or "none", "job.id")


def _limits(resources: bodies.NodeResources) -> tuple[int, int, int, int, int]:
    seconds = _seconds(resources.time_limit)
    cpus, gpus, nodes = resources.num_cpus, resources.num_gpus, resources.num_nodes
    return _bytes(resources), cpus, gpus, nodes, seconds


def _bytes(resources: bodies.NodeResources) -> int:
    return int(min(resources.memory_gb * GIB, _UNLIMITED))


def _seconds(time_limit: str | None) -> int:
    if time_limit is None:
        return _UNLIMITED
    try:
        return parse_duration(time_limit)
    except InvalidQuantity as error:
        message = f"Invalid time_limit format '{time_limit}': {error}"
        raise refused(422, message, field="time_limit", value=time_limit) from error


def _is_canceled(store: Store, workflow_id: int) -> bool:
    sql = "SELECT is_canceled FROM workflow_status WHERE id = ?"
    return bool(store.value(sql, workflow_id))
