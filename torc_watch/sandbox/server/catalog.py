"""The simple resources of each API version, and what is particular to each of them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torc_watch.core.units import parse_duration, parse_memory
from torc_watch.sandbox.server import bodies
from torc_watch.sandbox.server.calls import (
    Call,
    flag,
    integer,
    internal_error,
    job_status,
    quantity,
)
from torc_watch.sandbox.server.paging import Condition
from torc_watch.sandbox.server.resources import Resource
from torc_watch.sandbox.server.settings import ApiVersionName
from torc_watch.sandbox.server.store import Row


def catalog(api_version: ApiVersionName) -> Mapping[str, Resource]:
    """The resources by their path."""
    if api_version == "0.12":
        return {item.path: item for item in _RESOURCES}
    changed = [replace(item, **_NEWER.get(item.path, {})) for item in _RESOURCES]
    return {
        item.path: replace(item, absence=f"Resource not found in {item.table}")
        for item in (*changed, *_ONLY_NEWER)
    }


def _measured(_call: Call, columns: Row) -> Row:
    """Add what claims compare: bytes and seconds."""
    return {
        **columns,
        "memory_bytes": quantity("memory", columns["memory"], parse_memory),
        "runtime_s": quantity("runtime", columns["runtime"], parse_duration),
    }


def _current_results(call: Call) -> list[Condition]:
    if call.asked("all_runs", flag):
        return []
    if call.api_version == "0.12" and call.asked("sort_by", str) in ("job_id", "workflow_id"):
        raise internal_error()  # two of the tables that it joins have these
    return [Condition("EXISTS (SELECT 1 FROM workflow_result WHERE result_id = result.id)", ())]


def _node_started(call: Call, node: Row) -> None:
    shown = ("hostname", "pid", "num_cpus", "memory_gb", "num_gpus", "compute_node_type")
    data = {"compute_node_id": node["id"]} | {name: node[name] for name in shown}
    call.announce(node["workflow_id"], "compute_node_started", data)


def _node_updated(call: Call, node: Row) -> None:
    if call.body(bodies.ComputeNodeV0).is_active is False:
        shown = ("hostname", "pid", "duration_seconds", "compute_node_type")
        data = {"compute_node_id": node["id"]} | {name: node.get(name) for name in shown}
        call.announce(node["workflow_id"], "compute_node_stopped", data)


def _allocation_created(call: Call, allocation: Row) -> None:
    data = {"category": "scheduler", "scheduled_compute_node_id": allocation["id"], **allocation}
    del data["id"], data["workflow_id"]
    call.announce(allocation["workflow_id"], "scheduler_node_created", data)


_RESOURCES = (
    Resource(
        path="resource_requirements",
        table="resource_requirements",
        absence="Resource requirements not found",
        model=bodies.RequirementsV0,
        prepared=_measured,
    ),
    Resource(
        path="results",
        table="result",
        absence="Result not found",
        model=bodies.Result,
        filters={
            "job_id": (integer, "job_id = ?"),
            "run_id": (integer, "run_id = ?"),
            "status": (job_status, "status = ?"),
        },
        narrowed=_current_results,
    ),
    Resource(
        path="files",
        table="file",
        absence="File not found",
        model=bodies.File,
    ),
    Resource(
        path="user_data",
        table="user_data",
        absence="User data not found",
        model=bodies.UserData,
        flags=frozenset({"is_ephemeral"}),
        documents=frozenset({"data"}),
    ),
    Resource(
        path="local_schedulers",
        table="local_scheduler",
        absence="Local scheduler not found",
        model=bodies.LocalScheduler,
        orphan_status=500,
    ),
    Resource(
        path="slurm_schedulers",
        table="slurm_scheduler",
        absence="Slurm scheduler not found",
        model=bodies.SlurmScheduler,
    ),
    Resource(
        path="scheduled_compute_nodes",
        table="scheduled_compute_node",
        absence="Scheduled compute node not found",
        model=bodies.ScheduledComputeNode,
        filters={
            "scheduler_id": (integer, "scheduler_id = ?"),
            "status": (str, "status = ?"),
        },
        orphan_status=500,
        created=_allocation_created,
    ),
    Resource(
        path="compute_nodes",
        table="compute_node",
        absence="Compute node not found",
        model=bodies.ComputeNodeV0,
        flags=frozenset({"is_active"}),
        documents=frozenset({"scheduler"}),
        # A node that never said whether it is active is shown as not active.
        computed={"is_active": "COALESCE(is_active, 0)"},
        created=_node_started,
        updated=_node_updated,
    ),
)

# What the newer API version has on top of, or instead of, the above.
_NEWER: Mapping[str, Mapping[str, Any]] = {
    "resource_requirements": {"model": bodies.RequirementsV1},
    "results": {"computed": {"job_name": "SELECT name FROM job WHERE job.id = result.job_id"}},
    "local_schedulers": {"orphan_status": 404},
    "slurm_schedulers": {
        "model": bodies.SlurmSchedulerV1,
        "flags": frozenset({"serialize_allocations"}),
    },
    "compute_nodes": {"model": bodies.ComputeNodeV1},
    "scheduled_compute_nodes": {"orphan_status": 404},
}
_ONLY_NEWER = (
    Resource(
        path="slurm_stats",
        table="slurm_stats",
        absence="Slurm stats not found",
        model=bodies.SlurmStats,
        filters={
            "job_id": (integer, "job_id = ?"),
            "run_id": (integer, "run_id = ?"),
            "attempt_id": (integer, "attempt_id = ?"),
        },
    ),
)
