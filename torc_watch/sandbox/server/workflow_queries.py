"""Read-only queries about the jobs of a workflow: dependencies, running jobs, files, a summary."""

from dataclasses import replace

from torc_watch.core.model import JobStatus
from torc_watch.sandbox.server.api_request import ApiRequest, ApiResponse
from torc_watch.sandbox.server.list_query import Condition, count, envelope, page_of, select
from torc_watch.sandbox.server.status_rules import STATUSES, UNFINISHED
from torc_watch.sandbox.server.store import Row, Store, without_nulls

_REQUIRED_FILES = """
    SELECT DISTINCT file_id FROM job_input_file JOIN job ON job.id = job_id
    WHERE workflow_id = ?1 AND file_id NOT IN (SELECT file_id FROM job_output_file)
    UNION
    SELECT file_id FROM job_output_file JOIN job ON job.id = job_id
    WHERE workflow_id = ?1 AND status = 'completed'
    ORDER BY 1
"""
_MISSING_USER_DATA = """
    SELECT user_data.id FROM job_input_user_data AS input
    JOIN job ON job.id = input.job_id JOIN user_data ON user_data.id = input.user_data_id
    WHERE job.workflow_id = ?1 AND data IS NULL
    AND user_data.id NOT IN (SELECT user_data_id FROM job_output_user_data)
    UNION
    SELECT user_data.id FROM job_output_user_data AS output
    JOIN job ON job.id = output.job_id JOIN user_data ON user_data.id = output.user_data_id
    WHERE job.workflow_id = ?1 AND data IS NULL AND job.status = 'completed'
    ORDER BY 1
"""
_DEPENDENCIES = """
    job_depends_on AS edge JOIN job ON job.id = edge.job_id
    JOIN job AS dependency ON dependency.id = edge.depends_on_job_id
"""
_DEPENDENCY_COLUMNS = """
    edge.job_id AS job_id, job.name AS job_name, edge.depends_on_job_id AS depends_on_job_id,
    dependency.name AS depends_on_job_name, edge.workflow_id AS workflow_id
"""
_RUNNING = """
    job JOIN compute_node AS node
    ON node.id = job.compute_node_id AND node.workflow_id = job.workflow_id
    LEFT JOIN scheduled_compute_node AS allocation
    ON allocation.workflow_id = job.workflow_id
    AND allocation.id = json_extract(node.scheduler, '$.scheduler_id')
"""
_RUNNING_COLUMNS = """
    job.id AS job_id, job.name AS job_name, node.hostname AS compute_node_name,
    node.compute_node_type AS scheduler_type,
    CAST(allocation.scheduler_id AS TEXT) AS scheduler_job_id, job.start_time AS start_time
"""
_STARTUP_GRACE = 120  # seconds that a job may need beyond the remaining time of its allocation
_ACTIVE_NODES = "compute_node WHERE workflow_id = ?1 AND is_active"
_USAGE = f"""
    SELECT
      (SELECT COUNT(*) FROM {_ACTIVE_NODES}) AS active_compute_nodes,
      (SELECT COUNT(*) FROM scheduled_compute_node
        WHERE workflow_id = ?1 AND status = 'active') AS active_scheduled_nodes,
      (SELECT COUNT(*) FROM scheduled_compute_node
        WHERE workflow_id = ?1 AND status = 'pending') AS pending_scheduled_nodes,
      (SELECT CAST(MAX(0, (MAX(julianday(end_time)) - julianday('now')) * 86400) AS INTEGER)
        FROM {_ACTIVE_NODES}) AS max_allocation_remaining_seconds,
      TOTAL(exec_time_minutes) AS total_exec_time_minutes,
      (MAX(julianday(completion_time))
        - MIN(julianday(completion_time) - exec_time_minutes / 1440)) * 86400 AS walltime_seconds
    FROM result JOIN workflow_result ON result_id = result.id WHERE result.workflow_id = ?1
"""  # noqa: S608
_TIME_LEFT = f"""
    SELECT CAST(MAX(0, (MAX(julianday(end_time)) - julianday('now')) * 86400) AS INTEGER)
    FROM {_ACTIVE_NODES} HAVING COUNT(*) = COUNT(end_time)
"""  # noqa: S608
_TOO_LONG_JOBS = """
    SELECT TOTAL(runtime_s > ?2) AS runtime_blocked_ready_jobs,
    MAX(runtime_s) AS longest_ready_runtime_seconds
    FROM job JOIN resource_requirements AS need ON need.id = resource_requirements_id
    WHERE job.workflow_id = ?1 AND status = 'ready'
"""


def list_dependencies(request: ApiRequest) -> ApiResponse:
    conditions = [Condition("edge.workflow_id = ?", (request.path_integer(),))]
    page = page_of(request, ("job_id", "depends_on_job_id"), default="job_id")
    if request.api_version == "0.12":  # it ignores the requested order
        page = replace(page, order="job_id")
    edges = select(request.store, _DEPENDENCY_COLUMNS, _DEPENDENCIES, conditions, page)
    return ApiResponse(envelope(edges, page, count(request.store, _DEPENDENCIES, conditions)))


def list_running_jobs(request: ApiRequest) -> ApiResponse:
    """The running jobs with their compute nodes."""
    of_workflow = Condition("job.workflow_id = ?", (request.path_integer(),))
    conditions = [of_workflow, Condition("job.status = 'running'", ())]
    page = page_of(request, ("job_id",), default="job_id")
    jobs = select(request.store, _RUNNING_COLUMNS, _RUNNING, conditions, page)
    items = [without_nulls(job) for job in jobs]
    return ApiResponse(envelope(items, page, count(request.store, _RUNNING, conditions)))


def list_required_files(request: ApiRequest) -> ApiResponse:
    """Files that must exist: inputs that no job writes, and outputs of completed jobs."""
    return ApiResponse({"files": request.store.column(_REQUIRED_FILES, request.path_integer())})


def list_missing_user_data(request: ApiRequest) -> ApiResponse:
    return ApiResponse(
        {"user_data": request.store.column(_MISSING_USER_DATA, request.path_integer())}
    )


def summary(store: Store, workflow: Row) -> Row:
    """Counts of jobs, workers and allocations, and of ready jobs that no worker can claim."""
    workflow_id = workflow["id"]
    counts = dict.fromkeys(sorted(STATUSES), 0)
    sql = "SELECT status, COUNT(*) AS jobs FROM job WHERE workflow_id = ? GROUP BY status"
    counts |= {JobStatus(row["status"]): row["jobs"] for row in store.rows(sql, workflow_id)}
    measured = {
        **(store.row(_USAGE, workflow_id) or {}),
        **_count_too_long_jobs(store, workflow_id),
    }
    return {
        "workflow_id": workflow_id,
        "workflow_name": workflow["name"],
        "workflow_user": workflow["user"],
        "jobs_by_status": counts,
        "total_jobs": sum(counts.values()),
        "is_canceled": workflow["is_canceled"],
        "is_complete": workflow["is_canceled"] or not any(counts[one] for one in UNFINISHED),
        **without_nulls(measured),
    }


def _count_too_long_jobs(store: Store, workflow_id: int) -> Row:
    """How many ready jobs would outlast every worker; none if a worker has no time limit."""
    seconds = store.value(_TIME_LEFT, workflow_id)
    found = (
        None
        if seconds is None
        else store.row(_TOO_LONG_JOBS, workflow_id, seconds + _STARTUP_GRACE)
    )
    if found is None or found["longest_ready_runtime_seconds"] is None:
        return {"runtime_blocked_ready_jobs": 0}
    return found | {"runtime_blocked_ready_jobs": int(found["runtime_blocked_ready_jobs"])}
