"""Releases or cancels the dependents of finished jobs: a periodic background task, as in Torc.

A finished job is marked unprocessed. The next run of the task sets its dependents to ready, or
cancels them if a dependency failed. Until then they stay blocked, and the workflow is not complete.

As in Torc, the dependents of a success are only canceled in a workflow in which the server has seen
a failure: it remembers that in memory, until the workflow is initialized or its status is reset.
"""

import json
from collections import deque

from torc_watch.core.model import JobStatus
from torc_watch.sandbox.server.actions import trigger_actions
from torc_watch.sandbox.server.server_settings import TorcApi
from torc_watch.sandbox.server.status_rules import COMPLETE, sql_set
from torc_watch.sandbox.server.store import Row, Store

_UNPROCESSED = f"status IN {sql_set(COMPLETE)} AND unblocking_processed = 0"

# Only jobs with a result of the current run: a job canceled before it ran releases no dependents.
_FINISHED = f"""
    SELECT job.id, result.return_code FROM job
    JOIN workflow_status ON workflow_status.id = job.workflow_id
    JOIN result ON result.job_id = job.id AND result.run_id = workflow_status.run_id
    WHERE job.workflow_id = ? AND job.{_UNPROCESSED}
    ORDER BY job.id, result.attempt_id
"""  # noqa: S608

_INCOMPLETE_DEPENDENCY = f"""
    SELECT 1 FROM job_depends_on AS other JOIN job AS dependency
    ON dependency.id = other.depends_on_job_id
    WHERE other.job_id = job.id AND dependency.status NOT IN {sql_set(COMPLETE)}
"""  # noqa: S608

# The dependencies of those blocked jobs that have no incomplete dependency.
_RELEASING = f"""
    SELECT depends_on_job_id FROM job_depends_on WHERE job_id IN (
      SELECT id FROM job WHERE workflow_id = ? AND status = 'blocked'
      AND NOT EXISTS ({_INCOMPLETE_DEPENDENCY})
    )
"""  # noqa: S608

_WAITING = f"""
    SELECT job.id, job.cancel_on_blocking_job_failure AS cancels FROM job_depends_on AS edge
    JOIN job ON job.id = edge.job_id
    WHERE edge.depends_on_job_id = ?1 AND job.status = 'blocked'
    AND NOT EXISTS ({_INCOMPLETE_DEPENDENCY} AND dependency.id != ?1)
"""  # noqa: S608

_HAS_FAILED_DEPENDENCY = """
    SELECT 1 FROM job_depends_on AS edge
    JOIN job ON job.id = edge.depends_on_job_id
    JOIN workflow_status ON workflow_status.id = job.workflow_id
    JOIN result ON result.job_id = job.id AND result.run_id = workflow_status.run_id
    WHERE edge.job_id = ? AND job.status IN ('failed', 'canceled', 'terminated')
    AND result.return_code != 0
"""


# Blocked jobs without an incomplete dependency.
_DUE = f"""
    workflow_id = ?1 AND status = 'blocked' AND NOT EXISTS ({_INCOMPLETE_DEPENDENCY})
"""

_CANCEL_DUE = f"""
    UPDATE job SET status = 'canceled', unblocking_processed = 1
    WHERE {_DUE} AND cancel_on_blocking_job_failure AND EXISTS (
      SELECT 1 FROM job_depends_on AS edge
      JOIN job AS dependency ON dependency.id = edge.depends_on_job_id
      JOIN workflow_status ON workflow_status.id = dependency.workflow_id
      LEFT JOIN result
      ON result.job_id = dependency.id AND result.run_id = workflow_status.run_id
      WHERE edge.job_id = job.id AND (
        dependency.status IN ('canceled', 'terminated')
        OR (dependency.status = 'failed' AND result.return_code != 0)
      )
    )
"""  # noqa: S608

_FIND_DUE = f"SELECT id FROM job WHERE {_DUE}"  # noqa: S608

_RELEASE = """
    UPDATE job SET status = 'ready', unblocking_processed = 1
    WHERE id IN (SELECT value FROM json_each(?))
"""


def unblock_jobs(store: Store, api_version: TorcApi) -> None:
    """Process the jobs that finished since the last run, in one transaction per workflow."""
    sql = f"SELECT DISTINCT workflow_id FROM job WHERE {_UNPROCESSED}"  # noqa: S608
    for workflow_id in store.column(sql):
        finished = store.rows(_FINISHED, workflow_id)
        if finished:
            with store.transaction():
                _unblock_workflow(store, api_version, workflow_id, finished)


def forget_failures(store: Store, workflow_id: int) -> None:
    store.execute("DELETE FROM failed_workflow WHERE id = ?", workflow_id)


def _unblock_workflow(
    store: Store, api_version: TorcApi, workflow_id: int, finished: list[Row]
) -> None:
    if any(job["return_code"] != 0 for job in finished):
        store.execute("INSERT OR IGNORE INTO failed_workflow VALUES (?)", workflow_id)
    release = _release_one_by_one if api_version == "0.12" else _release_together
    ready = release(store, workflow_id, finished)
    for job in finished:
        store.execute("UPDATE job SET unblocking_processed = 1 WHERE id = ?", job["id"])
    if ready:
        trigger_actions(store, workflow_id, "on_jobs_ready", ready)


def _release_together(store: Store, workflow_id: int, _finished: list[Row]) -> list[int]:
    """Cancel all descendants of failures, then set the other due jobs to ready; returns these."""
    while _has_seen_failure(store, workflow_id) and store.execute(_CANCEL_DUE, workflow_id):
        pass
    due = store.column(
        _FIND_DUE, workflow_id
    )  # a separate query: SQLite before 3.35 has no RETURNING
    store.execute(_RELEASE, json.dumps(due))
    return due


def _release_one_by_one(store: Store, workflow_id: int, finished: list[Row]) -> list[int]:
    """Process the finished jobs in order, skipping those that release no job; returns ready jobs.

    Without the skip, a job with thousands of dependencies would take quadratic time.
    """
    ready = []
    releasing = set(store.column(_RELEASING, workflow_id))
    cancels = _has_seen_failure(store, workflow_id)
    for job in finished:
        if job["id"] not in releasing:
            continue
        failed = job["return_code"] != 0
        outcomes = _release_dependents(store, job["id"], failed=failed, cancels=cancels)
        ready += [other for other, status in outcomes.items() if status == JobStatus.READY]
        if JobStatus.CANCELED in outcomes.values():  # any other job may release its dependents
            releasing = {other["id"] for other in finished}
    return ready


def _has_seen_failure(store: Store, workflow_id: int) -> bool:
    return store.value("SELECT 1 FROM failed_workflow WHERE id = ?", workflow_id) is not None


def _release_dependents(
    store: Store, job_id: int, *, failed: bool, cancels: bool
) -> dict[int, JobStatus]:
    """Set the status of a finished job's dependents; returns job id to status.

    Torc 0.12 reads all statuses before it changes any, and cancels dependents of canceled jobs only
    below a failed job. So if a job fails that has two dependents, a job that depends on both of
    these stays blocked forever.
    """
    outcomes: dict[int, JobStatus] = {}
    blockers = deque([job_id])
    while blockers:
        blocker = blockers.popleft()
        for job in store.rows(_WAITING, blocker):
            canceled = job["cancels"] and (
                blocker != job_id or (cancels and store.value(_HAS_FAILED_DEPENDENCY, job["id"]))
            )
            status = JobStatus.CANCELED if canceled else JobStatus.READY
            if outcomes.setdefault(job["id"], status) is JobStatus.CANCELED and failed:
                blockers.append(job["id"])
    for other, status in outcomes.items():
        _set_status(store, other, status)
    return outcomes


def _set_status(store: Store, job_id: int, status: JobStatus) -> None:
    """Mark the job as processed too: neither a canceled nor a ready job has a result."""
    store.execute(
        "UPDATE job SET status = ?, unblocking_processed = 1 WHERE id = ?", status, job_id
    )
