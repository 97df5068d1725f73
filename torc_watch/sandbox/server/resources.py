"""What is stored, shown, listed, changed and deleted alike: a Resource says how, for each."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from torc_watch.sandbox.server.calls import Answer, Call, integer, internal_error, refused
from torc_watch.sandbox.server.paging import MAX_LIMITS, Condition, count, envelope, page_of, select
from torc_watch.sandbox.server.store import Row, Store

# The parser of a query parameter, and the condition that its value is put into.
Filter = tuple[Callable[[str], Any], str]


def unchanged(_call: Call, columns: Row) -> Row:
    return columns


def unheard(_call: Call, _thing: Row) -> None:
    pass


def everything(_call: Call) -> list[Condition]:
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """``absence`` says that one is not there; ``model`` is its body and its columns, beside ``id``.

    ``filters`` maps a query parameter to its parser and condition. ``flags`` are columns that are
    booleans and ``documents`` those that hold JSON. ``computed`` are columns only shown.
    """

    path: str
    table: str
    absence: str
    model: type[BaseModel]
    filters: Mapping[str, Filter] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()
    documents: frozenset[str] = frozenset()
    computed: Mapping[str, str] = field(default_factory=dict)
    narrowed: Callable[[Call], list[Condition]] = everything
    # The status with which a row of an unknown workflow is refused.
    orphan_status: int = 404
    prepared: Callable[[Call, Row], Row] = unchanged
    created: Callable[[Call, Row], None] = unheard
    updated: Callable[[Call, Row], None] = unheard

    @property
    def columns(self) -> tuple[str, ...]:
        return ("id", *self.model.model_fields)

    @property
    def selection(self) -> str:
        computed = (f"({sql}) AS {name}" for name, sql in self.computed.items())
        return ", ".join((*self.columns, *computed))


def shown(resource: Resource, row: Row) -> Row:
    """A row as JSON: what is NULL is left out."""
    return {
        name: _decoded(resource, name, value) for name, value in row.items() if value is not None
    }


def stored(resource: Resource, body: BaseModel) -> Row:
    """The columns of a body; None where it says nothing."""
    return {
        name: json.dumps(value) if name in resource.documents and value is not None else value
        for name, value in body.model_dump().items()
        if name in resource.model.model_fields
    }


def fetch(store: Store, resource: Resource, row_id: int) -> Row:
    """One thing as JSON; a Failure of 404 without it."""
    row = store.row(
        f"SELECT {resource.selection} FROM {resource.table} WHERE id = ?",  # noqa: S608
        row_id,
    )
    if row is None:
        raise refused(404, f"{resource.absence} with ID: {row_id}")
    return shown(resource, row)


def require_workflow(store: Store, workflow_id: int, status: int = 404) -> None:
    if store.value("SELECT 1 FROM workflow WHERE id = ?", workflow_id) is None:
        raise refused(status, f"Workflow not found with ID: {workflow_id}")


def require_batch(call: Call, workflow_ids: Sequence[int], names: Sequence[str]) -> None:
    """Refuse a batch that is too large, or of several workflows, or of an unknown one.

    The newer API version also refuses two things of one name, which one by one it would take.
    """
    if len(workflow_ids) > MAX_LIMITS[call.api_version]:
        if call.api_version == "0.12":
            raise internal_error()
        raise refused(422, f"Too many in a batch: {len(workflow_ids)}")
    distinct = sorted(set(workflow_ids))
    if len(distinct) > 1:
        raise refused(422, f"All of a batch must have the same workflow_id. Found {distinct}")
    for workflow_id in distinct:
        require_workflow(call.store, workflow_id)
    if call.api_version == "1.0":
        if not names:
            raise refused(422, "There is nothing in the batch")
        if len(set(names)) < len(names):
            raise refused(422, "Two of a batch have the same name")


def create(call: Call, resource: Resource) -> Answer:
    columns = stored(resource, call.body(resource.model))
    require_workflow(call.store, columns["workflow_id"], resource.orphan_status)
    return Answer(_add(call, resource, columns))


def create_many(call: Call, resource: Resource, model: type[BaseModel]) -> Answer:
    """A batch, in and out under the resource's own name: all of it or nothing."""
    bodies = getattr(call.body(model), resource.path)
    batch = [stored(resource, body) for body in bodies]
    names = [columns["name"] for columns in batch]
    require_batch(call, [columns["workflow_id"] for columns in batch], names)
    return Answer({resource.path: [_add(call, resource, columns) for columns in batch]})


def _add(call: Call, resource: Resource, columns: Row) -> Row:
    columns = resource.prepared(call, columns)
    row_id = call.store.insert(resource.table, columns)
    visible = {name: columns.get(name) for name in resource.model.model_fields}
    thing = shown(resource, {"id": row_id, **visible})
    resource.created(call, thing)
    return thing


def show(call: Call, resource: Resource) -> Answer:
    return Answer(fetch(call.store, resource, call.number()))


def listing(call: Call, resource: Resource) -> Answer:
    """The rows of the workflow that the query names."""
    workflow_id = call.required("workflow_id", integer)
    if call.api_version == "1.0":
        require_workflow(call.store, workflow_id)
    of_workflow = Condition("workflow_id = ?", (workflow_id,))
    return listing_of(call, resource, [of_workflow, *resource.narrowed(call)])


def listing_of(call: Call, resource: Resource, conditions: list[Condition]) -> Answer:
    given = conditions + _filters(call, resource)
    page = page_of(call, resource.columns)
    rows = select(call.store, resource.selection, resource.table, given, page)
    total = count(call.store, resource.table, given)
    return Answer(envelope([shown(resource, row) for row in rows], page, total))


def update(call: Call, resource: Resource) -> Answer:
    row_id = call.number()
    body = call.body(resource.model)
    fetch(call.store, resource, row_id)
    columns = resource.prepared(call, stored(resource, body))
    call.store.update(resource.table, row_id, columns)
    thing = fetch(call.store, resource, row_id)
    resource.updated(call, {**thing, "id": row_id})
    return Answer(thing)


def delete(call: Call, resource: Resource) -> Answer:
    """Delete a thing and all that is of it; it is shown a last time."""
    thing = fetch(call.store, resource, call.number())
    call.store.execute(f"DELETE FROM {resource.table} WHERE id = ?", thing["id"])  # noqa: S608
    return Answer(thing)


def _decoded(resource: Resource, name: str, value: Any) -> Any:
    if name in resource.flags:
        return bool(value)
    return json.loads(value) if name in resource.documents else value


def _filters(call: Call, resource: Resource) -> list[Condition]:
    asked = ((call.asked(name, parser), sql) for name, (parser, sql) in resource.filters.items())
    return [Condition(sql, (value,)) for value, sql in asked if value is not None]
