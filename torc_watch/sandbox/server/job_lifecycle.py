"""The requests that change the status of a job: start, complete, retry, reset."""

import sqlite3
from contextlib import suppress
from datetime import UTC, datetime

from torc_watch.core.model import JobStatus
from torc_watch.sandbox.server import bodies
from torc_watch.sandbox.server.actions import trigger_actions
from torc_watch.sandbox.server.api_request import (
    ApiError,
    ApiRequest,
    ApiResponse,
    Severity,
    api_error,
    internal_error,
    internal_error_response,
    parse_integer,
)
from torc_watch.sandbox.server.jobs import has_job_in, job_with_relations, jobs_without_relations
from torc_watch.sandbox.server.status_rules import COMPLETE, TERMINAL, UNFINISHED, retry_refusal
from torc_watch.sandbox.server.store import Row, Store

_SEVERITIES: dict[JobStatus, Severity] = {
    JobStatus.FAILED: "error",
    JobStatus.TERMINATED: "warning",
    JobStatus.CANCELED: "warning",
}


def change_status(request: ApiRequest) -> ApiResponse:
    """Set a job's status to one that is not complete; only complete_job may complete a job."""
    status = request.path_status()
    if status in COMPLETE:
        raise api_error(422, f"Cannot set completion status '{status}'. Use complete_job instead.")
    job = job_with_relations(request.store, request.api_version, request.path_integer())
    if job["status"] == status:
        return ApiResponse(job)
    _require_run(request.store, job["workflow_id"], request.path_integer("run_id"))
    request.store.execute("UPDATE job SET status = ? WHERE id = ?", status, job["id"])
    if job["status"] in COMPLETE and status == JobStatus.UNINITIALIZED:
        _reset_children(request.store, job["id"])
    return ApiResponse(job_with_relations(request.store, request.api_version, job["id"]))


def start_job(request: ApiRequest) -> ApiResponse:
    job_id, node_id = request.path_integer(), request.path_integer("compute_node_id")
    job = _fetch_reported_job(request, job_id)
    if job["status"] != JobStatus.PENDING:
        raise internal_error()
    _require_run(request.store, job["workflow_id"], request.path_integer("run_id"))
    started = {"status": JobStatus.RUNNING, "compute_node_id": node_id}
    started["start_time"] = datetime.now(UTC).isoformat()  # Torc formats this time differently
    request.store.update("job", job_id, started)
    data = {"job_id": job_id, "job_name": job["name"], "compute_node_id": node_id}
    request.publish(
        job["workflow_id"], "job_started", data | {"run_id": request.path_integer("run_id")}
    )
    return ApiResponse(job | {"status": JobStatus.RUNNING})


def complete_job(request: ApiRequest) -> ApiResponse:
    """Record the end of a job's attempt; a wrong run is an internal error, as in Torc.

    So is a result that cannot be stored, such as a second one of an attempt. As in Torc, the job is
    off its node then.
    """
    status, run_id = request.path_status(), request.path_integer("run_id")
    result = request.body(bodies.Result)
    job = None
    with suppress(sqlite3.IntegrityError):
        job = _complete(request, request.path_integer(), status, run_id, result)
    if job is None:
        return internal_error_response(request.api_version)
    return ApiResponse(job)


def complete_jobs(request: ApiRequest) -> ApiResponse:
    """Complete many jobs: a refused report does not affect the others, an internal error does."""
    completed, errors = [], []
    entries = request.body(bodies.Completions).completions
    if any(entry.status not in TERMINAL for entry in entries):
        raise internal_error()
    for entry in entries:
        message = _try_completion(request, entry)
        if message is None:
            completed.append(entry.job_id)
        else:
            errors.append({"job_id": entry.job_id, "message": message})
    return ApiResponse({"completed": completed, "errors": errors})


def retry_job(request: ApiRequest) -> ApiResponse:
    """Start another attempt of a job that failed or still runs; its dependents do not change."""
    run_id, max_retries = (
        request.path_integer("run_id"),
        request.required_parameter("max_retries", parse_integer),
    )
    job = job_with_relations(request.store, request.api_version, request.path_integer())
    _require_run(request.store, job["workflow_id"], run_id)
    attempt = job["attempt_id"]
    objection = retry_refusal(JobStatus(job["status"]), attempt, max_retries)
    if objection is not None:
        raise api_error(422, f"Job cannot be retried: {objection}")
    ready = {"status": JobStatus.READY, "attempt_id": attempt + 1, "origin": "retry"}
    request.store.update("job", job["id"], ready)
    if request.api_version == "1.0":
        _clear_node(request.store, job["id"])
    return ApiResponse(jobs_without_relations(request.store, request.api_version, [job["id"]])[0])


def _complete(
    request: ApiRequest, job_id: int, status: JobStatus, run_id: int, result: bodies.Result
) -> Row | None:
    """The completed job. None for a wrong run: the result is stored, the job does not change."""
    if status not in TERMINAL:
        raise internal_error()
    job = _fetch_reported_job(request, job_id)
    if job["status"] in COMPLETE:
        raise api_error(422, f"Job {job_id} is already complete with status {job['status']}")
    if request.api_version == "1.0":
        _require_matching_result(result, status, run_id)
    _clear_node(request.store, job_id)
    _store_result(request.store, job, result)
    if job["status"] != status:
        if not _can_finish(request.store, job, status, run_id):
            return None
        finished = {"status": status, "unblocking_processed": 0 if status in COMPLETE else None}
        request.store.update("job", job_id, finished)
    data = {"job_id": job_id, "job_name": job["name"], "status": status}
    data["return_code"] = result.return_code
    request.publish(job["workflow_id"], f"job_{status}", data, _SEVERITIES.get(status, "info"))
    _trigger_completion_actions(request.store, job["workflow_id"], job_id)
    return job | {"status": status}


def _try_completion(request: ApiRequest, entry: bodies.Completion) -> str | None:
    """Complete one job of many; returns the reason if that is refused."""
    try:
        with request.store.savepoint():
            done = _complete(request, entry.job_id, entry.status, entry.run_id, entry.result)
            if done is None:
                raise api_error(422, "Run ID mismatch")
    except ApiError as error:
        return error.message
    return None


def _store_result(store: Store, job: Row, result: bodies.Result) -> None:
    result_id = store.insert("result", result.model_dump())
    store.execute(
        "INSERT OR REPLACE INTO workflow_result (workflow_id, job_id, result_id) VALUES (?, ?, ?)",
        job["workflow_id"],
        job["id"],
        result_id,
    )


def _can_finish(store: Store, job: Row, status: JobStatus, run_id: int) -> bool:
    if run_id != _run_id(store, job["workflow_id"]):
        return False
    sql = "SELECT 1 FROM result WHERE job_id = ? AND run_id = ?"
    return status not in COMPLETE or store.value(sql, job["id"], run_id) is not None


def _trigger_completion_actions(store: Store, workflow_id: int, job_id: int) -> None:
    trigger_actions(store, workflow_id, "on_jobs_complete", [job_id])
    if not has_job_in(store, workflow_id, UNFINISHED):
        trigger_actions(store, workflow_id, "on_workflow_complete")


def _fetch_reported_job(request: ApiRequest, job_id: int) -> Row:
    """The job that a worker reports; if it was deleted, Torc 0.12 fails with an internal error."""
    try:
        return job_with_relations(request.store, request.api_version, job_id)
    except ApiError as error:
        if request.api_version == "0.12":
            raise internal_error() from error
        raise


def _require_run(store: Store, workflow_id: int, run_id: int) -> None:
    current = _run_id(store, workflow_id)
    if run_id != current:
        raise api_error(
            422, f"Run ID mismatch: provided {run_id} but workflow status has {current}"
        )


def _run_id(store: Store, workflow_id: int) -> int:
    return int(store.value("SELECT run_id FROM workflow_status WHERE id = ?", workflow_id))


def _require_matching_result(result: bodies.Result, status: JobStatus, run_id: int) -> None:
    if (result.status, result.run_id) != (status, run_id):
        raise api_error(422, "The result's run_id or status does not match the target's")


def _clear_node(store: Store, job_id: int) -> None:
    store.execute("UPDATE job SET compute_node_id = NULL, start_time = NULL WHERE id = ?", job_id)


def _reset_children(store: Store, job_id: int) -> None:
    """Reset the direct dependents of a job that starts over, if they ran and were not canceled."""
    store.execute(
        "UPDATE job SET status = 'uninitialized' WHERE status IN ('completed', 'failed') "
        "AND id IN (SELECT job_id FROM job_depends_on WHERE depends_on_job_id = ?)",
        job_id,
    )
