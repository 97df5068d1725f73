"""Workflows: created, shown, changed, deleted, and what is asked of one as a whole."""

from dataclasses import replace
from typing import Any

from torc_watch.core.units import MIB
from torc_watch.sandbox.server import bodies
from torc_watch.sandbox.server.calls import (
    Answer,
    Call,
    Failure,
    flag,
    internal_error,
    now_text,
    refused,
)
from torc_watch.sandbox.server.jobs import has_job_in
from torc_watch.sandbox.server.overviews import summary
from torc_watch.sandbox.server.resources import (
    Resource,
    fetch,
    listing_of,
    require_workflow,
    shown,
    stored,
)
from torc_watch.sandbox.server.store import Row, Store
from torc_watch.sandbox.server.transitions import (
    ACTIVE,
    INITIALIZED,
    UNSETTLED,
    sql_set,
)

_STATUS_FLAGS = ("is_canceled", "is_archived", "has_detected_need_to_run_completion_script")
_OF_STATUS = "SELECT {} FROM workflow_status WHERE workflow_status.id = workflow.id"
_DEFAULT_NEEDS = {
    "name": "default",
    "num_cpus": 1,
    "num_gpus": 0,
    "num_nodes": 1,
    "memory": "1m",
    "memory_bytes": MIB,
    "runtime": "P0DT1M",
    "runtime_s": 60,
}
_OLDER = Resource(
    path="workflows",
    table="workflow",
    absence="Workflow not found",
    model=bodies.WorkflowV0,
    filters={
        "user": (str, "user = ?"),
    },
    flags=frozenset({"compute_node_ignore_workflow_completion", "use_pending_failed"}),
)
WORKFLOWS = {
    "0.12": _OLDER,
    "1.0": replace(
        _OLDER,
        model=bodies.WorkflowV1,
        flags=_OLDER.flags | {"is_canceled", "is_archived"},
        documents=frozenset(
            {
                "metadata",
                "resource_monitor_config",
                "slurm_defaults",
                "execution_config",
                "dynamic_jobs",
            }
        ),
        computed={
            name: _OF_STATUS.format(name) for name in ("run_id", "is_canceled", "is_archived")
        },
    ),
}


def create_workflow(call: Call) -> Answer:
    """A workflow with run 0 and the resource requirements of jobs that name none.

    Answered is what was sent, the id and the time.
    """
    resource = WORKFLOWS[call.api_version]
    columns = stored(resource, call.body(resource.model))
    status_id = call.store.insert("workflow_status", {"run_id": 0})
    columns |= {"id": status_id, "status_id": status_id, "timestamp": now_text()}
    buffer = "compute_node_expiration_buffer_seconds"
    if call.api_version == "0.12" and columns[buffer] is None:  # nothing is made of it afterwards
        call.store.insert("workflow", columns | {buffer: 180})
    else:
        call.store.insert("workflow", columns)
    call.store.insert("resource_requirements", {"workflow_id": status_id, **_DEFAULT_NEEDS})
    echoed = {name: columns[name] for name in resource.columns if name in columns}
    return Answer(shown(resource, echoed))


def show_workflow(call: Call) -> Answer:
    return Answer(fetch(call.store, WORKFLOWS[call.api_version], call.number()))


def list_workflows(call: Call) -> Answer:
    return listing_of(call, WORKFLOWS[call.api_version], [])


def show_status(call: Call) -> Answer:
    """The status row of 0.12, the summary of 1.0."""
    if call.api_version == "0.12":
        return Answer(_status(call))
    workflow = fetch(call.store, WORKFLOWS["1.0"], call.number())
    return Answer(summary(call.store, workflow))


def update_status(call: Call) -> Answer:
    """Replace the status row, run included; without any guard."""
    workflow_id = call.number()
    status = call.body(bodies.WorkflowStatus)
    _status(call)
    columns = {name: getattr(status, name) or False for name in _STATUS_FLAGS}
    call.store.update("workflow_status", workflow_id, columns | {"run_id": status.run_id})
    return Answer({"id": workflow_id, **status.model_dump(exclude_none=True)})


def archive_workflow(call: Call) -> Answer:
    workflow_id = call.number()
    require_workflow(call.store, workflow_id)
    archiving = call.body(bodies.Archiving)
    call.store.update("workflow_status", workflow_id, archiving.model_dump())
    return show_workflow(call)


def reset_status(call: Call) -> Answer:
    """Uncancel a workflow that has come to rest. The newer API version also begins its next run."""
    workflow_id = call.number()
    status = _status(call)
    if status["is_archived"]:
        raise refused(422, "Cannot reset archived workflow status. Unarchive the workflow first.")
    if not call.asked("force", flag):
        _require_rest(call.store, workflow_id)
    run_id = status["run_id"] + (call.api_version == "1.0")
    columns: dict[str, Any] = dict.fromkeys(_STATUS_FLAGS, False) | {"run_id": run_id}
    call.store.update("workflow_status", workflow_id, columns)
    return _standing(call, {"id": workflow_id, **columns})


def cancel_workflow(call: Call) -> Answer:
    """Running and pending jobs become canceled; the rest stay, and the workflow is complete."""
    workflow_id = call.number()
    status = _expected_status(call)
    call.store.update("workflow_status", workflow_id, {"is_canceled": True})
    call.store.execute(
        f"UPDATE job SET status = 'canceled' WHERE workflow_id = ? AND status IN {sql_set(ACTIVE)}",  # noqa: S608
        workflow_id,
    )
    return _standing(call, status | {"is_canceled": True})


def is_complete(call: Call) -> Answer:
    """Whether no job is left to run. A canceled workflow is complete, and so is an empty one."""
    workflow_id = call.number()
    status = _expected_status(call)
    complete = status["is_canceled"] or not has_job_in(call.store, workflow_id, UNSETTLED)
    answer = {"is_complete": complete, "is_canceled": status["is_canceled"]}
    if call.api_version == "0.12":
        script = status["has_detected_need_to_run_completion_script"]
        answer["needs_to_run_completion_script"] = script
    return Answer(answer)


def is_uninitialized(call: Call) -> Answer:
    if call.api_version == "1.0":
        require_workflow(call.store, call.number())
    untouched = not has_job_in(call.store, call.number(), INITIALIZED)
    return Answer({"is_uninitialized": untouched})


def _standing(call: Call, status: Row) -> Answer:
    """Where a workflow stands: the status row of 0.12, the workflow itself afterwards."""
    return Answer(status) if call.api_version == "0.12" else show_workflow(call)


def _status(call: Call) -> Row:
    workflow_id = call.number()
    if call.api_version == "1.0":
        require_workflow(call.store, workflow_id)
    row = call.store.row("SELECT * FROM workflow_status WHERE id = ?", workflow_id)
    if row is None:
        raise refused(404, f"Workflow status not found with ID: {workflow_id}")
    return row | {name: bool(row[name]) for name in _STATUS_FLAGS}


def _expected_status(call: Call) -> Row:
    """The status row, where Torc 0.12 does not expect that it is absent."""
    try:
        return _status(call)
    except Failure as failure:
        if call.api_version == "0.12":
            raise internal_error() from failure
        raise


def _require_rest(store: Store, workflow_id: int) -> None:
    if has_job_in(store, workflow_id, ACTIVE):
        raise refused(
            422, "Cannot reset workflow status: jobs are currently running or pending submission"
        )
    scheduled = (
        "SELECT 1 FROM scheduled_compute_node "
        "WHERE workflow_id = ? AND status IN ('pending', 'active') LIMIT 1"
    )
    if store.value(scheduled, workflow_id) is not None:
        raise refused(
            422,
            "Cannot reset workflow status: scheduled compute nodes are currently pending or active",
        )
