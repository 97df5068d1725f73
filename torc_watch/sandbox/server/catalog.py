"""The simple resources of each dialect, and what is particular to each of them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torc_watch.core.errors import InvalidQuantity
from torc_watch.core.units import parse_duration, parse_memory
from torc_watch.sandbox.server import bodies
from torc_watch.sandbox.server.calls import (
    Call,
    flag,
    integer,
    internal_error,
    job_status,
    refused,
)
from torc_watch.sandbox.server.paging import Condition
from torc_watch.sandbox.server.resources import Resource, some_labels
from torc_watch.sandbox.server.settings import DialectName
from torc_watch.sandbox.server.store import Row


def catalog(dialect: DialectName) -> Mapping[str, Resource]:
    """The resources by their path."""
    if dialect == "0.12":
        return {item.path: item for item in _RESOURCES}
    changed = [replace(item, **_NEWER.get(item.path, {})) for item in _RESOURCES]
    return {
        item.path: replace(item, absence=f"Resource not found in {item.table}")
        for item in (*changed, *_ONLY_NEWER)
    }


def _measured(call: Call, columns: Row) -> Row:
    """Add what claims compare: bytes and seconds."""
    return {
        **columns,
        "memory_bytes": _number(call, "memory", columns["memory"], parse_memory),
        "runtime_s": _number(call, "runtime", columns["runtime"], parse_duration),
    }


def _number(call: Call, name: str, text: str, parse: Callable[[str], int]) -> int:
    try:
        return parse(text)
    except InvalidQuantity as error:
        if call.dialect == "0.12" and "id" in call.path:  # its updates do not expect this
            raise internal_error() from error
        message = f"Invalid {name} format '{text}': {error}"
        raise refused(422, message, field=name, value=text) from error


def _current_results(call: Call) -> list[Condition]:
    if call.asked("all_runs", flag):
        return []
    if call.dialect == "0.12" and call.asked("sort_by", str) in ("job_id", "workflow_id"):
        raise internal_error()  # two of the tables that it joins have these
    return [Condition("EXISTS (SELECT 1 FROM workflow_result WHERE result_id = result.id)", ())]


def _labels_normalized(_call: Call, columns: Row) -> Row:
    return {**columns, "labels": some_labels(columns["labels"])}


def _node_started(call: Call, node: Row) -> None:
    shown = ("hostname", "pid", "num_cpus", "memory_gb", "num_gpus", "compute_node_type")
    data = {"compute_node_id": node["id"]} | {name: node[name] for name in shown}
    call.announce(node["workflow_id"], "compute_node_started", data)


def _node_updated(call: Call, node: Row) -> None:
    if call.body(bodies.ComputeNode12).is_active is False:
        shown = ("hostname", "pid", "duration_seconds", "compute_node_type")
        data = {"compute_node_id": node["id"]} | {name: node.get(name) for name in shown}
        call.announce(node["workflow_id"], "compute_node_stopped", data)


def _allocation_created(call: Call, allocation: Row) -> None:
    data = {"category": "scheduler", "scheduled_compute_node_id": allocation["id"], **allocation}
    del data["id"], data["workflow_id"]
    call.announce(allocation["workflow_id"], "scheduler_node_created", data)


def _user_data_related(call: Call, data: Row) -> None:
    for parameter, table in (
        ("consumer_job_id", "job_input_user_data"),
        ("producer_job_id", "job_output_user_data"),
    ):
        job_id = call.asked(parameter, integer)
        if job_id is not None:
            call.store.insert(table, {"job_id": job_id, "user_data_id": data["id"]})


_RESOURCES = (
    Resource(
        path="resource_requirements",
        table="resource_requirements",
        absence="Resource requirements not found",
        model=bodies.Requirements12,
        filters={
            "job_id": (integer, "id IN (SELECT resource_requirements_id FROM job WHERE id = ?)"),
            "name": (str, "name = ?"),
            "memory": (str, "memory = ?"),
            "num_cpus": (integer, "num_cpus = ?"),
            "num_gpus": (integer, "num_gpus = ?"),
            "num_nodes": (integer, "num_nodes = ?"),
            "runtime": (integer, "runtime_s = ?"),
        },
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
            "return_code": (integer, "return_code = ?"),
            "status": (job_status, "status = ?"),
            "compute_node_id": (integer, "compute_node_id = ?"),
        },
        narrowed=_current_results,
    ),
    Resource(
        path="files",
        table="file",
        absence="File not found",
        model=bodies.File,
        filters={
            "produced_by_job_id": (
                integer,
                "id IN (SELECT file_id FROM job_output_file WHERE job_id = ?)",
            ),
            "name": (str, "name = ?"),
            "path": (str, "path = ?"),
            "is_output": (
                flag,
                "EXISTS (SELECT 1 FROM job_output_file WHERE file_id = file.id) = ?",
            ),
        },
        deleted_key="deleted_count",
    ),
    Resource(
        path="user_data",
        table="user_data",
        absence="User data not found",
        model=bodies.UserData,
        filters={
            "consumer_job_id": (
                integer,
                "id IN (SELECT user_data_id FROM job_input_user_data WHERE job_id = ?)",
            ),
            "producer_job_id": (
                integer,
                "id IN (SELECT user_data_id FROM job_output_user_data WHERE job_id = ?)",
            ),
            "name": (str, "name LIKE ?"),
            "is_ephemeral": (flag, "is_ephemeral = ?"),
        },
        flags=frozenset({"is_ephemeral"}),
        documents=frozenset({"data"}),
        deleted_key="deleted_count",
        farewell_to_all="Deleted {} user data records for workflow {}",
        created=_user_data_related,
    ),
    Resource(
        path="local_schedulers",
        table="local_scheduler",
        absence="Local scheduler not found",
        model=bodies.LocalScheduler,
        orphan_status=500,
        filters={"memory": (str, "memory = ?"), "num_cpus": (integer, "num_cpus = ?")},
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
            "scheduler_config_id": (integer, "scheduler_config_id = ?"),
            "status": (str, "status = ?"),
        },
        orphan_status=500,
        created=_allocation_created,
    ),
    Resource(
        path="compute_nodes",
        table="compute_node",
        absence="Compute node not found",
        model=bodies.ComputeNode12,
        filters={
            "hostname": (str, "hostname = ?"),
            "is_active": (flag, "is_active = ?"),
            "scheduled_compute_node_id": (
                integer,
                "json_extract(scheduler, '$.scheduler_id') = ?",
            ),
        },
        miscounted=frozenset({"hostname", "is_active"}),
        flags=frozenset({"is_active"}),
        documents=frozenset({"scheduler"}),
        # A node that never said whether it is active is shown as not active, and found by neither.
        computed={"is_active": "COALESCE(is_active, 0)"},
        created=_node_started,
        updated=_node_updated,
    ),
)

# What the newer dialect has on top of, or instead of, the above.
_NEWER: Mapping[str, Mapping[str, Any]] = {
    "resource_requirements": {"model": bodies.Requirements35},
    "results": {"computed": {"job_name": "SELECT name FROM job WHERE job.id = result.job_id"}},
    "local_schedulers": {"orphan_status": 404},
    "slurm_schedulers": {
        "model": bodies.SlurmScheduler35,
        "flags": frozenset({"serialize_allocations"}),
    },
    "compute_nodes": {
        "model": bodies.ComputeNode35,
        "documents": frozenset({"scheduler", "labels"}),
        "prepared": _labels_normalized,
    },
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
