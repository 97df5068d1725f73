"""Resources of a workflow: created, shown, listed and updated; jobs and batches."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conformance.conftest import Torc

newer_servers = pytest.mark.parametrize("server", ["embedded-1.0", "torc-1.0.0"], indirect=True)
UNKNOWN = 10**9  # an id that does not exist
NODE: dict[str, Any] = {"hostname": "h", "pid": 1, "start_time": "now", "num_cpus": 1}
NODE |= {"compute_node_type": "slurm", "memory_gb": 1.0, "num_gpus": 0, "num_nodes": 1}
ALLOCATION = {"scheduler_id": 9, "scheduler_config_id": 1, "scheduler_type": "slurm"}
NEEDS = {"num_cpus": 1, "num_gpus": 0, "num_nodes": 1, "memory": "1g", "runtime": "PT1H"}


@pytest.mark.parametrize(
    ("path", "body", "change"),
    [
        ("files", {"name": "f", "path": "/f"}, {"st_mtime": 1.5}),
        (
            "slurm_schedulers",
            {"name": "s", "account": "a", "nodes": 1, "walltime": "01:00:00"},
            {"mem": "9g"},
        ),
        ("scheduled_compute_nodes", ALLOCATION | {"status": "pending"}, {"status": "active"}),
        ("compute_nodes", NODE | {"is_active": True}, {"is_active": False, "pid": 2}),
    ],
)
async def test_create_show_update_and_list(
    torc: "Torc", path: str, body: dict[str, Any], change: dict[str, Any]
) -> None:
    row = await torc.ask("POST", f"/{path}", body | {"workflow_id": torc.workflow_id})
    url = f"/{path}/{row['id']}"
    assert await torc.ask("GET", url) == row
    changed = await torc.ask("PUT", url, row | change)
    assert changed == row | change
    listed = f"/{path}?workflow_id={torc.workflow_id}"
    assert changed in (await torc.ask("GET", listed))["items"]
    assert await torc.status_of("GET", f"/{path}/{UNKNOWN}") == 404
    assert await torc.status_of("PUT", f"/{path}/{UNKNOWN}", row) == 404


@pytest.mark.parametrize(
    ("path", "body", "older"),
    [
        ("files", {"name": "f", "path": "/f"}, 404),
        ("user_data", {"name": "d"}, 404),
        ("resource_requirements", NEEDS | {"name": "r"}, 404),
        ("local_schedulers", {"memory": "8g", "num_cpus": 4}, 500),
        ("scheduled_compute_nodes", ALLOCATION | {"status": "pending"}, 500),
    ],
)
async def test_row_of_an_unknown_workflow_is_refused(
    torc: "Torc", path: str, body: dict[str, Any], older: int
) -> None:
    status = await torc.status_of("POST", f"/{path}", body | {"workflow_id": UNKNOWN})
    assert status == {"0.12": older, "1.0": 404}[torc.api_version]


async def test_list_of_an_unknown_workflow(torc: "Torc") -> None:
    """Empty in API 0.12; not found in API 1.0."""
    for path in ("jobs", "results", "files", "compute_nodes", "scheduled_compute_nodes"):
        status = await torc.status_of("GET", f"/{path}?workflow_id={UNKNOWN}")
        assert status == {"0.12": 200, "1.0": 404}[torc.api_version]


async def test_name_of_a_local_scheduler_is_not_stored(torc: "Torc") -> None:
    body = {"workflow_id": torc.workflow_id, "name": "mine", "memory": "1g", "num_cpus": 1}
    row = await torc.ask("POST", "/local_schedulers", body)
    (shown,) = (await torc.ask("GET", f"/local_schedulers?workflow_id={torc.workflow_id}"))["items"]
    assert (shown["id"], "name" in shown) == (row["id"], False)


async def test_pages_of_a_list(torc: "Torc") -> None:
    for name in "cab":
        body = {"workflow_id": torc.workflow_id, "name": name, "path": f"/{name}"}
        await torc.ask("POST", "/files", body)
    listed = f"/files?workflow_id={torc.workflow_id}"
    page = await torc.ask("GET", f"{listed}&limit=2&sort_by=name")
    assert [file["name"] for file in page.pop("items")] == ["a", "b"]
    limit = {"0.12": 10_000, "1.0": 100_000}[torc.api_version]
    counts = {"offset": 0, "count": 2, "total_count": 3, "has_more": True}
    assert page == counts | {"max_limit": limit}
    rest = await torc.ask("GET", f"{listed}&limit=2&offset=2&sort_by=name")
    assert ([file["name"] for file in rest["items"]], rest["has_more"]) == (["c"], False)
    backwards = await torc.ask("GET", f"{listed}&sort_by=name&reverse_sort=true")
    assert [file["name"] for file in backwards["items"]] == ["c", "b", "a"]
    assert await torc.status_of("GET", f"{listed}&limit={limit + 1}") == 500


async def test_units_of_requirements_are_validated(torc: "Torc") -> None:
    listed = f"/resource_requirements?workflow_id={torc.workflow_id}"
    default = (await torc.ask("GET", listed))["items"][0]
    known = (default["name"], default["memory"], default["runtime"])
    assert known == ("default", "1m", "P0DT1M")
    own = await torc.ask("POST", "/resource_requirements", default | {"id": None, "name": "own"})
    assert await torc.ask("GET", f"/resource_requirements/{own['id']}") == own
    for odd in ({"memory": "8gb"}, {"runtime": "1h"}):
        body = own | odd
        created = await torc.client.post("/resource_requirements", json=body | {"name": "odd"})
        assert (created.status_code, [created.json()["error"]["field"]]) == (422, list(odd))


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"scheduler_id": 4}, 200),
        ({"command": "false"}, 422),
        ({"name": "other"}, 422),
        ({"status": "disabled"}, 422),
        ({"depends_on_job_ids": [1]}, 422),
    ],
)
async def test_updates_of_an_initialized_job(
    torc: "Torc", change: dict[str, Any], status: int
) -> None:
    await torc.add({"j": []})
    await torc.workflow("POST", "initialize_jobs")
    body = {"workflow_id": torc.workflow_id, "name": "j", "command": "true"}
    path = f"/jobs/{await torc.id_of('j')}"
    assert await torc.status_of("PUT", path, body | change) == status
    shown = await torc.ask("GET", path)
    assert all(shown.get(key) == value for key, value in change.items()) == (status == 200)


async def test_requirements_of_a_job_change_in_any_status(torc: "Torc") -> None:
    needs = NEEDS | {"workflow_id": torc.workflow_id, "name": "more"}
    more = await torc.ask("POST", "/resource_requirements", needs)
    await torc.add({"j": []})
    body = {"workflow_id": torc.workflow_id, "name": "j", "command": "true"}
    assert await torc.complete("j", "failed", 137) == 200
    body |= {"resource_requirements_id": more["id"]}
    await torc.ask("PUT", f"/jobs/{await torc.id_of('j')}", body)
    assert (await torc.jobs())["j"]["resource_requirements_id"] == more["id"]


async def test_uninitialized_job_may_only_be_disabled(torc: "Torc") -> None:
    await torc.add({"i": [], "j": []})
    body = {"workflow_id": torc.workflow_id, "name": "j", "command": "true"}
    path = f"/jobs/{await torc.id_of('j')}"
    assert await torc.status_of("PUT", path, body | {"input_file_ids": [3]}) == 422
    assert await torc.status_of("PUT", path, body | {"status": "ready"}) == 422
    assert (await torc.ask("PUT", path, body | {"status": "disabled"}))["status"] == "disabled"


async def test_batch_of_jobs_is_atomic_and_of_one_workflow(torc: "Torc") -> None:
    other = await torc.sibling()
    jobs = [
        {"workflow_id": torc.workflow_id, "name": name, "command": "true"} for name in ("i", "j")
    ]
    for odd, status in (({"workflow_id": other.workflow_id}, 422), ({"status": "odd"}, None)):
        answer = await torc.status_of("POST", "/bulk_jobs", {"jobs": [jobs[0], jobs[1] | odd]})
        assert answer == status or (status is None and answer in (400, 422))
    assert await torc.jobs() == {}
    created = (await torc.ask("POST", "/bulk_jobs", {"jobs": jobs}))["jobs"]
    assert [job["name"] for job in created] == ["i", "j"]
    assert list(await torc.jobs()) == ["i", "j"]


async def test_duplicate_job_names(torc: "Torc") -> None:
    """API 1.0 accepts them in separate requests, but not in a batch."""
    job = {"workflow_id": torc.workflow_id, "name": "j", "command": "true"}
    for _ in range(2):
        assert (await torc.ask("POST", "/jobs", job))["name"] == "j"
    twice = await torc.status_of("POST", "/bulk_jobs", {"jobs": [job, job]})
    assert twice == {"0.12": 200, "1.0": 422}[torc.api_version]


@newer_servers
@pytest.mark.parametrize(
    ("path", "body"),
    [("files", {"path": "/f"}), ("user_data", {"is_ephemeral": True, "data": {}})],
)
async def test_batches_of_files_and_user_data(
    torc: "Torc", path: str, body: dict[str, Any]
) -> None:
    other = await torc.sibling()
    first, second = (body | {"workflow_id": torc.workflow_id, "name": name} for name in "ab")
    for workflow_id, status in ((other.workflow_id, 422), (UNKNOWN, 422)):
        batch = {path: [first, second | {"workflow_id": workflow_id}]}
        assert await torc.status_of("POST", f"/bulk_{path}", batch) == status
    unknown = {path: [first | {"workflow_id": UNKNOWN}]}
    assert await torc.status_of("POST", f"/bulk_{path}", unknown) == 404
    created = (await torc.ask("POST", f"/bulk_{path}", {path: [first, second]}))[path]
    assert [row["name"] for row in created] == ["a", "b"]


@newer_servers
async def test_slurm_stats_of_an_attempt_are_stored_once(torc: "Torc") -> None:
    await torc.add({"job": []})
    body = {"workflow_id": torc.workflow_id, "job_id": await torc.id_of("job"), "run_id": 0}
    body |= {"attempt_id": 1, "max_rss_bytes": 5}
    stats = await torc.ask("POST", "/slurm_stats", body)
    assert await torc.status_of("POST", "/slurm_stats", body) == 500
    listed = f"/slurm_stats?workflow_id={torc.workflow_id}"
    assert (await torc.ask("GET", listed))["items"] == [stats]
    assert (await torc.ask("GET", f"{listed}&run_id=1"))["items"] == []


@pytest.mark.parametrize("order", ["job_id", "workflow_id", "id"])
async def test_order_of_current_results(torc: "Torc", order: str) -> None:
    """API 0.12 fails for a column that two of its joined tables have."""
    await torc.add({"b": [], "a": []})
    for name in ("a", "b"):
        assert await torc.complete(name) == 200
    listed = f"/results?workflow_id={torc.workflow_id}&sort_by={order}"
    fails = torc.api_version == "0.12" and order != "id"
    assert await torc.status_of("GET", listed) == (500 if fails else 200)
    assert await torc.status_of("GET", f"{listed}&all_runs=true") == 200


async def test_empty_batch(torc: "Torc") -> None:
    status = {"0.12": 200, "1.0": 422}[torc.api_version]
    assert await torc.status_of("POST", "/bulk_jobs", {"jobs": []}) == status


async def test_response_for_a_new_job_has_the_fields_that_were_sent(torc: "Torc") -> None:
    body = {"workflow_id": torc.workflow_id, "name": "j", "command": "true"}
    job = await torc.ask("POST", "/jobs", body)
    server_fields = {"id": job["id"], "status": "uninitialized"}
    server_fields["resource_requirements_id"] = job["resource_requirements_id"]
    expected = {"0.12": {"scheduler_id": None}, "1.0": {}}[torc.api_version]
    assert job == body | server_fields | expected
