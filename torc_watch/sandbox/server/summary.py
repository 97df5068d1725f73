"""How a workflow stands, in numbers: the status of the newer dialect."""

from torc_watch.core.model import JobStatus
from torc_watch.sandbox.server.store import Row, Store, without_nulls
from torc_watch.sandbox.server.transitions import STATUSES, UNSETTLED

_STARTUP_GRACE = 120  # seconds that a job may need beyond what its allocation has left
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
_TOO_LONG = """
    SELECT TOTAL(runtime_s > ?2) AS runtime_blocked_ready_jobs,
    MAX(runtime_s) AS longest_ready_runtime_seconds
    FROM job JOIN resource_requirements AS need ON need.id = resource_requirements_id
    WHERE job.workflow_id = ?1 AND status = 'ready'
"""


def summary(store: Store, workflow: Row) -> Row:
    """Counts of jobs, of workers and allocations, and what keeps ready jobs from being taken."""
    workflow_id = workflow["id"]
    counts = dict.fromkeys(sorted(STATUSES), 0)
    sql = "SELECT status, COUNT(*) AS jobs FROM job WHERE workflow_id = ? GROUP BY status"
    counts |= {JobStatus(row["status"]): row["jobs"] for row in store.rows(sql, workflow_id)}
    measured = {**(store.row(_USAGE, workflow_id) or {}), **_too_long(store, workflow_id)}
    return {
        "workflow_id": workflow_id,
        "workflow_name": workflow["name"],
        "workflow_user": workflow["user"],
        "jobs_by_status": counts,
        "total_jobs": sum(counts.values()),
        "is_canceled": workflow["is_canceled"],
        "is_complete": workflow["is_canceled"] or not any(counts[one] for one in UNSETTLED),
        **without_nulls(measured),
    }


def _too_long(store: Store, workflow_id: int) -> Row:
    """How many ready jobs would outlast every worker; none when one of them has no end."""
    seconds = store.value(_TIME_LEFT, workflow_id)
    found = None if seconds is None else store.row(_TOO_LONG, workflow_id, seconds + _STARTUP_GRACE)
    if found is None or found["longest_ready_runtime_seconds"] is None:
        return {"runtime_blocked_ready_jobs": 0}
    return found | {"runtime_blocked_ready_jobs": int(found["runtime_blocked_ready_jobs"])}
