"""Initializes jobs, either within the request or as a background task that clients poll.

A task is a row of its table. As in Torc, one that a killed server did not finish has failed.
"""

from torc_watch.sandbox.server.api_request import (
    ApiRequest,
    ApiResponse,
    ServerEvent,
    api_error,
    now_ms,
    parse_flag,
)
from torc_watch.sandbox.server.initialization import initialize_jobs
from torc_watch.sandbox.server.resource_handlers import require_workflow
from torc_watch.sandbox.server.store import Row, Store, without_nulls

_COLUMNS = "id, workflow_id, operation, status, error, created_at_ms, started_at_ms, finished_at_ms"
_UNFINISHED = "status IN ('queued', 'running')"


def initialize(request: ApiRequest) -> ApiResponse:
    workflow_id = request.path_integer()
    require_workflow(request.store, workflow_id)
    only_uninitialized = request.parameter("only_uninitialized", parse_flag) or False
    # Validated, then ignored, as in Torc.
    request.parameter("clear_ephemeral_user_data", parse_flag)
    if request.api_version == "1.0" and request.parameter("async", parse_flag):
        task = _same_task(request.store, workflow_id, only_uninitialized)
        task = task or _queue(request, workflow_id, only_uninitialized)
        return ApiResponse(without_nulls(task), 202)
    initialize_jobs(
        request.store, request.api_version, workflow_id, only_uninitialized=only_uninitialized
    )
    event = _initialized_event(workflow_id, request.user, only_uninitialized)
    request.events.append(event)
    return ApiResponse({"message": "Initialized job status"})


def show_task(request: ApiRequest) -> ApiResponse:
    task = request.store.row(f"SELECT {_COLUMNS} FROM task WHERE id = ?", request.path_integer())  # noqa: S608
    if task is None:
        raise api_error(404, "Task not found")
    return ApiResponse(without_nulls(task))


def show_active_task(request: ApiRequest) -> ApiResponse:
    require_workflow(request.store, request.path_integer())
    task = _active(request.store, request.path_integer())
    return ApiResponse({"task": None if task is None else without_nulls(task)})


def fail_unfinished(store: Store) -> None:
    """At the start of a server: nothing works on the tasks of the one before."""
    error = "server restarted while task was in progress"
    with store.transaction():
        store.execute(
            f"UPDATE task SET status = 'failed', error = ?, finished_at_ms = ? WHERE {_UNFINISHED}",  # noqa: S608
            error,
            now_ms(),
        )


def run_task(store: Store) -> list[ServerEvent]:
    """Run the oldest unfinished task; returns its events, or none if no task was left.

    Raises sqlite3.Error if the database fails; the task stays unfinished.
    """
    sql = f"SELECT * FROM task WHERE {_UNFINISHED} ORDER BY id LIMIT 1"  # noqa: S608
    task = store.row(sql)
    if task is None:
        return []
    workflow_id, only = task["workflow_id"], bool(task["only_uninitialized"])
    with store.transaction():
        store.update("task", task["id"], {"started_at_ms": now_ms()})
        initialize_jobs(store, "1.0", workflow_id, only_uninitialized=only)
        store.update("task", task["id"], {"status": "succeeded", "finished_at_ms": now_ms()})
    return [_initialized_event(workflow_id, task["user"], only), _completed_event(task)]


def _queue(request: ApiRequest, workflow_id: int, only_uninitialized: bool) -> Row:
    task_id = request.store.insert(
        "task",
        {
            "workflow_id": workflow_id,
            "operation": "initialize_jobs",
            "only_uninitialized": only_uninitialized,
            "user": request.user,
            "status": "queued",
            "created_at_ms": now_ms(),
        },
    )
    return request.store.row(f"SELECT {_COLUMNS} FROM task WHERE id = ?", task_id) or {}  # noqa: S608


def _same_task(store: Store, workflow_id: int, only_uninitialized: bool) -> Row | None:
    """The unfinished task of the workflow. Raises ApiError if it was started otherwise."""
    active = _active(store, workflow_id)
    if active is None:
        return None
    started = store.value("SELECT only_uninitialized FROM task WHERE id = ?", active["id"])
    if bool(started) is not only_uninitialized:
        raise api_error(
            409,
            "initialize_jobs task already active with different parameters",
            existing_task_id=active["id"],
        )
    return active


def _active(store: Store, workflow_id: int) -> Row | None:
    sql = f"SELECT {_COLUMNS} FROM task WHERE workflow_id = ? AND {_UNFINISHED}"  # noqa: S608
    return store.row(sql, workflow_id)


def _completed_event(task: Row) -> ServerEvent:
    data = {
        "category": "tasks",
        "type": "task_completed",
        "task_id": task["id"],
        "operation": task["operation"],
        "status": "succeeded",
        "user": task["user"],
        "message": f"task {task['id']} succeeded",
    }
    return ServerEvent(task["workflow_id"], now_ms(), "task_completed", "info", data)


def _initialized_event(workflow_id: int, user: str, only_uninitialized: bool) -> ServerEvent:
    """The event after initialization; Torc swaps the two names."""
    event_type = "workflow_started" if only_uninitialized else "workflow_reinitialized"
    data = {
        "category": "workflow",
        "type": event_type,
        "user": user,
        "message": f"{event_type.replace('_', ' ')} workflow {workflow_id}",
    }
    return ServerEvent(workflow_id, now_ms(), event_type, "info", data)
