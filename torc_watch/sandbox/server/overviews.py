"""What is asked of a workflow's jobs as a whole, beside the plain list of them."""

import json
from dataclasses import replace

from torc_watch.sandbox.server import bodies
from torc_watch.sandbox.server.calls import Answer, Call, internal_error
from torc_watch.sandbox.server.catalog import catalog
from torc_watch.sandbox.server.paging import Condition, count, envelope, page_of, select
from torc_watch.sandbox.server.resources import fetch, listing_of, require_workflow
from torc_watch.sandbox.server.store import without_nulls

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
# The tables between jobs and what they make and read, and the columns of the latter.
_THINGS = {
    "file": "file.name AS file_name, file.path AS file_path",
    "user_data": "user_data.name AS user_data_name",
}
_OF_JOBS = """
    {thing} LEFT JOIN job_output_{thing} AS output ON output.{thing}_id = {thing}.id
    LEFT JOIN job AS producer ON producer.id = output.job_id
    LEFT JOIN job_input_{thing} AS input ON input.{thing}_id = {thing}.id
    LEFT JOIN job AS consumer ON consumer.id = input.job_id
"""
_OF_JOBS_COLUMNS = """
    {thing}.id AS {thing}_id, {columns}, {thing}.workflow_id AS workflow_id,
    producer.id AS producer_job_id, producer.name AS producer_job_name,
    consumer.id AS consumer_job_id, consumer.name AS consumer_job_name
"""
_CORRELATIONS = """(
    SELECT DISTINCT CAST(allocation.scheduler_id AS TEXT) AS slurm_job_id, job.id AS job_id,
      job.name AS job_name, allocation.workflow_id AS workflow_id
    FROM scheduled_compute_node AS allocation
    JOIN compute_node AS node ON node.workflow_id = allocation.workflow_id
      AND json_extract(node.scheduler, '$.scheduler_id') = allocation.id
    JOIN result ON result.compute_node_id = node.id JOIN job ON job.id = result.job_id
    WHERE scheduler_type = 'slurm' AND compute_node_type = 'slurm'
)"""
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


def list_dependencies(call: Call) -> Answer:
    conditions = [Condition("edge.workflow_id = ?", (call.number(),))]
    page = page_of(call, ("job_id", "depends_on_job_id"), default="job_id")
    if call.dialect == "0.12":  # it takes no notice of an order
        page = replace(page, order="job_id")
    edges = select(call.store, _DEPENDENCY_COLUMNS, _DEPENDENCIES, conditions, page)
    return Answer(envelope(edges, page, count(call.store, _DEPENDENCIES, conditions)))


def list_files_of_jobs(call: Call) -> Answer:
    return _list_of_jobs(call, "file")


def list_user_data_of_jobs(call: Call) -> Answer:
    return _list_of_jobs(call, "user_data")


def _list_of_jobs(call: Call, thing: str) -> Answer:
    """The things of a workflow, each with every pair of jobs that makes and reads it."""
    if call.dialect == "0.35":
        require_workflow(call.store, call.number())
    related = Condition("(output.job_id IS NOT NULL OR input.job_id IS NOT NULL)", ())
    conditions = [Condition(f"{thing}.workflow_id = ?", (call.number(),)), related]
    page = replace(page_of(call, ("id",)), order=f"{thing}.id, producer.id, consumer.id")
    source = _OF_JOBS.format(thing=thing)
    columns = _OF_JOBS_COLUMNS.format(thing=thing, columns=_THINGS[thing])
    rows = select(call.store, columns, source, conditions, page)
    items = [without_nulls(row) for row in rows]
    return Answer(envelope(items, page, count(call.store, source, conditions)))


def list_running_jobs(call: Call) -> Answer:
    """Jobs that run, and where."""
    of_workflow = Condition("job.workflow_id = ?", (call.number(),))
    conditions = [of_workflow, Condition("job.status = 'running'", ())]
    page = page_of(call, ("job_id",), default="job_id")
    jobs = select(call.store, _RUNNING_COLUMNS, _RUNNING, conditions, page)
    items = [without_nulls(job) for job in jobs]
    return Answer(envelope(items, page, count(call.store, _RUNNING, conditions)))


def list_failure_handlers(call: Call) -> Answer:
    conditions = [Condition("workflow_id = ?", (call.number(),))]
    return listing_of(call, catalog(call.dialect)["failure_handlers"], conditions)


def list_required_files(call: Call) -> Answer:
    """Files that must be there: those no job makes, and those that a completed job made."""
    return Answer({"files": call.store.column(_REQUIRED_FILES, call.number())})


def list_missing_user_data(call: Call) -> Answer:
    return Answer({"user_data": call.store.column(_MISSING_USER_DATA, call.number())})


def update_event(call: Call) -> Answer:
    """Replace what an event says by the whole body, which is how Torc takes it."""
    event, event_id = catalog(call.dialect)["events"], call.number()
    fetch(call.store, event, event_id)
    data = json.dumps(call.body(bodies.Anything).root)
    call.store.update("event", event_id, {"data": data})
    return Answer(fetch(call.store, event, event_id))


def list_correlations(call: Call) -> Answer:
    """Which jobs ended in which allocation, in whichever run."""
    require_workflow(call.store, call.number())
    conditions = [Condition("workflow_id = ?", (call.number(),))]
    page = page_of(call, (), default="slurm_job_id, job_id")
    columns = "slurm_job_id, job_id, job_name"
    items = select(call.store, columns, _CORRELATIONS, conditions, page)
    return Answer(envelope(items, page, count(call.store, _CORRELATIONS, conditions)))


def not_written(_call: Call) -> Answer:
    """What Torc has a path for, and no more."""
    raise internal_error()
