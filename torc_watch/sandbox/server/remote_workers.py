"""Machines that a person has named for a workflow; Torc's tools reach them by SSH."""

from torc_watch.sandbox.server import bodies
from torc_watch.sandbox.server.calls import Answer, Call, refused
from torc_watch.sandbox.server.resources import require_workflow


def list_workers(call: Call) -> Answer:
    """All of a workflow: a bare list."""
    require_workflow(call.store, call.number())
    sql = "SELECT worker, workflow_id FROM remote_worker WHERE workflow_id = ? ORDER BY worker"
    return Answer(call.store.rows(sql, call.number()))


def add_workers(call: Call) -> Answer:
    """Name more of them; those that are known already are answered like the others."""
    workflow_id = call.number()
    require_workflow(call.store, workflow_id)
    workers = [
        {"worker": worker, "workflow_id": workflow_id}
        for worker in call.body(bodies.RemoteWorkers).root
    ]
    for worker in workers:
        sql = "INSERT OR IGNORE INTO remote_worker (worker, workflow_id) VALUES (?, ?)"
        call.store.execute(sql, *worker.values())
    return Answer(workers, 201 if call.dialect == "0.12" else 200)


def delete_worker(call: Call) -> Answer:
    workflow_id, worker = call.number(), call.path["worker"]
    require_workflow(call.store, workflow_id)
    sql = "DELETE FROM remote_worker WHERE worker = ? AND workflow_id = ?"
    if not call.store.execute(sql, worker, workflow_id):
        raise refused(404, f"Worker {worker!r} not found for workflow {workflow_id}")
    return Answer({"worker": worker, "workflow_id": workflow_id})
