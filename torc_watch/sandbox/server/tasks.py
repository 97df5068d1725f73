"""Initializing jobs, at once or as a task that a client asks after.

A task is a row of its table, so that one a killed server had not done yet is done by the next.
"""

from torc_watch.sandbox.server.calls import (
    Announcement,
    Answer,
    Call,
    flag,
    now_ms,
    refused,
)
from torc_watch.sandbox.server.initializing import initialize_jobs
from torc_watch.sandbox.server.resources import require_workflow
from torc_watch.sandbox.server.store import Row, Store, without_nulls

_SHOWN = "id, workflow_id, operation, status, error, created_at_ms, started_at_ms, finished_at_ms"
_UNFINISHED = "status IN ('queued', 'running')"


def initialize(call: Call) -> Answer:
    workflow_id = call.number()
    require_workflow(call.store, workflow_id)
    only_uninitialized = call.asked("only_uninitialized", flag) or False
    call.asked("clear_ephemeral_user_data", flag)  # checked, and then ignored, as in Torc
    if call.api_version == "1.0":
        active = _active(call.store, workflow_id)
        if call.asked("async", flag):
            task = active or _queue(call, workflow_id, only_uninitialized)
            return Answer(without_nulls(task), 202)
        if active is not None:
            raise refused(409, f"Task {active['id']} already works on workflow {workflow_id}")
    initialize_jobs(
        call.store, call.api_version, workflow_id, only_uninitialized=only_uninitialized
    )
    announcement = _announcement(workflow_id, call.user, only_uninitialized)
    call.announcements.append(announcement)
    return Answer({"message": "Initialized job status"})


def show_task(call: Call) -> Answer:
    task = call.store.row(f"SELECT {_SHOWN} FROM task WHERE id = ?", call.number())  # noqa: S608
    if task is None:
        raise refused(404, "Task not found")
    return Answer(without_nulls(task))


def show_active_task(call: Call) -> Answer:
    require_workflow(call.store, call.number())
    task = _active(call.store, call.number())
    return Answer({"task": None if task is None else without_nulls(task)})


def run_task(store: Store) -> list[Announcement]:
    """Do the oldest unfinished task; what to announce, which is nothing when none is left.

    Raises sqlite3.Error when it cannot be done now; it stays unfinished.
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
    return [_announcement(workflow_id, task["user"], only), _finished(task)]


def _queue(call: Call, workflow_id: int, only_uninitialized: bool) -> Row:
    task_id = call.store.insert(
        "task",
        {
            "workflow_id": workflow_id,
            "operation": "initialize_jobs",
            "only_uninitialized": only_uninitialized,
            "user": call.user,
            "status": "queued",
            "created_at_ms": now_ms(),
        },
    )
    return call.store.row(f"SELECT {_SHOWN} FROM task WHERE id = ?", task_id) or {}  # noqa: S608


def _active(store: Store, workflow_id: int) -> Row | None:
    sql = f"SELECT {_SHOWN} FROM task WHERE workflow_id = ? AND {_UNFINISHED}"  # noqa: S608
    return store.row(sql, workflow_id)


def _finished(task: Row) -> Announcement:
    data = {
        "category": "tasks",
        "type": "task_completed",
        "task_id": task["id"],
        "operation": task["operation"],
        "status": "succeeded",
        "user": task["user"],
        "message": f"task {task['id']} succeeded",
    }
    return Announcement(task["workflow_id"], now_ms(), "task_completed", "info", data)


def _announcement(workflow_id: int, user: str, only_uninitialized: bool) -> Announcement:
    """The event of initialized jobs: Torc has the two names the wrong way round."""
    event_type = "workflow_started" if only_uninitialized else "workflow_reinitialized"
    data = {
        "category": "workflow",
        "type": event_type,
        "user": user,
        "message": f"{event_type.replace('_', ' ')} workflow {workflow_id}",
    }
    return Announcement(workflow_id, now_ms(), event_type, "info", data)
