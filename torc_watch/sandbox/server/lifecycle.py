"""A job's way from claimed to complete, and back: the requests that change one job's status."""

from datetime import UTC, datetime

from torc_watch.core.model import JobStatus
from torc_watch.sandbox.server import bodies
from torc_watch.sandbox.server.actions import trigger
from torc_watch.sandbox.server.calls import (
    Answer,
    Call,
    Failure,
    Severity,
    integer,
    internal_answer,
    internal_error,
    refused,
)
from torc_watch.sandbox.server.jobs import has_job_in, job_with_relations, jobs_as_stored
from torc_watch.sandbox.server.store import Row, Store
from torc_watch.sandbox.server.transitions import COMPLETE, TERMINAL, UNSETTLED, retry_objection

_SEVERITIES: dict[JobStatus, Severity] = {
    JobStatus.FAILED: "error",
    JobStatus.TERMINATED: "warning",
    JobStatus.CANCELED: "warning",
}


def change_status(call: Call) -> Answer:
    """Set a job's status to one that is not complete; completing is for complete_job alone."""
    status = call.status()
    if status in COMPLETE:
        raise refused(422, f"Cannot set completion status '{status}'. Use complete_job instead.")
    job = job_with_relations(call.store, call.api_version, call.number())
    if job["status"] == status:
        return Answer(job)
    _require_run(call.store, job["workflow_id"], call.number("run_id"))
    call.store.execute("UPDATE job SET status = ? WHERE id = ?", status, job["id"])
    if job["status"] in COMPLETE and status == JobStatus.UNINITIALIZED:
        _reset_children(call.store, job["id"])
    return Answer(job_with_relations(call.store, call.api_version, job["id"]))


def start_job(call: Call) -> Answer:
    job_id, node_id = call.number(), call.number("compute_node_id")
    job = _job_of_worker(call, job_id)
    if job["status"] != JobStatus.PENDING:
        raise internal_error()
    _require_run(call.store, job["workflow_id"], call.number("run_id"))
    started = {"status": JobStatus.RUNNING, "compute_node_id": node_id}
    started["start_time"] = datetime.now(UTC).isoformat()  # in another format than other times
    call.store.update("job", job_id, started)
    data = {"job_id": job_id, "job_name": job["name"], "compute_node_id": node_id}
    call.announce(job["workflow_id"], "job_started", data | {"run_id": call.number("run_id")})
    return Answer(job | {"status": JobStatus.RUNNING})


def complete_job(call: Call) -> Answer:
    """Report the end of a job's attempt; a second report of it is Torc's own error."""
    status, run_id = call.status(), call.number("run_id")
    job = _complete(call, call.number(), status, run_id, call.body(bodies.Result))
    if job is None:
        return internal_answer(call.api_version)
    return Answer(job)


def complete_jobs(call: Call) -> Answer:
    """Many reports at once: what one is refused does not hold up the others, an error does."""
    completed, errors = [], []
    entries = call.body(bodies.Completions).completions
    if any(entry.status not in TERMINAL for entry in entries):
        raise internal_error()
    for entry in entries:
        message = _attempt_completion(call, entry)
        if message is None:
            completed.append(entry.job_id)
        else:
            errors.append({"job_id": entry.job_id, "message": message})
    return Answer({"completed": completed, "errors": errors})


def retry_job(call: Call) -> Answer:
    """One more attempt, at once, of a job that failed or is failing; nobody downstream is told."""
    run_id, max_retries = call.number("run_id"), call.required("max_retries", integer)
    job = job_with_relations(call.store, call.api_version, call.number())
    _require_run(call.store, job["workflow_id"], run_id)
    attempt = job["attempt_id"]
    objection = retry_objection(JobStatus(job["status"]), attempt, max_retries)
    if objection is not None:
        raise refused(422, f"Job cannot be retried: {objection}")
    ready = {"status": JobStatus.READY, "attempt_id": attempt + 1, "origin": "retry"}
    call.store.update("job", job["id"], ready)
    if call.api_version == "1.0":
        _leave_node(call.store, job["id"])
    return Answer(jobs_as_stored(call.store, call.api_version, [job["id"]])[0])


def _complete(
    call: Call, job_id: int, status: JobStatus, run_id: int, result: bodies.Result
) -> Row | None:
    """The completed job. None for a wrong run: its result stays, and the job is as it was."""
    if status not in TERMINAL:
        raise internal_error()
    job = _job_of_worker(call, job_id)
    if job["status"] in COMPLETE:
        raise refused(422, f"Job {job_id} is already complete with status {job['status']}")
    if call.api_version == "1.0":
        _require_agreement(result, status, run_id)
    _leave_node(call.store, job_id)
    _keep_result(call.store, job, result)
    if job["status"] != status:
        if not _may_finish(call.store, job, status, run_id):
            return None
        finished = {"status": status, "unblocking_processed": 0 if status in COMPLETE else None}
        call.store.update("job", job_id, finished)
    data = {"job_id": job_id, "job_name": job["name"], "status": status}
    data["return_code"] = result.return_code
    call.announce(job["workflow_id"], f"job_{status}", data, _SEVERITIES.get(status, "info"))
    _trigger_actions(call.store, job["workflow_id"], job_id)
    return job | {"status": status}


def _attempt_completion(call: Call, entry: bodies.Completion) -> str | None:
    """Complete one job of many; the reason when it could not be."""
    try:
        with call.store.savepoint():
            done = _complete(call, entry.job_id, entry.status, entry.run_id, entry.result)
            if done is None:
                raise refused(422, "Run ID mismatch")
    except Failure as failure:
        return failure.message
    return None


def _keep_result(store: Store, job: Row, result: bodies.Result) -> None:
    result_id = store.insert("result", result.model_dump())
    store.execute(
        "INSERT OR REPLACE INTO workflow_result (workflow_id, job_id, result_id) VALUES (?, ?, ?)",
        job["workflow_id"],
        job["id"],
        result_id,
    )


def _may_finish(store: Store, job: Row, status: JobStatus, run_id: int) -> bool:
    if run_id != _run_id(store, job["workflow_id"]):
        return False
    sql = "SELECT 1 FROM result WHERE job_id = ? AND run_id = ?"
    return status not in COMPLETE or store.value(sql, job["id"], run_id) is not None


def _trigger_actions(store: Store, workflow_id: int, job_id: int) -> None:
    trigger(store, workflow_id, "on_jobs_complete", [job_id])
    if not has_job_in(store, workflow_id, UNSETTLED):
        trigger(store, workflow_id, "on_workflow_complete")


def _job_of_worker(call: Call, job_id: int) -> Row:
    """The job that a worker speaks of; Torc 0.12 does not expect that it is gone."""
    try:
        return job_with_relations(call.store, call.api_version, job_id)
    except Failure as failure:
        if call.api_version == "0.12":
            raise internal_error() from failure
        raise


def _require_run(store: Store, workflow_id: int, run_id: int) -> None:
    current = _run_id(store, workflow_id)
    if run_id != current:
        raise refused(422, f"Run ID mismatch: provided {run_id} but workflow status has {current}")


def _run_id(store: Store, workflow_id: int) -> int:
    return int(store.value("SELECT run_id FROM workflow_status WHERE id = ?", workflow_id))


def _require_agreement(result: bodies.Result, status: JobStatus, run_id: int) -> None:
    if (result.status, result.run_id) != (status, run_id):
        raise refused(422, "The result's run_id or status does not match the target's")


def _leave_node(store: Store, job_id: int) -> None:
    store.execute("UPDATE job SET compute_node_id = NULL, start_time = NULL WHERE id = ?", job_id)


def _reset_children(store: Store, job_id: int) -> None:
    """The jobs right behind a job that starts over: those that ran, not those canceled."""
    store.execute(
        "UPDATE job SET status = 'uninitialized' WHERE status IN ('completed', 'failed') "
        "AND id IN (SELECT job_id FROM job_depends_on WHERE depends_on_job_id = ?)",
        job_id,
    )
