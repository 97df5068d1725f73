"""Putting jobs in their places: what depends on what, who is ready, blocked or starts over.

Everything here is one statement for all jobs of a workflow.
"""

from torc_watch.core.model import JobStatus
from torc_watch.sandbox.server.actions import rearm
from torc_watch.sandbox.server.calls import Answer, Call, flag
from torc_watch.sandbox.server.events import record_user_action
from torc_watch.sandbox.server.resources import require_workflow
from torc_watch.sandbox.server.settings import DialectName
from torc_watch.sandbox.server.store import Store
from torc_watch.sandbox.server.transitions import (
    COMPLETE,
    KEPT_AT_INITIALIZATION,
    RESETTABLE,
    sql_set,
)

_DEPENDENCIES_OF_FILES = """
    INSERT OR IGNORE INTO job_depends_on (job_id, depends_on_job_id, workflow_id)
    SELECT consumer.job_id, producer.job_id, job.workflow_id
    FROM job JOIN job_input_file AS consumer ON consumer.job_id = job.id
    JOIN job_output_file AS producer ON producer.file_id = consumer.file_id
    WHERE job.workflow_id = ?
"""
_DEPENDENCIES_OF_USER_DATA = """
    INSERT OR IGNORE INTO job_depends_on (job_id, depends_on_job_id, workflow_id)
    SELECT consumer.job_id, producer.job_id, job.workflow_id
    FROM job JOIN job_input_user_data AS consumer ON consumer.job_id = job.id
    JOIN job_output_user_data AS producer ON producer.user_data_id = consumer.user_data_id
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
_FINGERPRINT = """
    sha256(json_array(
      command, invocation_script,
      (SELECT group_concat(depends_on_job_id) FROM (SELECT depends_on_job_id FROM job_depends_on
        WHERE job_id = job.id ORDER BY 1)),
      (SELECT group_concat(file_id) FROM (SELECT file_id FROM job_input_file
        WHERE job_id = job.id ORDER BY 1)),
      (SELECT group_concat(file_id) FROM (SELECT file_id FROM job_output_file
        WHERE job_id = job.id ORDER BY 1)),
      (SELECT group_concat(user_data_id) FROM (SELECT user_data_id FROM job_output_user_data
        WHERE job_id = job.id ORDER BY 1)),
      (SELECT json_group_array(json_array(id, data)) FROM (SELECT user_data.id, user_data.data
        FROM job_input_user_data JOIN user_data ON user_data.id = user_data_id
        WHERE job_id = job.id ORDER BY 1))
    ))
"""
_LEAVE_NODES = "UPDATE job SET compute_node_id = NULL, start_time = NULL WHERE workflow_id = ? "


def initialize_jobs(
    store: Store, dialect: DialectName, workflow_id: int, *, only_uninitialized: bool
) -> None:
    """Derive the dependencies, and set every job to where it may begin.

    The order of the steps is Torc's. Jobs that are running, pending or terminated become ready
    whatever ``only_uninitialized`` says.
    """
    store.execute(_DEPENDENCIES_OF_FILES, workflow_id)
    store.execute(_DEPENDENCIES_OF_USER_DATA, workflow_id)
    if only_uninitialized:
        _uninitialize(store, workflow_id, frozenset({JobStatus.UNINITIALIZED}))
    only = "AND status = 'uninitialized'" if only_uninitialized else ""
    store.execute(_BLOCK.format(only=only), workflow_id)
    store.execute(_MAKE_READY, workflow_id)
    store.execute(_DROP_CURRENT_RESULTS, workflow_id)
    store.execute(f"UPDATE job SET input_hash = {_FINGERPRINT} WHERE workflow_id = ?", workflow_id)  # noqa: S608
    rearm(store, workflow_id, keep=dialect == "0.35" and only_uninitialized)


def reset_job_status(call: Call) -> Answer:
    workflow_id = call.number()
    require_workflow(call.store, workflow_id)
    failed_only = call.asked("failed_only", flag) or False
    reset = _reset_failed_jobs if failed_only else _reset_jobs
    updated = reset(call.store, workflow_id)
    data = {"workflow_id": workflow_id, "failed_only": failed_only, "updated_count": updated}
    record_user_action(call, workflow_id, "reset_job_status", data)
    answer = {"workflow_id": workflow_id, "updated_count": updated, "status": "uninitialized"}
    return Answer(answer | ({"reset_type": "failed_only"} if failed_only else {}))


def process_changed_inputs(call: Call) -> Answer:
    """Jobs whose inputs are not what they were at initialization, to uninitialized."""
    changed = f"workflow_id = ? AND input_hash IS NOT NULL AND input_hash != {_FINGERPRINT}"
    sql = f"SELECT name FROM job WHERE {changed} ORDER BY id"  # noqa: S608
    names = call.store.column(sql, call.number())
    if not call.asked("dry_run", flag):
        sql = f"UPDATE job SET status = 'uninitialized' WHERE {changed}"  # noqa: S608
        call.store.execute(sql, call.number())
        if call.dialect == "0.35":
            count = {"workflow_id": call.number(), "reinitialized_count": len(names)}
            data = {**count, "reinitialized_jobs": names}
            record_user_action(call, call.number(), "process_changed_job_inputs", data)
    return Answer({"reinitialized_jobs": names})


def _reset_jobs(store: Store, workflow_id: int) -> int:
    """Every job to uninitialized; how many were not."""
    store.execute(_LEAVE_NODES, workflow_id)
    return store.execute(
        "UPDATE job SET status = 'uninitialized' "
        "WHERE workflow_id = ? AND status != 'uninitialized'",
        workflow_id,
    )


def _reset_failed_jobs(store: Store, workflow_id: int) -> int:
    """Failed jobs, and all that come after them whatever their status, to uninitialized.

    Nothing after a pending_failed job is touched. The number of failed jobs.
    """
    failed = sql_set(RESETTABLE)
    store.execute(f"{_LEAVE_NODES} AND status IN {failed}", workflow_id)
    of_workflow = f"WHERE workflow_id = ? AND status IN {failed}"
    count: int = store.value(f"SELECT COUNT(*) FROM job {of_workflow}", workflow_id)  # noqa: S608
    _uninitialize(store, workflow_id, RESETTABLE & COMPLETE)
    store.execute(f"UPDATE job SET status = 'uninitialized' {of_workflow}", workflow_id)  # noqa: S608
    return count


def _uninitialize(store: Store, workflow_id: int, statuses: frozenset[JobStatus]) -> None:
    """The jobs of these statuses and all their descendants."""
    store.execute(_UNINITIALIZE_DESCENDANTS.format(statuses=sql_set(statuses)), workflow_id)
