"""Groups of users that workflows are shared with: kept and shown, and nobody is kept out."""

from torc_watch.sandbox.server import bodies
from torc_watch.sandbox.server.calls import Answer, Call, Failure, error_body, now_text, refused
from torc_watch.sandbox.server.paging import Condition, count, page_of, select
from torc_watch.sandbox.server.resources import require_workflow
from torc_watch.sandbox.server.store import Row, Store, without_nulls

SYSTEM_GROUP = 1
_GROUP = "id, name, description, created_at"
_MEMBER = "id, group_id, user_name, role, created_at"


def create_group(call: Call) -> Answer:
    body = call.body(bodies.AccessGroup)
    if call.store.value("SELECT 1 FROM access_group WHERE name = ?", body.name) is not None:
        return _conflict(f"Group '{body.name}' already exists")
    columns = {**body.model_dump(), "created_at": now_text()}
    return Answer(_group(call.store, call.store.insert("access_group", columns)))


def list_groups(call: Call) -> Answer:
    return _groups(call, [])


def show_group(call: Call) -> Answer:
    return Answer(_group(call.store, call.number()))


def delete_group(call: Call) -> Answer:
    group = _group(call.store, call.number())
    if group["id"] == SYSTEM_GROUP:
        raise refused(403, "Cannot delete system groups", error="Forbidden")
    call.store.execute("DELETE FROM access_group WHERE id = ?", group["id"])
    return Answer(group)


def add_member(call: Call) -> Answer:
    """Whoever the body says; the group is that of the path."""
    group_id = _group(call.store, call.number())["id"]
    older = call.dialect == "0.12"
    body = call.body(bodies.GroupMember12 if older else bodies.GroupMember35)
    if _member(call.store, group_id, body.user_name) is not None:
        return _conflict(f"User '{body.user_name}' is already a member of group {group_id}")
    columns = {**body.model_dump(), "group_id": group_id, "created_at": now_text()}
    call.store.insert("group_member", columns)
    return Answer(_member(call.store, group_id, body.user_name))


def list_members(call: Call) -> Answer:
    group_id = call.number()
    try:
        _group(call.store, group_id)
    except Failure as failure:
        raise _unexpected(call, failure) from failure
    of_group = Condition("group_id = ?", (group_id,))
    return _listing(call, _MEMBER, "group_member", [of_group], "user_name")


def remove_member(call: Call) -> Answer:
    group_id, user = call.number(), call.path["user"]
    member = _member(call.store, group_id, user)
    if member is None:
        raise _missing(f"Membership not found for user '{user}' in group {group_id}")
    call.store.execute("DELETE FROM group_member WHERE id = ?", member["id"])
    return Answer(member)


def list_groups_of_user(call: Call) -> Answer:
    whose = "id IN (SELECT group_id FROM group_member WHERE user_name = ?)"
    return _groups(call, [Condition(whose, (call.path["user"],))])


def list_groups_of_workflow(call: Call) -> Answer:
    try:
        require_workflow(call.store, call.number())
    except Failure as failure:
        raise _unexpected(call, failure) from failure
    whose = "id IN (SELECT group_id FROM workflow_access_group WHERE workflow_id = ?)"
    return _groups(call, [Condition(whose, (call.number(),))])


def share_workflow(call: Call) -> Answer:
    workflow_id, group_id = call.number(), call.number("group_id")
    require_workflow(call.store, workflow_id)
    _group(call.store, group_id)
    if _association(call.store, workflow_id, group_id) is not None:
        return _conflict(f"Workflow {workflow_id} is already associated with group {group_id}")
    share(call.store, workflow_id, group_id)
    return Answer(_association(call.store, workflow_id, group_id))


def withdraw_workflow(call: Call) -> Answer:
    workflow_id, group_id = call.number(), call.number("group_id")
    association = _association(call.store, workflow_id, group_id)
    if association is None:
        raise _missing(f"Association not found for workflow {workflow_id} in group {group_id}")
    sql = "DELETE FROM workflow_access_group WHERE workflow_id = ? AND group_id = ?"
    call.store.execute(sql, workflow_id, group_id)
    return Answer(association)


def check_access(call: Call) -> Answer:
    """Whether a user owns a workflow, or is in a group that it is shared with."""
    workflow_id, user = call.number(), call.path["user"]
    sql = """
        SELECT 1 FROM workflow WHERE id = ?1 AND user = ?2 UNION ALL
        SELECT 1 FROM workflow_access_group AS shared
        JOIN group_member AS member ON member.group_id = shared.group_id
        WHERE shared.workflow_id = ?1 AND member.user_name = ?2
    """
    has_access = call.store.value(sql, workflow_id, user) is not None
    return Answer({"has_access": has_access, "user_name": user, "workflow_id": workflow_id})


def share(store: Store, workflow_id: int, group_id: int) -> None:
    columns = {"workflow_id": workflow_id, "group_id": group_id, "created_at": now_text()}
    store.insert("workflow_access_group", columns)


def groups_named(store: Store, names: list[str]) -> list[int]:
    """The ids of groups; a Failure of 422 when one is not there."""
    ids = [store.value("SELECT id FROM access_group WHERE name = ?", name) for name in names]
    if None in ids:
        raise refused(422, f"Unknown access group '{names[ids.index(None)]}'")
    return ids


def _groups(call: Call, conditions: list[Condition]) -> Answer:
    return _listing(call, _GROUP, "access_group", conditions, "name")


def _listing(
    call: Call, columns: str, table: str, conditions: list[Condition], order: str
) -> Answer:
    """A list in an envelope of its own: it says its limit, and not how many it holds."""
    page = page_of(call, (order,), default=order)
    rows = select(call.store, columns, table, conditions, page)
    total = count(call.store, table, conditions)
    items = [without_nulls(row) for row in rows]
    has_more = page.offset + len(items) < total
    answer = {"items": items, "offset": page.offset, "limit": page.limit}
    return Answer({**answer, "total_count": total, "has_more": has_more})


def _group(store: Store, group_id: int) -> Row:
    row = store.row(f"SELECT {_GROUP} FROM access_group WHERE id = ?", group_id)  # noqa: S608
    if row is None:
        raise _missing(f"Group not found with ID: {group_id}")
    return without_nulls(row)


def _member(store: Store, group_id: int, user: str) -> Row | None:
    sql = f"SELECT {_MEMBER} FROM group_member WHERE group_id = ? AND user_name = ?"  # noqa: S608
    return store.row(sql, group_id, user)


def _association(store: Store, workflow_id: int, group_id: int) -> Row | None:
    return store.row(
        "SELECT workflow_id, group_id, created_at FROM workflow_access_group "
        "WHERE workflow_id = ? AND group_id = ?",
        workflow_id,
        group_id,
    )


def _missing(message: str) -> Failure:
    return refused(404, message, error="NotFound")


def _unexpected(call: Call, failure: Failure) -> Failure:
    """That something is not there: Torc 0.12 takes it for a mistake of its own in lists."""
    return Failure(500, failure.body) if call.dialect == "0.12" else failure


def _conflict(message: str) -> Answer:
    """Torc answers that something is there already as an error of its own."""
    return Answer(error_body(message, error="Conflict"), 500)
