"""How servers refuse invalid requests."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conformance.conftest import Torc

JOB = {"name": "j", "command": "true"}


@pytest.mark.parametrize(
    ("method", "path", "body", "older", "newer"),
    [
        ("GET", "/nothing", None, 404, 404),
        ("GET", "/ping/", None, 404, 404),
        ("POST", "/ping", None, 405, 405),
        ("PUT", "/workflows/{id}/status", {}, 400, 405),
        ("POST", "/workflows/{id}/archive", {"is_archived": False}, 404, 200),
        ("GET", "/jobs/one", None, 400, 400),
        ("GET", "/jobs", None, 400, 400),
        ("GET", "/jobs?workflow_id={id}&status=odd", None, 400, 400),
        ("GET", "/results?workflow_id={id}&all_runs=True", None, 400, 400),
        ("GET", "/jobs?workflow_id={id}&limit=10001", None, 500, 200),
        ("GET", "/jobs?workflow_id={id}&sort_by=nonsense", None, 500, 200),
        ("POST", "/jobs", {"name": "j"}, 400, 422),
        ("POST", "/jobs", None, 400, 415),
        ("POST", "/jobs", JOB | {"workflow_id": 1, "status": "unrecognized"}, 400, 422),
        ("POST", "/jobs", JOB | {"workflow_id": 10**9}, 404, 404),
        ("POST", "/files", {"workflow_id": 1, "name": "f", "path": 7}, 400, 422),
        ("POST", "/workflows", {"name": "w", "user": "u", "metadata": 1}, 400, 422),
        ("PUT", "/jobs/1/manage_status_change/odd/0", None, 400, 400),
        ("GET", "/workflows/1000000000", None, 404, 404),
        ("GET", "/jobs/1000000000", None, 404, 404),
    ],
)
async def test_refusals(
    torc: "Torc", method: str, path: str, body: object, older: int, newer: int
) -> None:
    path = path.replace("{id}", str(torc.workflow_id))
    response = await torc.client.request(method, path, json=body)
    assert response.status_code == {"0.12": older, "1.0": newer}[torc.api_version]


async def test_missing_object_differs_from_an_unknown_path(
    torc: "Torc",
) -> None:
    missing = await torc.client.get("/workflows/1000000000")
    assert missing.json()["error"]["message"] == "Workflow not found with ID: 1000000000"
    unknown = await torc.client.get("/nothing")
    assert (unknown.status_code, unknown.content) == (404, b"")


async def test_internal_error_is_plain_text_in_api_0_12(torc: "Torc") -> None:
    await torc.add({"job": []})
    job_id = await torc.id_of("job")
    path = f"/jobs/{job_id}/start_job/0/{torc.node_id}"
    response = await torc.client.put(path)
    assert response.status_code == 500
    if torc.api_version == "0.12":
        assert response.text == "An internal error occurred"
    else:
        assert response.json()["error"]["error"] == "InternalServerError"
        assert response.json()["error"]["message"]


@pytest.mark.parametrize("data", [b"NaN", b"1e999", b'"\xff"', b"'x'", b"[" * 10_000])
async def test_invalid_json_is_refused(torc: "Torc", data: bytes) -> None:
    content = b'{"workflow_id": %d, "name": "d", "data": %s}' % (torc.workflow_id, data)
    headers = {"Content-Type": "application/json"}
    response = await torc.client.post("/user_data", content=content, headers=headers)
    assert response.status_code == 400
