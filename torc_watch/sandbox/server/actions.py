"""Workflow actions: what a worker is to do when something has happened, and how often it has."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from torc_watch.core.model import JobStatus
from torc_watch.sandbox.server import bodies
from torc_watch.sandbox.server.calls import Answer, Call, error_body, now_text, refused
from torc_watch.sandbox.server.resources import require_workflow
from torc_watch.sandbox.server.store import Row, Store, without_nulls
from torc_watch.sandbox.server.transitions import COMPLETE

# The actions that wait for jobs, and the statuses in which a job has come that far.
_SATISFYING = {"on_jobs_ready": COMPLETE | {JobStatus.READY}, "on_jobs_complete": COMPLETE}
_FLAGS = ("executed", "persistent", "is_recovery")
_DOCUMENTS = ("action_config", "job_ids")
_TYPES_OF_SCHEDULE_NODES: Mapping[str, type] = {
    "scheduler_id": int,
    "scheduler_type": str,
    "num_allocations": int,
    "start_one_worker_per_node": bool,
    "max_parallel_jobs": int,
}


def create_action(call: Call) -> Answer:
    workflow_id = call.number()
    require_workflow(call.store, workflow_id)
    body = call.body(bodies.Action)
    _require_config(body.action_type, body.action_config)
    required = 1
    if body.trigger_type in _SATISFYING and body.job_ids is not None:
        required = len(body.job_ids)
    columns = body.model_dump(exclude={"executed_at", "executed_by"})
    columns |= {"workflow_id": workflow_id, "required_triggers": required}
    for name in _DOCUMENTS:
        columns[name] = None if columns[name] is None else json.dumps(columns[name])
    action_id = call.store.insert("workflow_action", columns)
    # What was sent is answered, whatever is required: only lists tell that.
    sent = body.model_dump(exclude_none=True)
    return Answer({**sent, "workflow_id": workflow_id, "id": action_id})


def list_actions(call: Call) -> Answer:
    """All actions of a workflow: a bare list."""
    require_workflow(call.store, call.number())
    return Answer(_select(call.store, call.number(), ""))


def list_pending_actions(call: Call) -> Answer:
    """Those that have been triggered and not claimed, of the trigger types that are asked for."""
    pending = _select(
        call.store, call.number(), "AND trigger_count >= required_triggers AND executed = 0"
    )
    wanted = [value for name, value in call.query if name == "trigger_type"]
    return Answer([one for one in pending if not wanted or one["trigger_type"] in wanted])


def claim_action(call: Call) -> Answer:
    """Let one caller have an action; a persistent one is had by everybody who asks."""
    workflow_id, action_id = call.number(), call.number("action_id")
    node = call.body(bodies.ActionClaim).compute_node_id
    action = call.store.row("SELECT * FROM workflow_action WHERE id = ?", action_id)
    if action is None:
        raise refused(404, f"Action not found with ID: {action_id}")
    if action["workflow_id"] != workflow_id:
        raise refused(404, f"Action {action_id} does not belong to workflow {workflow_id}")
    if action["executed"] and not action["persistent"]:
        return Answer(error_body(f"Action {action_id} already claimed", claimed=False), 409)
    claim: Row = {"executed_at": now_text()}
    if not action["persistent"]:
        claim |= {"executed": 1, "executed_by": node}
    call.store.update("workflow_action", action_id, claim)
    return Answer({"action_id": action_id, "claimed": True})


def trigger(
    store: Store, workflow_id: int, trigger_type: str, job_ids: Collection[int] = ()
) -> None:
    """Count an event for the actions that wait for it; ``job_ids`` are the jobs it happened to."""
    actions = store.rows(
        "SELECT * FROM workflow_action WHERE workflow_id = ? AND trigger_type = ? "
        "AND trigger_count < required_triggers",
        workflow_id,
        trigger_type,
    )
    of_jobs = trigger_type in _SATISFYING
    for action in actions:
        step = len(set(job_ids).intersection(_job_ids(action))) if of_jobs else 1
        _set_count(store, action["id"], action["trigger_count"] + step)


def rearm(store: Store, workflow_id: int, *, keep: bool) -> None:
    """Begin again, as initializing jobs does: recovery's actions go, the others count afresh.

    With ``keep`` those stay executed whose moment does not come again.
    """
    store.execute("DELETE FROM workflow_action WHERE workflow_id = ? AND is_recovery", workflow_id)
    for action in store.rows("SELECT * FROM workflow_action WHERE workflow_id = ?", workflow_id):
        if not (keep and _is_over(store, action)):
            sql = "UPDATE workflow_action SET executed = 0, executed_by = NULL WHERE id = ?"
            store.execute(sql, action["id"])
        count = _satisfied(store, action, _SATISFYING.get(action["trigger_type"]))
        _set_count(store, action["id"], count)
    for trigger_type in ("on_workflow_start", "on_worker_start", "on_worker_complete"):
        trigger(store, workflow_id, trigger_type)


def _is_over(store: Store, action: Row) -> bool:
    """Whether the moment of an action is past for good: the start, or the end of its jobs."""
    if action["trigger_type"] == "on_workflow_start":
        return True
    if action["trigger_type"] not in _SATISFYING or not _job_ids(action):
        return False
    return _satisfied(store, action, COMPLETE) >= int(action["required_triggers"])


def _satisfied(store: Store, action: Row, satisfying: frozenset[JobStatus] | None) -> int:
    """How many jobs of a jobs' action are where it wants them."""
    if satisfying is None:
        return 0
    statuses = store.column(
        "SELECT status FROM job WHERE id IN (SELECT value FROM json_each(?))",
        json.dumps(_job_ids(action)),
    )
    return sum(status in satisfying for status in statuses)


def _set_count(store: Store, action_id: int, count: int) -> None:
    store.execute("UPDATE workflow_action SET trigger_count = ? WHERE id = ?", count, action_id)


def _job_ids(action: Row) -> Sequence[int]:
    ids: Sequence[int] = json.loads(action["job_ids"] or "[]")
    return ids


def _select(store: Store, workflow_id: int, condition: str) -> list[Row]:
    sql = f"SELECT * FROM workflow_action WHERE workflow_id = ? {condition} ORDER BY id"  # noqa: S608
    return [_shown(row) for row in store.rows(sql, workflow_id)]


def _shown(row: Row) -> Row:
    shown = without_nulls(row)
    shown |= {name: bool(shown[name]) for name in _FLAGS}
    return shown | {name: json.loads(shown[name]) for name in _DOCUMENTS if name in shown}


def _require_config(action_type: str, config: Any) -> None:
    objection = _objection(action_type, config)
    if objection is not None:
        raise refused(422, f"Invalid action_config: {objection}")


def _objection(action_type: str, config: Any) -> str | None:
    if not isinstance(config, dict):
        return "action_config must be an object"
    match action_type:
        case "run_commands":
            return _commands_objection(config)
        case "schedule_nodes":
            return _schedule_objection(config)
        case _:
            return None


def _commands_objection(config: Mapping[str, Any]) -> str | None:
    commands = config.get("commands")
    if set(config) != {"commands"} or not isinstance(commands, list) or not commands:
        return "only 'commands' is allowed, an array that is not empty"
    if not all(isinstance(command, str) for command in commands):
        return "'commands' must be strings"
    return None


def _schedule_objection(config: Mapping[str, Any]) -> str | None:
    for name, value in config.items():
        expected = _TYPES_OF_SCHEDULE_NODES.get(name)
        if expected is None:
            return f"unknown field '{name}'"
        if type(value) is not expected:
            return f"'{name}' must be of type {expected.__name__}"
    return None
