"""Creates jobs one by one or in bulk, shows them with or without related ids, updates them."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torc_watch.core.model import JobStatus
from torc_watch.sandbox.server import bodies
from torc_watch.sandbox.server.api_request import (
    ApiRequest,
    ApiResponse,
    api_error,
    internal_error,
    parse_flag,
    parse_integer,
    parse_job_status,
)
from torc_watch.sandbox.server.resource_handlers import (
    Resource,
    check_batch,
    fetch,
    list_rows,
    require_workflow,
    to_columns,
    to_json,
)
from torc_watch.sandbox.server.server_settings import TorcApi
from torc_watch.sandbox.server.status_rules import sql_set
from torc_watch.sandbox.server.store import Row, Store


@dataclass(frozen=True, slots=True)
class Relation:
    """Related ids: the field ``name`` in a job's JSON, ``column`` of ``table`` in the database."""

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
_V0_12 = Resource(
    path="jobs",
    table="job",
    not_found_message="Job not found",
    model=bodies.JobV0,
    filters={
        "status": (parse_job_status, "status = ?"),
        "active_compute_node_id": (parse_integer, "compute_node_id = ?"),
    },
    boolean_columns=frozenset({"cancel_on_blocking_job_failure", "supports_termination"}),
    # Torc shows NULL as an empty string or zero, except in the response to a claim.
    computed_columns={
        "invocation_script": "COALESCE(invocation_script, '')",
        "scheduler_id": "COALESCE(scheduler_id, 0)",
    },
)
JOBS = {"0.12": _V0_12, "1.0": replace(_V0_12, model=bodies.JobV1, json_columns=frozenset({"env"}))}


def create_job(request: ApiRequest) -> ApiResponse:
    job = _parse_job(request)
    require_workflow(request.store, job.workflow_id)
    return ApiResponse(_add(request.store, request.api_version, [job])[0])


def create_jobs(request: ApiRequest) -> ApiResponse:
    jobs = _parse_jobs(request)
    check_batch(request, [job.workflow_id for job in jobs], [job.name for job in jobs])
    return ApiResponse({"jobs": _add(request.store, request.api_version, jobs) if jobs else []})


def show_job(request: ApiRequest) -> ApiResponse:
    return ApiResponse(
        job_with_relations(request.store, request.api_version, request.path_integer())
    )


def list_jobs(request: ApiRequest) -> ApiResponse:
    response = list_rows(request, JOBS[request.api_version])
    if request.parameter("include_relationships", parse_flag):
        _add_related_ids(request.store, response.body["items"], RELATIONS)
    return response


def update_job(request: ApiRequest) -> ApiResponse:
    """Change a job: requirements and scheduler at any time, the rest only while uninitialized."""
    body = _parse_job(request)
    job = job_with_relations(request.store, request.api_version, request.path_integer())
    _check_update(job, body.model_dump(exclude_none=True))
    columns = to_columns(JOBS[request.api_version], body)
    columns |= {"workflow_id": None, "attempt_id": None}  # these do not change
    request.store.update("job", job["id"], columns)
    if body.depends_on_job_ids is not None:
        request.store.execute("DELETE FROM job_depends_on WHERE job_id = ?", job["id"])
        _add_relation(
            request.store, DEPENDENCIES, job["workflow_id"], {job["id"]: body.depends_on_job_ids}
        )
    return ApiResponse(job_with_relations(request.store, request.api_version, job["id"]))


def job_with_relations(store: Store, api_version: TorcApi, job_id: int) -> Row:
    """A job as JSON with its related ids; raises an ApiError with 404 if it does not exist."""
    job = fetch(store, JOBS[api_version], job_id)
    _add_related_ids(store, [job], RELATIONS)
    return job


def claimed_jobs(store: Store, api_version: TorcApi, job_ids: Sequence[int]) -> list[Row]:
    """Jobs as a worker gets them, in the order of the ids, with the ids of their outputs."""
    jobs = jobs_without_relations(store, api_version, job_ids)
    _add_related_ids(store, jobs, (OUTPUT_FILES, OUTPUT_USER_DATA))
    return jobs


def jobs_without_relations(store: Store, api_version: TorcApi, job_ids: Sequence[int]) -> list[Row]:
    """Jobs without related ids and without NULL, in the order of the ids."""
    columns = ", ".join(JOBS[api_version].columns)
    sql = f"SELECT {columns} FROM job WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608
    found = {
        row["id"]: to_json(JOBS[api_version], row) for row in store.rows(sql, json.dumps(job_ids))
    }
    return [with_scheduler(api_version, found[job_id]) for job_id in job_ids]


def has_job_in(store: Store, workflow_id: int, statuses: frozenset[JobStatus]) -> bool:
    sql = f"SELECT 1 FROM job WHERE workflow_id = ? AND status IN {sql_set(statuses)} LIMIT 1"  # noqa: S608
    return store.value(sql, workflow_id) is not None


def _parse_job(request: ApiRequest) -> RelatedJob:
    if request.api_version == "0.12":
        return request.body(bodies.RelatedJobV0)
    return request.body(bodies.RelatedJobV1)


def _parse_jobs(request: ApiRequest) -> Sequence[RelatedJob]:
    if request.api_version == "0.12":
        return request.body(bodies.JobsV0).jobs
    return request.body(bodies.JobsV1).jobs


def _add(store: Store, api_version: TorcApi, jobs: Sequence[RelatedJob]) -> list[Row]:
    """Store jobs of one workflow with consecutive ids; returns each as JSON, as it was sent."""
    workflow_id = jobs[0].workflow_id
    default = _default_requirements(store, workflow_id)
    first = store.next_id("job")
    if api_version == "1.0":
        jobs = _with_environment(store, workflow_id, jobs)
    rows = [_columns(api_version, job, first + place, default) for place, job in enumerate(jobs)]
    store.insert_many("job", list(rows[0]), [tuple(row.values()) for row in rows])
    for relation in RELATIONS:
        related = {first + place: getattr(job, relation.name) for place, job in enumerate(jobs)}
        _add_relation(store, relation, workflow_id, related)
    return [
        _response_to_creation(api_version, job, row) for job, row in zip(jobs, rows, strict=True)
    ]


def _with_environment(
    store: Store, workflow_id: int, jobs: Sequence[RelatedJob]
) -> list[RelatedJob]:
    """As in Torc, a new job gets the workflow's variables, unless it has its own of that name."""
    text = store.value("SELECT env FROM workflow WHERE id = ?", workflow_id)
    shared = json.loads(text) if text else {}
    return [
        job.model_copy(update={"env": shared | (getattr(job, "env", None) or {}) or None})
        for job in jobs
    ]


def _response_to_creation(api_version: TorcApi, job: RelatedJob, row: Row) -> Row:
    """The response for a new job: the fields that were sent, and those that the server set."""
    server_fields = {name: row[name] for name in ("id", "status", "resource_requirements_id")}
    return with_scheduler(api_version, job.model_dump(exclude_none=True) | server_fields)


def with_scheduler(api_version: TorcApi, job: Row) -> Row:
    """A job that was created or claimed: API 0.12 shows a missing scheduler as null."""
    return {"scheduler_id": None, **job} if api_version == "0.12" else job


def _columns(api_version: TorcApi, job: RelatedJob, job_id: int, default: int) -> Row:
    columns = {"id": job_id, **to_columns(JOBS[api_version], job)}
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
    guarded = ["name", "command", "status", "env", DEPENDENCIES.name, *fixed]
    changed = [name for name in guarded if name in body and body[name] != job.get(name)]
    if changed and job["status"] != JobStatus.UNINITIALIZED:
        raise api_error(
            422,
            f"Cannot update job {job['id']} when status is '{job['status']}': only scheduler_id "
            f"and resource_requirements_id can be updated at any time. Changed: {changed}",
        )
    if "status" in changed and body["status"] != JobStatus.DISABLED:
        raise api_error(422, "Cannot update job status, except to disabled")
    if "env" in changed:
        raise api_error(422, "Cannot modify env after the job's creation")
    for name in fixed:
        if sorted(body.get(name) or job.get(name, [])) != sorted(job.get(name, [])):
            raise api_error(422, f"Cannot modify {name} after the job's creation")


def _add_relation(
    store: Store, relation: Relation, workflow_id: int, related: Mapping[int, Sequence[int] | None]
) -> None:
    """Store the related ids; ``related`` maps a job's id to them."""
    pairs = ((job_id, other) for job_id, others in related.items() for other in others or ())
    if relation is DEPENDENCIES:
        columns: Sequence[str] = ("job_id", relation.column, "workflow_id")
        store.insert_many(relation.table, columns, ((*pair, workflow_id) for pair in pairs))
    else:
        store.insert_many(relation.table, ("job_id", relation.column), pairs)


def _add_related_ids(store: Store, jobs: Sequence[Row], relations: Iterable[Relation]) -> None:
    """Add the lists of related ids to jobs; omits empty lists."""
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
