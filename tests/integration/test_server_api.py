"""The embedded server's manners: shapes of both dialects, lists, refusals and tasks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from torc_watch.sandbox.server import ServerSettings, open_server
from torc_watch.sandbox.server.settings import DialectName

URL = "http://torc/torc-service/v1"
both_dialects = pytest.mark.parametrize("dialect", ["0.12", "0.35"])
WORKFLOW = {"name": "w", "user": "u"}
NODE: dict[str, Any] = {
    "hostname": "h",
    "pid": 1,
    "start_time": "now",
    "compute_node_type": "slurm",
}
NODE |= {"num_cpus": 1, "memory_gb": 1.0, "num_gpus": 0, "num_nodes": 1}
ALLOCATION = {"scheduler_id": 9, "scheduler_config_id": 1, "scheduler_type": "slurm"}
JOB = {"workflow_id": 1, "name": "j", "command": "true"}


@asynccontextmanager
async def server(
    directory: Path, dialect: DialectName = "0.35", **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    opened = open_server(ServerSettings(directory=directory, dialect=dialect, **settings))
    async with (
        opened as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client,
    ):
        yield client


async def created(client: httpx.AsyncClient, path: str, body: Any) -> Any:
    response = await client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


async def got(client: httpx.AsyncClient, path: str) -> Any:
    response = await client.get(path)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize(
    ("dialect", "version"),
    [
        ("0.12", "0.12.0 (embedded)"),
        ("0.35", {"version": "0.35.0", "api_version": "0.35.0", "git_hash": "embedded"}),
    ],
)
async def test_the_version_is_a_text_or_an_object(
    tmp_path: Path, dialect: DialectName, version: object
) -> None:
    async with server(tmp_path, dialect) as client:
        assert await got(client, "/version") == version


@pytest.mark.parametrize(
    ("dialect", "metadata", "wrong"),
    [("0.12", '{"a": 1}', {"a": 1}), ("0.35", {"a": 1}, '{"a": 1}')],
)
async def test_metadata_is_a_text_or_an_object(
    tmp_path: Path, dialect: DialectName, metadata: object, wrong: object
) -> None:
    async with server(tmp_path, dialect) as client:
        await created(client, "/workflows", WORKFLOW | {"metadata": metadata})
        assert (await got(client, "/workflows/1"))["metadata"] == metadata
        refused = await client.post("/workflows", json=WORKFLOW | {"metadata": wrong})
        assert refused.status_code == 400


async def test_the_run_is_in_the_status_of_the_older_dialect(tmp_path: Path) -> None:
    async with server(tmp_path, "0.12") as client:
        await created(client, "/workflows", WORKFLOW)
        assert "run_id" not in await got(client, "/workflows/1")
        status = await got(client, "/workflows/1/status")
        assert (status["id"], status["run_id"], status["is_canceled"]) == (1, 0, False)
        status["run_id"] = 3
        assert (await client.put("/workflows/1/status", json=status)).status_code == 200
        assert (await client.post("/workflows/1/reset_status")).json()["run_id"] == 3


async def test_the_run_is_in_the_workflow_of_the_newer_dialect(tmp_path: Path) -> None:
    async with server(tmp_path) as client:
        config = {"mode": "direct", "oom_exit_code": 99, "of the future": True}
        body = WORKFLOW | {"run_id": 7, "is_canceled": True, "execution_config": config}
        workflow = await created(client, "/workflows", body)
        assert (workflow["run_id"], workflow["is_canceled"]) == (0, False)
        assert workflow["execution_config"] == config
        assert (await client.put("/workflows/1/status", json={})).status_code == 405
        assert (await client.post("/workflows/1/reset_status")).json()["run_id"] == 1
        summary = await got(client, "/workflows/1/status")
        assert summary["total_jobs"] == 0
        assert len(summary["jobs_by_status"]) == 11
        assert "run_id" not in summary


async def test_an_archived_workflow_is_listed_apart(tmp_path: Path) -> None:
    async with server(tmp_path) as client:
        for _ in range(2):
            await created(client, "/workflows", WORKFLOW)
        archived = await client.post("/workflows/2/archive", json={"is_archived": True})
        assert archived.json()["is_archived"] is True
        for query, ids in (("true", [2]), ("false", [1])):
            found = await got(client, f"/workflows?is_archived={query}")
            assert [workflow["id"] for workflow in found["items"]] == ids
        assert (await client.post("/workflows/2/reset_status")).status_code == 422


@both_dialects
async def test_a_workflow_at_work_is_not_reset(tmp_path: Path, dialect: DialectName) -> None:
    async with server(tmp_path, dialect) as client:
        await created(client, "/workflows", WORKFLOW)
        body = ALLOCATION | {"workflow_id": 1, "status": "active"}
        await created(client, "/scheduled_compute_nodes", body)
        assert (await client.post("/workflows/1/reset_status")).status_code == 422
        assert (await client.post("/workflows/1/reset_status?force=true")).status_code == 200


@pytest.mark.parametrize(("dialect", "status"), [("0.12", 200), ("0.35", 404)])
async def test_nothing_remains_of_a_deleted_workflow_but_the_older_dialects_status(
    tmp_path: Path, dialect: DialectName, status: int
) -> None:
    async with server(tmp_path, dialect) as client:
        await created(client, "/workflows", WORKFLOW)
        await created(client, "/jobs", JOB)
        assert (await client.delete("/workflows/1")).json()["name"] == "w"
        assert (await client.get("/jobs/1")).status_code == 404
        assert (await client.get("/workflows/1")).status_code == 404
        assert (await client.get("/workflows/1/is_complete")).status_code == status
        assert (await created(client, "/workflows", WORKFLOW))["id"] == 2


@both_dialects
@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("GET", "/nothing", None, 404, ""),
        ("GET", "/ping/", None, 404, ""),
        ("POST", "/ping", None, 405, ""),
        ("GET", "/workflows/1/latest_event_timestamp", None, 405, ""),
        ("GET", "/jobs/one", None, 400, "Couldn't parse path parameter id"),
        ("GET", "/jobs", None, 400, "Missing required query parameter workflow_id"),
        ("GET", "/jobs?workflow_id=1&status=odd", None, 400, "Couldn't parse query parameter"),
        ("GET", "/results?workflow_id=1&all_runs=True", None, 400, "Couldn't parse query"),
        ("GET", "/jobs?workflow_id=1&limit=10001", None, 500, "An internal error occurred"),
        ("GET", "/jobs?workflow_id=1&sort_by=random()", None, 500, "An internal error occurred"),
        ("POST", "/jobs", {"name": "j"}, 400, "Couldn't parse body parameter body"),
        ("POST", "/jobs", None, 400, "Missing required body parameter body"),
        ("POST", "/files", {"workflow_id": 1, "name": "f", "path": 7}, 400, "Couldn't parse body"),
        ("POST", "/jobs", JOB | {"status": "unrecognized"}, 400, "Couldn't parse body"),
        ("DELETE", "/events?workflow_id=1", None, 405, ""),
    ],
)
async def test_plain_refusals(
    tmp_path: Path,
    dialect: DialectName,
    method: str,
    path: str,
    body: object,
    status: int,
    text: str,
) -> None:
    async with server(tmp_path, dialect) as client:
        response = await client.request(method, path, json=body)
        assert response.status_code == status
        assert response.text.startswith(text)
        assert bool(response.text) == bool(text)
        assert response.headers["X-Span-ID"]


@pytest.mark.parametrize(
    "data", [b"NaN", b"[-Infinity]", b"1e999", b"[" * 10_000 + b"]" * 10_000, b'"\xff"', b"'x'"]
)
async def test_what_is_not_json_is_refused(tmp_path: Path, data: bytes) -> None:
    async with server(tmp_path) as client:
        await created(client, "/workflows", WORKFLOW)
        content = b'{"workflow_id": 1, "name": "d", "data": ' + data + b"}"
        assert (await client.post("/user_data", content=content)).status_code == 400
        assert (await got(client, "/user_data?workflow_id=1"))["items"] == []


@pytest.mark.parametrize("jobs", [[{}] * 1000, [JOB | {"depends_on_job_ids": ["x"] * 1000}]])
async def test_only_the_first_mistake_of_a_body_is_named(tmp_path: Path, jobs: list[Any]) -> None:
    async with server(tmp_path) as client:
        response = await client.post("/bulk_jobs", json={"jobs": jobs})
        assert response.status_code == 400
        assert response.text.startswith("Couldn't parse body parameter body - doesn't match schema")
        assert response.text.count("jobs.0.") == 1
        assert len(response.text) < 200


@both_dialects
async def test_a_refusal_of_the_handlers_has_a_message(
    tmp_path: Path, dialect: DialectName
) -> None:
    async with server(tmp_path, dialect) as client:
        response = await client.get("/workflows/7")
        assert response.status_code == 404
        assert response.json() == {"error": {"message": "Workflow not found with ID: 7"}}


async def test_a_body_of_numbers_beyond_the_database_is_an_internal_error(tmp_path: Path) -> None:
    async with server(tmp_path) as client:
        await created(client, "/workflows", WORKFLOW)
        body = ALLOCATION | {"workflow_id": 1, "status": "x", "scheduler_id": 2**70}
        response = await client.post("/scheduled_compute_nodes", json=body)
        assert (response.status_code, response.text) == (500, "An internal error occurred")


@both_dialects
@pytest.mark.parametrize(
    ("path", "body", "change"),
    [
        ("files", {"name": "f", "path": "/f"}, {"st_mtime": 1.5}),
        ("user_data", {"name": "d", "is_ephemeral": True}, {"data": {"x": [1, None]}}),
        ("local_schedulers", {"memory": "8g", "num_cpus": 4}, {"num_cpus": 2}),
        (
            "slurm_schedulers",
            {"name": "s", "account": "a", "nodes": 1, "walltime": "01:00:00"},
            {"mem": "9g"},
        ),
        ("scheduled_compute_nodes", ALLOCATION | {"status": "pending"}, {"status": "active"}),
        ("compute_nodes", NODE | {"is_active": True}, {"is_active": False, "pid": 2}),
        (
            "resource_requirements",
            {"name": "r", "num_cpus": 1, "num_gpus": 0, "num_nodes": 1}
            | {"memory": "1g", "runtime": "PT1H"},
            {"memory": "2g"},
        ),
    ],
)
async def test_the_life_of_a_resource(
    tmp_path: Path, dialect: DialectName, path: str, body: dict[str, Any], change: dict[str, Any]
) -> None:
    async with server(tmp_path, dialect) as client:
        orphan = await client.post(f"/{path}", json=body | {"workflow_id": 1})
        assert orphan.status_code == (500 if path == "scheduled_compute_nodes" else 404)
        await created(client, "/workflows", WORKFLOW)
        thing = await created(client, f"/{path}", body | {"workflow_id": 1})
        own = f"/{path}/{thing['id']}"
        assert await got(client, own) == thing
        changed = (await client.put(own, json=thing | change)).json()
        assert changed == thing | change
        assert changed in (await got(client, f"/{path}?workflow_id=1"))["items"]
        assert (await client.delete(own)).json() == changed
        assert (await client.get(own)).status_code == 404
        assert (await client.put(own, json=thing)).status_code == 404
        assert (await client.delete(f"/{path}")).status_code == 400


@pytest.mark.parametrize(("dialect", "name"), [("0.12", None), ("0.35", "mine")])
async def test_the_older_dialect_forgets_the_name_of_a_local_scheduler(
    tmp_path: Path, dialect: DialectName, name: str | None
) -> None:
    async with server(tmp_path, dialect) as client:
        await created(client, "/workflows", WORKFLOW)
        body = {"workflow_id": 1, "name": "mine", "memory": "1g", "num_cpus": 1}
        await created(client, "/local_schedulers", body)
        assert (await got(client, "/local_schedulers/1")).get("name") == name


@both_dialects
async def test_pages_of_a_list(tmp_path: Path, dialect: DialectName) -> None:
    async with server(tmp_path, dialect) as client:
        await created(client, "/workflows", WORKFLOW)
        for name in "cab":
            await created(client, "/files", {"workflow_id": 1, "name": name, "path": f"/{name}"})
        page = await got(client, "/files?workflow_id=1&limit=2&sort_by=name")
        names = [file["name"] for file in page.pop("items")]
        assert names == ["a", "b"]
        assert page == {
            "offset": 0,
            "max_limit": 10_000,
            "count": 2,
            "total_count": 3,
            "has_more": True,
        }
        rest = await got(client, "/files?workflow_id=1&limit=2&offset=2&sort_by=name")
        assert ([file["name"] for file in rest["items"]], rest["has_more"]) == (["c"], False)
        backwards = await got(client, "/files?workflow_id=1&sort_by=name&reverse_sort=true")
        assert [file["name"] for file in backwards["items"]] == ["c", "b", "a"]
        assert (await got(client, "/files?workflow_id=1&name=b&limit=1"))["total_count"] == 1
        assert (await client.delete("/files?workflow_id=1")).json() == {"deleted_count": 3}


@pytest.mark.parametrize(("dialect", "total"), [("0.12", 0), ("0.35", 1)])
async def test_the_older_dialect_miscounts_active_nodes(
    tmp_path: Path, dialect: DialectName, total: int
) -> None:
    async with server(tmp_path, dialect) as client:
        await created(client, "/workflows", WORKFLOW)
        body = NODE | {"workflow_id": 1, "is_active": True, "scheduler": {"scheduler_id": 5}}
        await created(client, "/compute_nodes", body)
        found = await got(client, "/compute_nodes?workflow_id=1&is_active=true")
        assert (found["count"], found["total_count"]) == (1, total)
        found = await got(client, "/compute_nodes?workflow_id=1&scheduled_compute_node_id=5")
        assert found["total_count"] == 1
        assert found["items"][0]["scheduler"] == {"scheduler_id": 5}


@both_dialects
async def test_a_node_that_never_said_so_is_neither_active_nor_not(
    tmp_path: Path, dialect: DialectName
) -> None:
    async with server(tmp_path, dialect) as client:
        await created(client, "/workflows", WORKFLOW)
        await created(client, "/compute_nodes", NODE | {"workflow_id": 1})
        for active in ("true", "false"):
            found = await got(client, f"/compute_nodes?workflow_id=1&is_active={active}")
            assert found["items"] == []
        assert (await got(client, "/compute_nodes/1"))["is_active"] is False


@both_dialects
async def test_requirements_are_measured_and_their_changes_recorded(
    tmp_path: Path, dialect: DialectName
) -> None:
    async with server(tmp_path, dialect) as client:
        await created(client, "/workflows", WORKFLOW)
        default = (await got(client, "/resource_requirements?workflow_id=1"))["items"][0]
        assert (default["name"], default["memory"]) == ("default", "1m")
        raised = default | {"memory": "12g"}
        assert (await client.put("/resource_requirements/1", json=raised)).json() == raised
        event = (await got(client, "/events?workflow_id=1"))["items"][0]
        assert event["data"]["action"] == "update_resource_requirements"
        assert event["data"]["memory"] == "12g"
        odd = await client.post("/resource_requirements", json=default | {"memory": "8gb"})
        assert (odd.status_code, odd.json()["error"]["field"]) == (422, "memory")
        odd = await client.put("/resource_requirements/1", json=default | {"runtime": "1h"})
        assert odd.status_code == (500 if dialect == "0.12" else 422)


@both_dialects
async def test_what_may_change_of_a_job_that_ran(tmp_path: Path, dialect: DialectName) -> None:
    async with server(tmp_path, dialect) as client:
        await created(client, "/workflows", WORKFLOW)
        await created(client, "/jobs", JOB)
        await client.post("/workflows/1/initialize_jobs")
        for change, status in (
            ({"resource_requirements_id": 1, "scheduler_id": 4}, 200),
            ({"command": "false"}, 422),
            ({"status": "disabled"}, 422),
            ({"depends_on_job_ids": [1]}, 422),
        ):
            response = await client.put("/jobs/1", json=JOB | change)
            assert response.status_code == status, change
        assert (await got(client, "/jobs/1"))["scheduler_id"] == 4


async def test_an_uninitialized_job_may_be_disabled_and_nothing_else(tmp_path: Path) -> None:
    async with server(tmp_path) as client:
        await created(client, "/workflows", WORKFLOW)
        await created(client, "/bulk_jobs", {"jobs": [JOB, JOB]})
        changed = JOB | {"command": "false", "depends_on_job_ids": [1]}
        assert (await client.put("/jobs/2", json=changed)).json()["depends_on_job_ids"] == [1]
        assert (await client.put("/jobs/2", json=JOB | {"input_file_ids": [3]})).status_code == 422
        assert (await client.put("/jobs/2", json=JOB | {"status": "ready"})).status_code == 422
        disabled = await client.put("/jobs/2", json=JOB | {"status": "disabled"})
        assert disabled.json()["status"] == "disabled"


async def test_bulk_jobs_are_all_or_none_and_of_one_workflow(tmp_path: Path) -> None:
    async with server(tmp_path) as client:
        for _ in range(2):
            await created(client, "/workflows", WORKFLOW)
        for other, status in (({"workflow_id": 2}, 422), ({"depends_on_job_ids": [99]}, 500)):
            body = {"jobs": [JOB, JOB | other]}
            assert (await client.post("/bulk_jobs", json=body)).status_code == status
        assert (await got(client, "/workflows/1/job_ids")) == {"job_ids": [], "count": 0}


@pytest.mark.parametrize(
    ("path", "body"),
    [("files", {"name": "f", "path": "/f"}), ("user_data", {"name": "d", "is_ephemeral": True})],
)
async def test_files_and_user_data_come_in_batches_too(
    tmp_path: Path, path: str, body: dict[str, Any]
) -> None:
    async with server(tmp_path) as client:
        for _ in range(2):
            await created(client, "/workflows", WORKFLOW)
        first, other = body | {"workflow_id": 1}, body | {"workflow_id": 2}
        mixed = await client.post(f"/bulk_{path}", json={path: [first, other]})
        assert mixed.status_code == 422
        unknown = await client.post(f"/bulk_{path}", json={path: [body | {"workflow_id": 9}]})
        assert unknown.status_code == 404
        batch = await created(client, f"/bulk_{path}", {path: [first, first]})
        assert [thing["id"] for thing in batch[path]] == [1, 2]
        assert batch[path] == (await got(client, f"/{path}?workflow_id=1"))["items"]


@pytest.mark.looptime
async def test_jobs_are_initialized_by_a_task_that_can_be_asked_after(tmp_path: Path) -> None:
    async with server(tmp_path) as client:
        await created(client, "/workflows", WORKFLOW)
        await created(client, "/jobs", JOB)
        await anyio.sleep(1)  # the server has nothing to do
        queued = await client.post("/workflows/1/initialize_jobs?async=true")
        assert (queued.status_code, queued.json()["status"]) == (202, "queued")
        assert (await client.post("/workflows/1/initialize_jobs")).status_code == 409
        assert (await got(client, "/workflows/1/active_task"))["task"]["id"] == 1
        await anyio.sleep(1)
        assert (await got(client, "/tasks/1"))["status"] == "succeeded"
        assert (await got(client, "/workflows/1/active_task")) == {}
        assert (await got(client, "/jobs/1"))["status"] == "ready"


async def test_a_task_of_before_a_restart_is_done(tmp_path: Path) -> None:
    async with server(tmp_path) as client:
        await created(client, "/workflows", WORKFLOW)
        await client.post("/workflows/1/initialize_jobs?async=true")
    async with server(tmp_path) as client:
        await anyio.lowlevel.checkpoint()
        assert (await got(client, "/tasks/1"))["status"] == "succeeded"


@pytest.mark.parametrize(
    ("credentials", "status"),
    [(None, 401), (("ada", "wrong"), 401), (("eve", "secret"), 401), (("ada", "secret"), 200)],
)
async def test_accounts_are_asked_for_when_there_are_any(
    tmp_path: Path, credentials: tuple[str, str] | None, status: int
) -> None:
    async with server(tmp_path, accounts={"ada": "secret"}) as client:
        auth = None if credentials is None else httpx.BasicAuth(*credentials)
        response = await client.get("/ping", auth=auth)
        assert response.status_code == status
        if status == 401:
            assert response.text == "Unauthorized"
            assert response.headers["WWW-Authenticate"] == 'Basic realm="Torc"'


async def test_the_user_of_an_open_server_is_recorded(tmp_path: Path) -> None:
    async with server(tmp_path) as client:
        await created(client, "/workflows", WORKFLOW)
        await client.post("/workflows/1/reset_status", auth=("ada", "anything"))
        await client.post("/workflows/1/reset_status")
        events = (await got(client, "/events?workflow_id=1"))["items"]
        assert [event["data"]["user"] for event in events] == ["ada", "unknown"]
