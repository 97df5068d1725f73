"""The resources that the generic handlers serve in each API version, and their special rules."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torc_watch.core.units import counted_duration, parse_duration, parse_memory
from torc_watch.sandbox.server import bodies
from torc_watch.sandbox.server.api_request import (
    ApiRequest,
    internal_error,
    parse_flag,
    parse_integer,
    parse_job_status,
    parse_quantity,
)
from torc_watch.sandbox.server.list_query import Condition
from torc_watch.sandbox.server.resource_handlers import Resource
from torc_watch.sandbox.server.server_settings import TorcApi
from torc_watch.sandbox.server.store import Row


def resources_by_path(api_version: TorcApi) -> Mapping[str, Resource]:
    """Path to resource."""
    if api_version == "0.12":
        return {item.path: item for item in _RESOURCES_0_12}
    changed = [replace(item, **_CHANGED_IN_1_0.get(item.path, {})) for item in _RESOURCES_0_12]
    return {
        item.path: replace(item, not_found_message=f"Resource not found in {item.table}")
        for item in (*changed, *_ONLY_IN_1_0)
    }


def _add_quantities(request: ApiRequest, columns: Row) -> Row:
    """Add the bytes and seconds that claims compare."""
    parse = parse_duration if request.api_version == "0.12" else counted_duration
    return {
        **columns,
        "memory_bytes": parse_quantity("memory", columns["memory"], parse_memory),
        "runtime_s": parse_quantity("runtime", columns["runtime"], parse),
    }


def _current_run_only(request: ApiRequest) -> list[Condition]:
    if request.parameter("all_runs", parse_flag):
        return []
    if request.api_version == "0.12" and request.parameter("sort_by", str) in (
        "job_id",
        "workflow_id",
    ):
        raise internal_error()  # the column is ambiguous in Torc's join
    return [Condition("EXISTS (SELECT 1 FROM workflow_result WHERE result_id = result.id)", ())]


def _node_started(request: ApiRequest, node: Row) -> None:
    shown = ("hostname", "pid", "num_cpus", "memory_gb", "num_gpus", "compute_node_type")
    data = {"compute_node_id": node["id"]} | {name: node[name] for name in shown}
    request.publish(node["workflow_id"], "compute_node_started", data)


def _node_updated(request: ApiRequest, node: Row) -> None:
    if request.body(bodies.ComputeNodeV0).is_active is False:
        shown = ("hostname", "pid", "duration_seconds", "compute_node_type")
        data = {"compute_node_id": node["id"]} | {name: node.get(name) for name in shown}
        request.publish(node["workflow_id"], "compute_node_stopped", data)


def _allocation_created(request: ApiRequest, allocation: Row) -> None:
    data = {"category": "scheduler", "scheduled_compute_node_id": allocation["id"], **allocation}
    del data["id"], data["workflow_id"]
    request.publish(allocation["workflow_id"], "scheduler_node_created", data)


_RESOURCES_0_12 = (
    Resource(
        path="resource_requirements",
        table="resource_requirements",
        not_found_message="Resource requirements not found",
        model=bodies.RequirementsV0,
        prepare=_add_quantities,
    ),
    Resource(
        path="results",
        table="result",
        not_found_message="Result not found",
        model=bodies.Result,
        filters={
            "job_id": (parse_integer, "job_id = ?"),
            "run_id": (parse_integer, "run_id = ?"),
            "status": (parse_job_status, "status = ?"),
        },
        list_conditions=_current_run_only,
    ),
    Resource(
        path="files",
        table="file",
        not_found_message="File not found",
        model=bodies.File,
    ),
    Resource(
        path="user_data",
        table="user_data",
        not_found_message="User data not found",
        model=bodies.UserData,
        boolean_columns=frozenset({"is_ephemeral"}),
        json_columns=frozenset({"data"}),
    ),
    Resource(
        path="local_schedulers",
        table="local_scheduler",
        not_found_message="Local scheduler not found",
        model=bodies.LocalSchedulerConfig,
        unknown_workflow_status=500,
    ),
    Resource(
        path="slurm_schedulers",
        table="slurm_scheduler",
        not_found_message="Slurm scheduler not found",
        model=bodies.SlurmSchedulerConfig,
    ),
    Resource(
        path="scheduled_compute_nodes",
        table="scheduled_compute_node",
        not_found_message="Scheduled compute node not found",
        model=bodies.ScheduledComputeNode,
        filters={
            "scheduler_id": (parse_integer, "scheduler_id = ?"),
            "status": (str, "status = ?"),
        },
        unknown_workflow_status=500,
        on_created=_allocation_created,
    ),
    Resource(
        path="compute_nodes",
        table="compute_node",
        not_found_message="Compute node not found",
        model=bodies.ComputeNodeV0,
        boolean_columns=frozenset({"is_active"}),
        json_columns=frozenset({"scheduler"}),
        # A node that was registered without ``is_active`` is shown as not active.
        computed_columns={"is_active": "COALESCE(is_active, 0)"},
        on_created=_node_started,
        on_updated=_node_updated,
    ),
)

# What API 1.0 adds or changes.
_CHANGED_IN_1_0: Mapping[str, Mapping[str, Any]] = {
    "resource_requirements": {"model": bodies.RequirementsV1},
    "results": {
        "computed_columns": {"job_name": "SELECT name FROM job WHERE job.id = result.job_id"}
    },
    "local_schedulers": {"unknown_workflow_status": 404},
    "slurm_schedulers": {
        "model": bodies.SlurmSchedulerConfigV1,
        "boolean_columns": frozenset({"serialize_allocations"}),
    },
    "compute_nodes": {"model": bodies.ComputeNodeV1},
    "scheduled_compute_nodes": {"unknown_workflow_status": 404},
}
_ONLY_IN_1_0 = (
    Resource(
        path="slurm_stats",
        table="slurm_stats",
        not_found_message="Slurm stats not found",
        model=bodies.SlurmStats,
        filters={
            "job_id": (parse_integer, "job_id = ?"),
            "run_id": (parse_integer, "run_id = ?"),
            "attempt_id": (parse_integer, "attempt_id = ?"),
        },
    ),
)
