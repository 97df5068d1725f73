"""Workflow actions: what a worker has to do after an event, and how often the event occurred."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from torc_watch.core.model import JobStatus
from torc_watch.sandbox.server import bodies
from torc_watch.sandbox.server.api_request import (
    ApiRequest,
    ApiResponse,
    api_error,
    error_body,
    now_text,
)
from torc_watch.sandbox.server.resource_handlers import require_workflow
from torc_watch.sandbox.server.status_rules import COMPLETE
from torc_watch.sandbox.server.store import Row, Store, without_nulls

# Trigger types that count jobs, and the job statuses that they count.
_COUNTED_STATUSES = {"on_jobs_ready": COMPLETE | {JobStatus.READY}, "on_jobs_complete": COMPLETE}
_BOOLEAN_COLUMNS = ("executed", "persistent", "is_recovery")
_JSON_COLUMNS = ("action_config", "job_ids")
_SCHEDULE_NODES_TYPES: Mapping[str, type] = {
    "scheduler_id": int,
    "scheduler_type": str,
    "num_allocations": int,
    "start_one_worker_per_node": bool,
    "max_parallel_jobs": int,
}


def create_action(request: ApiRequest) -> ApiResponse:
    workflow_id = request.path_integer()
    require_workflow(request.store, workflow_id)
    body = request.body(bodies.WorkflowAction)
    _require_config(body.action_type, body.action_config)
    required = 1
    if body.trigger_type in _COUNTED_STATUSES and body.job_ids is not None:
        required = len(body.job_ids)
    columns = body.model_dump(exclude={"executed_at", "executed_by"})
    columns |= {"workflow_id": workflow_id, "required_triggers": required}
    for name in _JSON_COLUMNS:
        columns[name] = None if columns[name] is None else json.dumps(columns[name])
    action_id = request.store.insert("workflow_action", columns)
    # The response repeats the request; only lists show the number of required triggers.
    sent = body.model_dump(exclude_none=True)
    return ApiResponse({**sent, "workflow_id": workflow_id, "id": action_id})


def list_actions(request: ApiRequest) -> ApiResponse:
    """All actions of a workflow, as a plain list."""
    require_workflow(request.store, request.path_integer())
    return ApiResponse(_select(request.store, request.path_integer(), ""))


def list_pending_actions(request: ApiRequest) -> ApiResponse:
    """The triggered, unclaimed actions of the requested trigger types."""
    pending = _select(
        request.store,
        request.path_integer(),
        "AND trigger_count >= required_triggers AND executed = 0",
    )
    wanted = [value for name, value in request.query if name == "trigger_type"]
    return ApiResponse([one for one in pending if not wanted or one["trigger_type"] in wanted])


def claim_action(request: ApiRequest) -> ApiResponse:
    """Give an action to one worker; a persistent action goes to every worker that claims it."""
    workflow_id, action_id = request.path_integer(), request.path_integer("action_id")
    node = request.body(bodies.ActionClaim).compute_node_id
    action = request.store.row("SELECT * FROM workflow_action WHERE id = ?", action_id)
    if action is None:
        raise api_error(404, f"Action not found with ID: {action_id}")
    if action["workflow_id"] != workflow_id:
        raise api_error(404, f"Action {action_id} does not belong to workflow {workflow_id}")
    if action["executed"] and not action["persistent"]:
        return ApiResponse(error_body(f"Action {action_id} already claimed", claimed=False), 409)
    claim: Row = {"executed_at": now_text()}
    if not action["persistent"]:
        claim |= {"executed": 1, "executed_by": node}
    request.store.update("workflow_action", action_id, claim)
    return ApiResponse({"action_id": action_id, "claimed": True})


def trigger_actions(
    store: Store, workflow_id: int, trigger_type: str, job_ids: Collection[int] = ()
) -> None:
    """Count an event for the actions that it triggers; ``job_ids`` are the jobs of the event."""
    actions = store.rows(
        "SELECT * FROM workflow_action WHERE workflow_id = ? AND trigger_type = ? "
        "AND trigger_count < required_triggers",
        workflow_id,
        trigger_type,
    )
    counts_jobs = trigger_type in _COUNTED_STATUSES
    for action in actions:
        step = len(set(job_ids).intersection(_job_ids(action))) if counts_jobs else 1
        _set_count(store, action["id"], action["trigger_count"] + step)


def reset_actions(store: Store, workflow_id: int, *, keep_executed: bool) -> None:
    """Reset the actions when jobs are initialized: delete recovery actions, recount the others.

    With ``keep_executed`` an action stays executed if its event cannot occur again.
    """
    store.execute("DELETE FROM workflow_action WHERE workflow_id = ? AND is_recovery", workflow_id)
    for action in store.rows("SELECT * FROM workflow_action WHERE workflow_id = ?", workflow_id):
        if not (keep_executed and _is_past(store, action)):
            sql = "UPDATE workflow_action SET executed = 0, executed_by = NULL WHERE id = ?"
            store.execute(sql, action["id"])
        count = _count_jobs_in(store, action, _COUNTED_STATUSES.get(action["trigger_type"]))
        _set_count(store, action["id"], count)
    for trigger_type in ("on_workflow_start", "on_worker_start", "on_worker_complete"):
        trigger_actions(store, workflow_id, trigger_type)


def _is_past(store: Store, action: Row) -> bool:
    """Whether the event of an action cannot occur again: the start, or the end of its jobs."""
    if action["trigger_type"] == "on_workflow_start":
        return True
    if action["trigger_type"] not in _COUNTED_STATUSES or not _job_ids(action):
        return False
    return _count_jobs_in(store, action, COMPLETE) >= int(action["required_triggers"])


def _count_jobs_in(store: Store, action: Row, counted: frozenset[JobStatus] | None) -> int:
    """How many jobs of an action are in one of the statuses that it counts."""
    if counted is None:
        return 0
    statuses = store.column(
        "SELECT status FROM job WHERE id IN (SELECT value FROM json_each(?))",
        json.dumps(_job_ids(action)),
    )
    return sum(status in counted for status in statuses)


def _set_count(store: Store, action_id: int, count: int) -> None:
    store.execute("UPDATE workflow_action SET trigger_count = ? WHERE id = ?", count, action_id)


def _job_ids(action: Row) -> Sequence[int]:
    ids: Sequence[int] = json.loads(action["job_ids"] or "[]")
    return ids


def _select(store: Store, workflow_id: int, condition: str) -> list[Row]:
    sql = f"SELECT * FROM workflow_action WHERE workflow_id = ? {condition} ORDER BY id"  # noqa: S608
    return [_to_json(row) for row in store.rows(sql, workflow_id)]


def _to_json(row: Row) -> Row:
    result = without_nulls(row)
    result |= {name: bool(result[name]) for name in _BOOLEAN_COLUMNS}
    return result | {name: json.loads(result[name]) for name in _JSON_COLUMNS if name in result}


def _require_config(action_type: str, config: Any) -> None:
    reason = _invalid_reason(action_type, config)
    if reason is not None:
        raise api_error(422, f"Invalid action_config: {reason}")


def _invalid_reason(action_type: str, config: Any) -> str | None:
    if not isinstance(config, dict):
        return "action_config must be an object"
    match action_type:
        case "run_commands":
            return _invalid_commands_reason(config)
        case "schedule_nodes":
            return _invalid_schedule_reason(config)
        case _:
            return None


def _invalid_commands_reason(config: Mapping[str, Any]) -> str | None:
    commands = config.get("commands")
    if set(config) != {"commands"} or not isinstance(commands, list) or not commands:
        return "only 'commands' is allowed, an array that is not empty"
    if not all(isinstance(command, str) for command in commands):
        return "'commands' must be strings"
    return None


def _invalid_schedule_reason(config: Mapping[str, Any]) -> str | None:
    for name, value in config.items():
        expected = _SCHEDULE_NODES_TYPES.get(name)
        if expected is None:
            return f"unknown field '{name}'"
        if type(value) is not expected:
            return f"'{name}' must be of type {expected.__name__}"
    return None
