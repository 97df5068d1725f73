"""Groups of users, whom workflows are shared with."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conformance.conftest import Torc

newer_servers = pytest.mark.parametrize("server", ["embedded-0.35", "torc-1.0.0"], indirect=True)

NOBODY = 10**9


async def test_a_group_is_made_once_and_shown_until_it_is_deleted(torc: "Torc") -> None:
    group = await add_group(torc, description="d")
    assert group.keys() == {"id", "name", "description", "created_at"}
    assert await torc.status_of("POST", "/access_groups", {"name": group["name"]}) == 500
    assert await torc.ask("GET", f"/access_groups/{group['id']}") == group
    listed = await torc.ask("GET", "/access_groups")
    assert listed.keys() == {"items", "offset", "limit", "total_count", "has_more"}
    assert group in listed["items"]
    assert await torc.ask("DELETE", f"/access_groups/{group['id']}") == group
    assert await torc.status_of("GET", f"/access_groups/{group['id']}") == 404


async def test_the_group_of_administrators_stays(torc: "Torc") -> None:
    admin = await torc.ask("GET", "/access_groups/1")
    assert admin["name"] == "admin"
    assert await torc.status_of("DELETE", "/access_groups/1") == 403


async def test_members_come_and_go(torc: "Torc") -> None:
    group = (await add_group(torc))["id"]
    members = f"/access_groups/{group}/members"
    for user, role in (("bob", "member"), ("ann", "admin")):
        body = {"group_id": NOBODY, "user_name": user, "role": role}
        member = await torc.ask("POST", members, body)
        assert (member["group_id"], member["role"]) == (group, role)
        assert await torc.status_of("POST", members, body) == 500
    listed = (await torc.ask("GET", members))["items"]
    assert [member["user_name"] for member in listed] == ["ann", "bob"]
    assert group in ids_of(await torc.ask("GET", "/users/ann/groups"))
    assert (await torc.ask("DELETE", f"{members}/ann"))["user_name"] == "ann"
    assert await torc.status_of("DELETE", f"{members}/ann") == 404
    assert group not in ids_of(await torc.ask("GET", "/users/ann/groups"))


async def test_who_has_access_to_a_shared_workflow(torc: "Torc") -> None:
    group = (await add_group(torc))["id"]
    body = {"group_id": group, "user_name": "ann", "role": "member"}
    await torc.ask("POST", f"/access_groups/{group}/members", body)
    assert await who_has_access(torc) == ["u"]
    shared = await torc.workflow("POST", f"access_groups/{group}")
    assert shared.keys() == {"workflow_id", "group_id", "created_at"}
    path = f"/workflows/{torc.workflow_id}/access_groups"
    assert await torc.status_of("POST", f"{path}/{group}") == 500
    assert ids_of(await torc.ask("GET", path)) == [group]
    assert await who_has_access(torc) == ["ann", "u"]
    assert await torc.ask("DELETE", f"{path}/{group}") == shared
    assert await torc.status_of("DELETE", f"{path}/{group}") == 404
    assert await who_has_access(torc) == ["u"]


async def test_what_is_not_there_cannot_be_shared_or_listed(torc: "Torc") -> None:
    """The older server takes a list of it for a mistake of its own."""
    absent = {"0.12": 500, "0.35": 404}[torc.dialect]
    for path in (f"/access_groups/{NOBODY}/members", f"/workflows/{NOBODY}/access_groups"):
        assert await torc.status_of("GET", path) == absent
    sharing = f"/workflows/{torc.workflow_id}/access_groups/{NOBODY}"
    assert await torc.status_of("POST", sharing) == 404
    assert await torc.status_of("POST", f"/workflows/{NOBODY}/access_groups/1") == 404


@newer_servers
async def test_a_workflow_is_shared_when_it_is_made(torc: "Torc") -> None:
    name = (await add_group(torc))["name"]
    body = {"name": "w", "user": "u", "access_groups": [name]}
    workflow = await torc.ask("POST", "/workflows", body)
    assert workflow["access_groups"] == [name]
    shown = await torc.ask("GET", f"/workflows/{workflow['id']}")
    assert shown["access_groups"] == [name]
    assert ids_of(await torc.ask("GET", f"/workflows?access_group={name}")) == [workflow["id"]]
    body["access_groups"] = [name, "nobody's"]
    assert await torc.status_of("POST", "/workflows", body) == 422


async def add_group(torc: "Torc", **fields: Any) -> Any:
    """A group of a name that no other test has."""
    body = {"name": f"group {torc.workflow_id}", **fields}
    return await torc.ask("POST", "/access_groups", body)


async def who_has_access(torc: "Torc") -> list[str]:
    checks = [
        await torc.ask("GET", f"/access_check/{torc.workflow_id}/{user}")
        for user in ("ann", "eve", "u")
    ]
    return [check["user_name"] for check in checks if check["has_access"]]


def ids_of(listed: Any) -> list[int]:
    return [item["id"] for item in listed["items"]]
