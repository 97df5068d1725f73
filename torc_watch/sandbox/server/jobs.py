"""Jobs: created one by one or in bulk, shown with or without what they are related to, changed."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torc_watch.core.model import JobStatus
from torc_watch.sandbox.server import bodies
from torc_watch.sandbox.server.calls import (
    Answer,
    Call,
    flag,
    integer,
    internal_error,
    job_status,
    refused,
)
from torc_watch.sandbox.server.resources import (
    Resource,
    fetch,
    listing,
    require_batch,
    require_workflow,
    shown,
    stored,
)
from torc_watch.sandbox.server.settings import ApiVersionName
from torc_watch.sandbox.server.store import Row, Store
from torc_watch.sandbox.server.transitions import sql_set


@dataclass(frozen=True, slots=True)
class Relation:
    """Ids that a job's JSON carries in ``name``, kept in ``table`` under ``column``."""

    name: str
    table: str
    column: str


DEPENDENCIES = Relation("depends_on_job_ids", "job_depends_on", "depends_on_job_id")
OUTPUT_FILES = Relation("output_file_ids", "job_output_file", "file_id")
OUTPUT_USER_DATA = Relation("output_user_data_ids", "job_output_user_data", "user_data_id")
RELATIONS = (
    DEPENDENCIES,
    Relation("input_file_ids", "job_input_file", "file_id"),
    OUTPUT_FILES,
    Relation("input_user_data_ids", "job_input_user_data", "user_data_id"),
    OUTPUT_USER_DATA,
)

RelatedJob = bodies.RelatedJobV0 | bodies.RelatedJobV1
_OLDER = Resource(
    path="jobs",
    table="job",
    absence="Job not found",
    model=bodies.JobV0,
    filters={
        "status": (job_status, "status = ?"),
        "active_compute_node_id": (integer, "compute_node_id = ?"),
    },
    flags=frozenset({"cancel_on_blocking_job_failure", "supports_termination"}),
    # Torc reads what is NULL as an empty text or a zero, except in what it answers to claims.
    computed={
        "invocation_script": "COALESCE(invocation_script, '')",
        "scheduler_id": "COALESCE(scheduler_id, 0)",
    },
)
JOBS = {"0.12": _OLDER, "1.0": replace(_OLDER, model=bodies.JobV1)}


def create_job(call: Call) -> Answer:
    job = _single(call)
    require_workflow(call.store, job.workflow_id)
    return Answer(_add(call.store, call.api_version, [job])[0])


def create_jobs(call: Call) -> Answer:
    jobs = _bulk(call)
    require_batch(call, [job.workflow_id for job in jobs], [job.name for job in jobs])
    return Answer({"jobs": _add(call.store, call.api_version, jobs) if jobs else []})


def show_job(call: Call) -> Answer:
    return Answer(job_with_relations(call.store, call.api_version, call.number()))


def list_jobs(call: Call) -> Answer:
    answer = listing(call, JOBS[call.api_version])
    if call.asked("include_relationships", flag):
        _relate(call.store, answer.body["items"], RELATIONS)
    return answer


def update_job(call: Call) -> Answer:
    """Change a job: requirements and scheduler at any time, the rest only while uninitialized."""
    body = _single(call)
    job = job_with_relations(call.store, call.api_version, call.number())
    _check_update(job, body.model_dump(exclude_none=True))
    columns = stored(JOBS[call.api_version], body)
    columns |= {"workflow_id": None, "attempt_id": None}  # these stay
    call.store.update("job", job["id"], columns)
    if body.depends_on_job_ids is not None:
        call.store.execute("DELETE FROM job_depends_on WHERE job_id = ?", job["id"])
        _add_relation(
            call.store, DEPENDENCIES, job["workflow_id"], {job["id"]: body.depends_on_job_ids}
        )
    return Answer(job_with_relations(call.store, call.api_version, job["id"]))


def job_with_relations(store: Store, api_version: ApiVersionName, job_id: int) -> Row:
    """A job as JSON with the ids of what it is related to; a Failure of 404 without it."""
    job = fetch(store, JOBS[api_version], job_id)
    _relate(store, [job], RELATIONS)
    return job


def claimed_jobs(store: Store, api_version: ApiVersionName, job_ids: Sequence[int]) -> list[Row]:
    """Jobs as a worker gets them, in the order of the ids, with what they have to produce."""
    jobs = jobs_as_stored(store, api_version, job_ids)
    _relate(store, jobs, (OUTPUT_FILES, OUTPUT_USER_DATA))
    return jobs


def jobs_as_stored(store: Store, api_version: ApiVersionName, job_ids: Sequence[int]) -> list[Row]:
    """Jobs by themselves, in the order of the ids, without what is NULL."""
    columns = ", ".join(JOBS[api_version].columns)
    sql = f"SELECT {columns} FROM job WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608
    found = {
        row["id"]: shown(JOBS[api_version], row) for row in store.rows(sql, json.dumps(job_ids))
    }
    return [with_scheduler(api_version, found[job_id]) for job_id in job_ids]


def has_job_in(store: Store, workflow_id: int, statuses: frozenset[JobStatus]) -> bool:
    sql = f"SELECT 1 FROM job WHERE workflow_id = ? AND status IN {sql_set(statuses)} LIMIT 1"  # noqa: S608
    return store.value(sql, workflow_id) is not None


def _single(call: Call) -> RelatedJob:
    if call.api_version == "0.12":
        return call.body(bodies.RelatedJobV0)
    return call.body(bodies.RelatedJobV1)


def _bulk(call: Call) -> Sequence[RelatedJob]:
    if call.api_version == "0.12":
        return call.body(bodies.JobsV0).jobs
    return call.body(bodies.JobsV1).jobs


def _add(store: Store, api_version: ApiVersionName, jobs: Sequence[RelatedJob]) -> list[Row]:
    """Store jobs of one workflow with consecutive ids; each as JSON, as it was sent."""
    workflow_id = jobs[0].workflow_id
    default = _default_requirements(store, workflow_id)
    first = store.next_id("job")
    rows = [_columns(api_version, job, first + place, default) for place, job in enumerate(jobs)]
    store.insert_many("job", list(rows[0]), [tuple(row.values()) for row in rows])
    for relation in RELATIONS:
        related = {first + place: getattr(job, relation.name) for place, job in enumerate(jobs)}
        _add_relation(store, relation, workflow_id, related)
    return [_echoed(api_version, job, row) for job, row in zip(jobs, rows, strict=True)]


def _echoed(api_version: ApiVersionName, job: RelatedJob, row: Row) -> Row:
    """What is answered for a new job: what was sent, and what the server decided."""
    decided = {name: row[name] for name in ("id", "status", "resource_requirements_id")}
    return with_scheduler(api_version, job.model_dump(exclude_none=True) | decided)


def with_scheduler(api_version: ApiVersionName, job: Row) -> Row:
    """A job that was created or claimed: 0.12 says of its scheduler that there is none."""
    return {"scheduler_id": None, **job} if api_version == "0.12" else job


def _columns(api_version: ApiVersionName, job: RelatedJob, job_id: int, default: int) -> Row:
    columns = {"id": job_id, **stored(JOBS[api_version], job)}
    columns["status"] = JobStatus.UNINITIALIZED
    columns["attempt_id"] = 1
    if columns["cancel_on_blocking_job_failure"] is None:
        columns["cancel_on_blocking_job_failure"] = True
    columns["supports_termination"] = columns["supports_termination"] or False
    if columns["resource_requirements_id"] is None:
        columns["resource_requirements_id"] = default
    if "priority" in columns:
        columns["priority"] = columns["priority"] or 0
    return columns


def _default_requirements(store: Store, workflow_id: int) -> int:
    sql = "SELECT id FROM resource_requirements WHERE workflow_id = ? AND name = 'default'"
    found = store.value(sql + " ORDER BY id", workflow_id)
    if found is None:
        raise internal_error()
    return int(found)


def _check_update(job: Row, body: dict[str, Any]) -> None:
    fixed = [relation.name for relation in RELATIONS if relation is not DEPENDENCIES]
    guarded = ["name", "command", "status", DEPENDENCIES.name, *fixed]
    changed = [name for name in guarded if name in body and body[name] != job.get(name)]
    if changed and job["status"] != JobStatus.UNINITIALIZED:
        raise refused(
            422,
            f"Cannot update job {job['id']} when status is '{job['status']}': only scheduler_id "
            f"and resource_requirements_id can be updated at any time. Changed: {changed}",
        )
    if "status" in changed and body["status"] != JobStatus.DISABLED:
        raise refused(422, "Cannot update job status, except to disabled")
    for name in fixed:
        if sorted(body.get(name) or job.get(name, [])) != sorted(job.get(name, [])):
            raise refused(422, f"Cannot modify {name} after the job's creation")


def _add_relation(
    store: Store, relation: Relation, workflow_id: int, related: Mapping[int, Sequence[int] | None]
) -> None:
    """Keep what is ``related`` to each job of a workflow, by the job's id."""
    pairs = ((job_id, other) for job_id, others in related.items() for other in others or ())
    if relation is DEPENDENCIES:
        columns: Sequence[str] = ("job_id", relation.column, "workflow_id")
        store.insert_many(relation.table, columns, ((*pair, workflow_id) for pair in pairs))
    else:
        store.insert_many(relation.table, ("job_id", relation.column), pairs)


def _relate(store: Store, jobs: Sequence[Row], relations: Iterable[Relation]) -> None:
    """Add the lists of ids to jobs; a list that would be empty is left out."""
    ids = json.dumps([job["id"] for job in jobs])
    for relation in relations:
        related = defaultdict(list)
        for pair in store.rows(
            f"SELECT job_id, {relation.column} AS other FROM {relation.table} "  # noqa: S608
            "WHERE job_id IN (SELECT value FROM json_each(?)) ORDER BY 1, 2",
            ids,
        ):
            related[pair["job_id"]].append(pair["other"])
        for job in jobs:
            if job["id"] in related:
                job[relation.name] = related[job["id"]]
