"""Creates, shows, archives, cancels and resets workflows, and reports their status."""

from dataclasses import replace
from typing import Any

from torc_watch.core.units import MIB
from torc_watch.sandbox.server import bodies
from torc_watch.sandbox.server.api_request import (
    ApiError,
    ApiRequest,
    ApiResponse,
    api_error,
    internal_error,
    now_text,
    parse_flag,
)
from torc_watch.sandbox.server.dependency_release import forget_failures
from torc_watch.sandbox.server.jobs import has_job_in
from torc_watch.sandbox.server.resource_handlers import (
    Resource,
    fetch,
    list_matching,
    require_workflow,
    to_columns,
    to_json,
)
from torc_watch.sandbox.server.status_rules import (
    ACTIVE,
    INITIALIZED,
    UNFINISHED,
    sql_set,
)
from torc_watch.sandbox.server.store import Row, Store
from torc_watch.sandbox.server.workflow_queries import summary

_STATUS_FLAGS = ("is_canceled", "is_archived", "has_detected_need_to_run_completion_script")
_STATUS_COLUMN = "SELECT {} FROM workflow_status WHERE workflow_status.id = workflow.id"
_IMMUTABLE = ("submission_directory", "dynamic_jobs", "env")
_CHANGEABLE = (
    *("name", "user", "description", "project", "metadata", "execution_config"),
    *("use_pending_failed", "compute_node_wait_for_new_jobs_seconds"),
    "compute_node_ignore_workflow_completion",
    "compute_node_wait_for_healthy_database_minutes",
)
_DEFAULT_REQUIREMENTS = {
    "name": "default",
    "num_cpus": 1,
    "num_gpus": 0,
    "num_nodes": 1,
    "memory": "1m",
    "memory_bytes": MIB,
    "runtime": "P0DT1M",
    "runtime_s": 60,
}
_V0_12 = Resource(
    path="workflows",
    table="workflow",
    not_found_message="Workflow not found",
    model=bodies.WorkflowV0,
    filters={
        "user": (str, "user = ?"),
    },
    boolean_columns=frozenset({"compute_node_ignore_workflow_completion", "use_pending_failed"}),
)
WORKFLOWS = {
    "0.12": _V0_12,
    "1.0": replace(
        _V0_12,
        model=bodies.WorkflowV1,
        boolean_columns=_V0_12.boolean_columns | {"is_canceled", "is_archived"},
        json_columns=frozenset(
            {
                "metadata",
                "resource_monitor_config",
                "slurm_defaults",
                "execution_config",
                "dynamic_jobs",
                "env",
            }
        ),
        computed_columns={
            name: _STATUS_COLUMN.format(name) for name in ("run_id", "is_canceled", "is_archived")
        },
    ),
}


def create_workflow(request: ApiRequest) -> ApiResponse:
    """Create a workflow with run 0 and the default resource requirements.

    The response has the fields that were sent, the id and the time.
    """
    resource = WORKFLOWS[request.api_version]
    columns = to_columns(resource, request.body(resource.model))
    status_id = request.store.insert("workflow_status", {"run_id": 0})
    columns |= {"id": status_id, "status_id": status_id, "timestamp": now_text()}
    buffer = "compute_node_expiration_buffer_seconds"
    if request.api_version == "0.12" and columns[buffer] is None:  # API 1.0 has no default for it
        request.store.insert("workflow", columns | {buffer: 180})
    else:
        request.store.insert("workflow", columns)
    request.store.insert(
        "resource_requirements", {"workflow_id": status_id, **_DEFAULT_REQUIREMENTS}
    )
    echoed = {name: columns[name] for name in resource.columns if name in columns}
    return ApiResponse(to_json(resource, echoed))


def update_workflow(request: ApiRequest) -> ApiResponse:
    """Replace the fields that are sent, as far as Torc lets them be changed; only in API 1.0."""
    resource = WORKFLOWS["1.0"]
    columns = to_columns(resource, request.body(resource.model))
    sent = to_json(resource, columns)
    row = fetch(request.store, resource, request.path_integer())
    for name in _IMMUTABLE:
        if name in sent and sent[name] != row.get(name):
            raise api_error(422, f"Cannot modify {name}: it is immutable after workflow creation")
    changes = {name: columns[name] for name in _CHANGEABLE}
    request.store.update("workflow", row["id"], changes)
    return show_workflow(request)


def show_workflow(request: ApiRequest) -> ApiResponse:
    return ApiResponse(fetch(request.store, WORKFLOWS[request.api_version], request.path_integer()))


def list_workflows(request: ApiRequest) -> ApiResponse:
    return list_matching(request, WORKFLOWS[request.api_version], [])


def show_status(request: ApiRequest) -> ApiResponse:
    """The status row in API 0.12, the summary in API 1.0."""
    if request.api_version == "0.12":
        return ApiResponse(_fetch_status(request))
    workflow = fetch(request.store, WORKFLOWS["1.0"], request.path_integer())
    return ApiResponse(summary(request.store, workflow))


def update_status(request: ApiRequest) -> ApiResponse:
    """Replace the status row including the run, without any check."""
    workflow_id = request.path_integer()
    status = request.body(bodies.WorkflowStatus)
    _fetch_status(request)
    columns = {name: getattr(status, name) or False for name in _STATUS_FLAGS}
    request.store.update("workflow_status", workflow_id, columns | {"run_id": status.run_id})
    return ApiResponse({"id": workflow_id, **status.model_dump(exclude_none=True)})


def archive_workflow(request: ApiRequest) -> ApiResponse:
    workflow_id = request.path_integer()
    require_workflow(request.store, workflow_id)
    archive = request.body(bodies.ArchiveRequest)
    request.store.update("workflow_status", workflow_id, archive.model_dump())
    return show_workflow(request)


def reset_status(request: ApiRequest) -> ApiResponse:
    """Uncancel a workflow without active jobs; API 1.0 also starts the next run."""
    workflow_id = request.path_integer()
    status = _fetch_status(request)
    if status["is_archived"]:
        raise api_error(422, "Cannot reset archived workflow status. Unarchive the workflow first.")
    if not request.parameter("force", parse_flag):
        _require_no_active_work(request.store, workflow_id)
    forget_failures(request.store, workflow_id)
    run_id = status["run_id"] + (request.api_version == "1.0")
    columns: dict[str, Any] = dict.fromkeys(_STATUS_FLAGS, False) | {"run_id": run_id}
    request.store.update("workflow_status", workflow_id, columns)
    return _status_response(request, {"id": workflow_id, **columns})


def cancel_workflow(request: ApiRequest) -> ApiResponse:
    """Cancel a workflow, which completes it, and its running and pending jobs, but no others."""
    workflow_id = request.path_integer()
    status = _fetch_expected_status(request)
    request.store.update("workflow_status", workflow_id, {"is_canceled": True})
    request.store.execute(
        f"UPDATE job SET status = 'canceled' WHERE workflow_id = ? AND status IN {sql_set(ACTIVE)}",  # noqa: S608
        workflow_id,
    )
    return _status_response(request, status | {"is_canceled": True})


def is_complete(request: ApiRequest) -> ApiResponse:
    """Whether no job is left to run; a canceled or empty workflow is complete."""
    workflow_id = request.path_integer()
    status = _fetch_expected_status(request)
    complete = status["is_canceled"] or not has_job_in(request.store, workflow_id, UNFINISHED)
    response = {"is_complete": complete, "is_canceled": status["is_canceled"]}
    if request.api_version == "0.12":
        script = status["has_detected_need_to_run_completion_script"]
        response["needs_to_run_completion_script"] = script
    return ApiResponse(response)


def is_uninitialized(request: ApiRequest) -> ApiResponse:
    if request.api_version == "1.0":
        require_workflow(request.store, request.path_integer())
    uninitialized = not has_job_in(request.store, request.path_integer(), INITIALIZED)
    return ApiResponse({"is_uninitialized": uninitialized})


def _status_response(request: ApiRequest, status: Row) -> ApiResponse:
    """The response to a change of status: the status row in API 0.12, the workflow in API 1.0."""
    return ApiResponse(status) if request.api_version == "0.12" else show_workflow(request)


def _fetch_status(request: ApiRequest) -> Row:
    workflow_id = request.path_integer()
    if request.api_version == "1.0":
        require_workflow(request.store, workflow_id)
    row = request.store.row("SELECT * FROM workflow_status WHERE id = ?", workflow_id)
    if row is None:
        raise api_error(404, f"Workflow status not found with ID: {workflow_id}")
    return row | {name: bool(row[name]) for name in _STATUS_FLAGS}


def _fetch_expected_status(request: ApiRequest) -> Row:
    """The status row; if it is missing, Torc 0.12 fails with an internal error."""
    try:
        return _fetch_status(request)
    except ApiError as error:
        if request.api_version == "0.12":
            raise internal_error() from error
        raise


def _require_no_active_work(store: Store, workflow_id: int) -> None:
    if has_job_in(store, workflow_id, ACTIVE):
        raise api_error(
            422, "Cannot reset workflow status: jobs are currently running or pending submission"
        )
    scheduled = (
        "SELECT 1 FROM scheduled_compute_node "
        "WHERE workflow_id = ? AND status IN ('pending', 'active') LIMIT 1"
    )
    if store.value(scheduled, workflow_id) is not None:
        raise api_error(
            422,
            "Cannot reset workflow status: scheduled compute nodes are currently pending or active",
        )
