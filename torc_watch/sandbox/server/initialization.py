"""Initializes and resets jobs: derives the dependencies, and sets each job to ready or blocked.

Each step is one SQL statement for all jobs of a workflow.
"""

from torc_watch.core.model import JobStatus
from torc_watch.sandbox.server.actions import reset_actions
from torc_watch.sandbox.server.api_request import ApiRequest, ApiResponse, parse_flag
from torc_watch.sandbox.server.dependency_release import forget_failures
from torc_watch.sandbox.server.resource_handlers import require_workflow
from torc_watch.sandbox.server.server_settings import TorcApi
from torc_watch.sandbox.server.status_rules import (
    COMPLETE,
    KEPT_AT_INITIALIZATION,
    RESETTABLE,
    sql_set,
)
from torc_watch.sandbox.server.store import Store

# A job that reads a file, or user data, depends on the job that writes it.
_DEPENDENCIES = """
    INSERT OR IGNORE INTO job_depends_on (job_id, depends_on_job_id, workflow_id)
    SELECT consumer.job_id, producer.job_id, job.workflow_id
    FROM job JOIN job_input_{thing} AS consumer ON consumer.job_id = job.id
    JOIN job_output_{thing} AS producer ON producer.{thing}_id = consumer.{thing}_id
    WHERE job.workflow_id = ?
"""
_UNINITIALIZE_DESCENDANTS = """
    WITH RECURSIVE affected(id) AS (
      SELECT id FROM job WHERE workflow_id = ?1 AND status IN {statuses}
      UNION
      SELECT edge.job_id FROM affected
      JOIN job_depends_on AS edge ON edge.depends_on_job_id = affected.id
    )
    UPDATE job SET status = 'uninitialized' WHERE id IN (SELECT id FROM affected)
"""
_BLOCK = f"""
    UPDATE job SET status = 'blocked' WHERE workflow_id = ?1 {{only}} AND id IN (
      SELECT edge.job_id FROM job_depends_on AS edge
      JOIN job AS dependency ON dependency.id = edge.depends_on_job_id
      WHERE edge.workflow_id = ?1 AND dependency.status NOT IN {sql_set(COMPLETE)}
    )
"""  # noqa: S608
_MAKE_READY = f"""
    UPDATE job SET status = 'ready'
    WHERE workflow_id = ? AND status NOT IN {sql_set(KEPT_AT_INITIALIZATION)}
"""  # noqa: S608
_DROP_CURRENT_RESULTS = f"""
    DELETE FROM workflow_result WHERE workflow_id = ?1 AND job_id IN (
      SELECT id FROM job WHERE workflow_id = ?1 AND status NOT IN {sql_set(COMPLETE)}
    )
"""  # noqa: S608
_CLEAR_NODES = "UPDATE job SET compute_node_id = NULL, start_time = NULL WHERE workflow_id = ? "


def initialize_jobs(
    store: Store, api_version: TorcApi, workflow_id: int, *, only_uninitialized: bool
) -> None:
    """Derive the dependencies, and set every job to ready or blocked.

    The order of the steps is Torc's. Jobs that are running, pending or terminated become ready
    regardless of ``only_uninitialized``.
    """
    forget_failures(store, workflow_id)
    for thing in ("file", "user_data"):
        store.execute(_DEPENDENCIES.format(thing=thing), workflow_id)
    if only_uninitialized:
        _uninitialize(store, workflow_id, frozenset({JobStatus.UNINITIALIZED}))
    only = "AND status = 'uninitialized'" if only_uninitialized else ""
    store.execute(_BLOCK.format(only=only), workflow_id)
    store.execute(_MAKE_READY, workflow_id)
    store.execute(_DROP_CURRENT_RESULTS, workflow_id)
    reset_actions(store, workflow_id, keep_executed=api_version == "1.0" and only_uninitialized)


def reset_job_status(request: ApiRequest) -> ApiResponse:
    workflow_id = request.path_integer()
    require_workflow(request.store, workflow_id)
    failed_only = request.parameter("failed_only", parse_flag) or False
    reset = _reset_failed_jobs if failed_only else _reset_jobs
    updated = reset(request.store, workflow_id)
    response = {"workflow_id": workflow_id, "updated_count": updated, "status": "uninitialized"}
    return ApiResponse(response | ({"reset_type": "failed_only"} if failed_only else {}))


def _reset_jobs(store: Store, workflow_id: int) -> int:
    """Set every job to uninitialized; returns how many were not."""
    store.execute(_CLEAR_NODES, workflow_id)
    return store.execute(
        "UPDATE job SET status = 'uninitialized' "
        "WHERE workflow_id = ? AND status != 'uninitialized'",
        workflow_id,
    )


def _reset_failed_jobs(store: Store, workflow_id: int) -> int:
    """Set failed jobs, and all their descendants in any status, to uninitialized.

    The descendants of pending_failed jobs stay as they are. Returns the number of failed jobs.
    """
    failed = sql_set(RESETTABLE)
    store.execute(f"{_CLEAR_NODES} AND status IN {failed}", workflow_id)
    of_workflow = f"WHERE workflow_id = ? AND status IN {failed}"
    count: int = store.value(f"SELECT COUNT(*) FROM job {of_workflow}", workflow_id)  # noqa: S608
    _uninitialize(store, workflow_id, RESETTABLE & COMPLETE)
    store.execute(f"UPDATE job SET status = 'uninitialized' {of_workflow}", workflow_id)  # noqa: S608
    return count


def _uninitialize(store: Store, workflow_id: int, statuses: frozenset[JobStatus]) -> None:
    """Set the jobs of these statuses and all their descendants to uninitialized."""
    store.execute(_UNINITIALIZE_DESCENDANTS.format(statuses=sql_set(statuses)), workflow_id)
