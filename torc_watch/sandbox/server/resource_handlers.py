"""Generic handlers that create, show, list, update and delete the rows of a Resource."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from torc_watch.sandbox.server.api_request import (
    ApiRequest,
    ApiResponse,
    api_error,
    internal_error,
    parse_integer,
)
from torc_watch.sandbox.server.list_query import (
    MAX_LIMITS,
    Condition,
    count,
    envelope,
    page_of,
    select,
)
from torc_watch.sandbox.server.store import Row, Store

# The parser of a query parameter, and the SQL condition for its value.
Filter = tuple[Callable[[str], Any], str]


def _keep_columns(_request: ApiRequest, columns: Row) -> Row:
    return columns


def _publish_nothing(_request: ApiRequest, _row: Row) -> None:
    pass


def _no_conditions(_request: ApiRequest) -> list[Condition]:
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """``model`` is the request body; its fields and ``id`` are the columns.

    ``not_found_message`` is Torc's error for a missing row. ``filters`` maps a query parameter to
    its parser and condition. ``boolean_columns`` and ``json_columns`` are converted for responses.
    ``computed_columns`` (name to SQL) only appear in responses.
    """

    path: str
    table: str
    not_found_message: str
    model: type[BaseModel]
    filters: Mapping[str, Filter] = field(default_factory=dict)
    boolean_columns: frozenset[str] = frozenset()
    json_columns: frozenset[str] = frozenset()
    computed_columns: Mapping[str, str] = field(default_factory=dict)
    list_conditions: Callable[[ApiRequest], list[Condition]] = _no_conditions
    # The HTTP status that refuses a new row of an unknown workflow.
    unknown_workflow_status: int = 404
    prepare: Callable[[ApiRequest, Row], Row] = _keep_columns
    on_created: Callable[[ApiRequest, Row], None] = _publish_nothing
    on_updated: Callable[[ApiRequest, Row], None] = _publish_nothing

    @property
    def columns(self) -> tuple[str, ...]:
        return ("id", *self.model.model_fields)

    @property
    def select_list(self) -> str:
        computed = (f"({sql}) AS {name}" for name, sql in self.computed_columns.items())
        return ", ".join((*self.columns, *computed))


def to_json(resource: Resource, row: Row) -> Row:
    """A row as JSON, without NULL."""
    return {
        name: _decode(resource, name, value) for name, value in row.items() if value is not None
    }


def to_columns(resource: Resource, body: BaseModel) -> Row:
    """The columns of a body; None for omitted fields."""
    return {
        name: json.dumps(value) if name in resource.json_columns and value is not None else value
        for name, value in body.model_dump().items()
        if name in resource.model.model_fields
    }


def fetch(store: Store, resource: Resource, row_id: int) -> Row:
    """One row as JSON; raises an ApiError with 404 if it does not exist."""
    row = store.row(
        f"SELECT {resource.select_list} FROM {resource.table} WHERE id = ?",  # noqa: S608
        row_id,
    )
    if row is None:
        raise api_error(404, f"{resource.not_found_message} with ID: {row_id}")
    return to_json(resource, row)


def require_workflow(store: Store, workflow_id: int, status: int = 404) -> None:
    if store.value("SELECT 1 FROM workflow WHERE id = ?", workflow_id) is None:
        raise api_error(status, f"Workflow not found with ID: {workflow_id}")


def check_batch(request: ApiRequest, workflow_ids: Sequence[int], names: Sequence[str]) -> None:
    """Refuse a batch that is too large, or that belongs to several or to an unknown workflow.

    API 1.0 also refuses duplicate names, which it accepts in separate requests.
    """
    if len(workflow_ids) > MAX_LIMITS[request.api_version]:
        if request.api_version == "0.12":
            raise internal_error()
        raise api_error(422, f"Too many in a batch: {len(workflow_ids)}")
    distinct = sorted(set(workflow_ids))
    if len(distinct) > 1:
        raise api_error(422, f"All of a batch must have the same workflow_id. Found {distinct}")
    for workflow_id in distinct:
        require_workflow(request.store, workflow_id)
    if request.api_version == "1.0":
        if not names:
            raise api_error(422, "There is nothing in the batch")
        if len(set(names)) < len(names):
            raise api_error(422, "Two of a batch have the same name")


def create(request: ApiRequest, resource: Resource) -> ApiResponse:
    columns = to_columns(resource, request.body(resource.model))
    require_workflow(request.store, columns["workflow_id"], resource.unknown_workflow_status)
    return ApiResponse(_add(request, resource, columns))


def create_many(request: ApiRequest, resource: Resource, model: type[BaseModel]) -> ApiResponse:
    """Create all rows of a batch or none; its JSON key is the path of the resource."""
    bodies = getattr(request.body(model), resource.path)
    batch = [to_columns(resource, body) for body in bodies]
    names = [columns["name"] for columns in batch]
    check_batch(request, [columns["workflow_id"] for columns in batch], names)
    return ApiResponse({resource.path: [_add(request, resource, columns) for columns in batch]})


def _add(request: ApiRequest, resource: Resource, columns: Row) -> Row:
    columns = resource.prepare(request, columns)
    row_id = request.store.insert(resource.table, columns)
    visible = {name: columns.get(name) for name in resource.model.model_fields}
    row = to_json(resource, {"id": row_id, **visible})
    resource.on_created(request, row)
    return row


def show(request: ApiRequest, resource: Resource) -> ApiResponse:
    return ApiResponse(fetch(request.store, resource, request.path_integer()))


def list_rows(request: ApiRequest, resource: Resource) -> ApiResponse:
    """The rows of the workflow in the query string."""
    workflow_id = request.required_parameter("workflow_id", parse_integer)
    if request.api_version == "1.0":
        require_workflow(request.store, workflow_id)
    of_workflow = Condition("workflow_id = ?", (workflow_id,))
    return list_matching(request, resource, [of_workflow, *resource.list_conditions(request)])


def list_matching(
    request: ApiRequest, resource: Resource, conditions: list[Condition]
) -> ApiResponse:
    all_conditions = conditions + _filters(request, resource)
    page = page_of(request, resource.columns)
    rows = select(request.store, resource.select_list, resource.table, all_conditions, page)
    total = count(request.store, resource.table, all_conditions)
    return ApiResponse(envelope([to_json(resource, row) for row in rows], page, total))


def update(request: ApiRequest, resource: Resource) -> ApiResponse:
    row_id = request.path_integer()
    body = request.body(resource.model)
    fetch(request.store, resource, row_id)
    columns = resource.prepare(request, to_columns(resource, body))
    request.store.update(resource.table, row_id, columns)
    row = fetch(request.store, resource, row_id)
    resource.on_updated(request, {**row, "id": row_id})
    return ApiResponse(row)


def delete(request: ApiRequest, resource: Resource) -> ApiResponse:
    """Delete a row and everything that belongs to it; the response shows it."""
    row = fetch(request.store, resource, request.path_integer())
    request.store.execute(f"DELETE FROM {resource.table} WHERE id = ?", row["id"])  # noqa: S608
    return ApiResponse(row)


def _decode(resource: Resource, name: str, value: Any) -> Any:
    if name in resource.boolean_columns:
        return bool(value)
    return json.loads(value) if name in resource.json_columns else value


def _filters(request: ApiRequest, resource: Resource) -> list[Condition]:
    values = (
        (request.parameter(name, parser), sql) for name, (parser, sql) in resource.filters.items()
    )
    return [Condition(sql, (value,)) for value, sql in values if value is not None]
