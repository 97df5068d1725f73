"""The requests of each call in both API versions, and how answers are parsed."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from torc_watch.core.allocation import AllocationShape
from torc_watch.core.errors import Conflict, NotFound, ServerError, ServerFault, ServerUnreachable
from torc_watch.core.model import Allocation, Job, JobStatus
from torc_watch.core.units import MIB
from torc_watch.torc.api_version import ApiVersion
from torc_watch.torc.client import TorcClient
from torc_watch.torc.requests import (
    NewFile,
    NewJob,
    NewRequirements,
    NewResult,
    NewUserData,
    NewWorkflow,
)
from torc_watch.torc.transport import Connection, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

VERSIONS = {ApiVersion.V0_12: "0.12.0 (abc)", ApiVersion.V1_0: {"version": "0.35.0"}}
BOTH = pytest.mark.parametrize("api_version", list(ApiVersion))


@dataclass
class Server:
    """Answers by method and path; a list gives its answers one by one, an int is a status."""

    api_version: ApiVersion
    answers: dict[str, Any] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/torc-service/v1")
        if path == "/version":
            return httpx.Response(200, json=VERSIONS[self.api_version])
        query = f"?{request.url.query.decode()}" if request.url.query else ""
        self.sent.append(f"{request.method} {path}{query}")
        if request.content:
            self.bodies.append(json.loads(request.content))
        answer = self.answers.get(f"{request.method} {path}")
        if isinstance(answer, list):
            answer = answer.pop(0)
        if isinstance(answer, int):
            return httpx.Response(answer, json={"error": {"message": "refused"}})
        return httpx.Response(200) if answer is None else httpx.Response(200, json=answer)

    @asynccontextmanager
    async def client(self) -> "AsyncIterator[TorcClient]":
        connection = Connection(url="localhost:8080")
        async with Transport(connection, http=httpx.MockTransport(self)) as transport:
            yield await TorcClient.connect(transport)


def page(*items: dict[str, Any]) -> dict[str, Any]:
    return {"items": list(items), "total_count": len(items), "has_more": False}


WORKFLOW = {"id": 1, "name": "w", "user": "ada", "timestamp": "then"}
STATUS = {"id": 1, "run_id": 2, "is_canceled": True, "is_archived": False}
JOB = {
    "id": 7,
    "workflow_id": 1,
    "name": "a",
    "command": "true",
    "status": "failed",
    "resource_requirements_id": 5,
}
LIST = "offset=0&limit=10000&sort_by=id&workflow_id=1"


def workflow_answers(api_version: ApiVersion, **status: Any) -> dict[str, Any]:
    if api_version is ApiVersion.V0_12:
        return {"GET /workflows/1": WORKFLOW, "GET /workflows/1/status": STATUS | status}
    return {"GET /workflows/1": WORKFLOW | STATUS | status}


@BOTH
async def test_version_is_requested_once(api_version: ApiVersion) -> None:
    server = Server(api_version, workflow_answers(api_version))
    async with server.client() as client:
        await client.get_workflow(1)
        assert client.api_version is api_version
        assert client.version in ("0.12.0 (abc)", "0.35.0")
        assert client.transport.requests_sent == 1 + len(server.sent)


@pytest.mark.parametrize(("api_version", "requests"), [(ApiVersion.V0_12, 2), (ApiVersion.V1_0, 1)])
async def test_workflow_is_read_with_its_run_state(api_version: ApiVersion, requests: int) -> None:
    server = Server(api_version, workflow_answers(api_version))
    async with server.client() as client:
        workflow = await client.get_workflow(1)
    assert (workflow.run_id, workflow.is_canceled, workflow.is_archived) == (2, True, False)
    assert (workflow.id, workflow.user, workflow.created) == (1, "ada", "then")
    assert len(server.sent) == requests


@BOTH
async def test_workflow_without_a_run_is_a_fault(api_version: ApiVersion) -> None:
    answers = {"GET /workflows/1": WORKFLOW, "GET /workflows/1/status": {"jobs_by_status": {}}}
    async with Server(api_version, answers).client() as client:
        with pytest.raises(ServerFault, match="run_id"):
            await client.get_workflow(1)


async def test_workflow_deleted_while_listing_is_omitted() -> None:
    answers = {
        "GET /workflows": page(WORKFLOW, WORKFLOW | {"id": 2}),
        "GET /workflows/1/status": 404,
        "GET /workflows/2/status": STATUS,
    }
    server = Server(ApiVersion.V0_12, answers)
    async with server.client() as client:
        assert [workflow.id for workflow in await client.list_workflows(user="ada")] == [2]
    assert server.sent[0].endswith("sort_by=id&user=ada")


async def test_counting_on_0_12_sends_a_small_request_per_status() -> None:
    server = Server(ApiVersion.V0_12, {"GET /jobs": page() | {"total_count": 3}})
    async with server.client() as client:
        counts = await client.count_jobs(1)
    assert counts.of(JobStatus.PENDING_FAILED) == 3
    assert counts.total == 33
    assert len(server.sent) == 11
    assert "GET /jobs?limit=1&workflow_id=1&status=failed" in server.sent


async def test_counting_on_1_0_sends_one_request() -> None:
    summary = {"jobs_by_status": {"completed": 95, "failed": 5}, "total_jobs": 100}
    server = Server(ApiVersion.V1_0, {"GET /workflows/1/status": summary})
    async with server.client() as client:
        counts = await client.count_jobs(1)
    assert counts.by_status == {JobStatus.COMPLETED: 95, JobStatus.FAILED: 5}
    assert server.sent == ["GET /workflows/1/status"]


async def test_counting_raises_a_single_error() -> None:
    async with Server(ApiVersion.V0_12, {"GET /jobs": 403}).client() as client:
        with pytest.raises(ServerError):
            await client.count_jobs(1)


Call = Callable[[TorcClient], Awaitable[Any]]
CALLS: dict[str, tuple[Call, str]] = {
    "jobs": (lambda c: c.list_jobs(1), f"GET /jobs?{LIST}"),
    "failed jobs": (
        lambda c: c.list_jobs(1, JobStatus.FAILED),
        f"GET /jobs?{LIST}&status=failed",
    ),
    "jobs on a node": (
        lambda c: c.list_active_jobs_on(4, 1),
        f"GET /jobs?{LIST}&active_compute_node_id=4",
    ),
    "failed results": (
        lambda c: c.list_results(1, JobStatus.FAILED),
        f"GET /results?{LIST}&status=failed",
    ),
    "requirements": (lambda c: c.list_requirements(1), f"GET /resource_requirements?{LIST}"),
    "allocations": (lambda c: c.list_allocations(1), f"GET /scheduled_compute_nodes?{LIST}"),
    "nodes": (lambda c: c.list_compute_nodes(1), f"GET /compute_nodes?{LIST}"),
    "schedulers": (
        lambda c: c.list_scheduler_configs(1, "local"),
        f"GET /local_schedulers?{LIST}",
    ),
    "Slurm schedulers": (
        lambda c: c.list_scheduler_configs(1, "slurm"),
        f"GET /slurm_schedulers?{LIST}",
    ),
    "delete": (lambda c: c.delete_workflow(1), "DELETE /workflows/1"),
    "reset a job": (
        lambda c: c.set_job_status(7, JobStatus.UNINITIALIZED, 2),
        "PUT /jobs/7/manage_status_change/uninitialized/2",
    ),
}


@BOTH
@pytest.mark.parametrize(("call", "request_line"), CALLS.values(), ids=CALLS)
async def test_each_read_sends_one_request(
    api_version: ApiVersion, call: Call, request_line: str
) -> None:
    method, path = request_line.partition("?")[0].split()
    server = Server(api_version, {f"{method} {path}": page()} if method == "GET" else {})
    async with server.client() as client:
        await call(client)
    assert server.sent == [request_line]
    assert server.bodies == []


@BOTH
@pytest.mark.parametrize("is_complete", [True, False])
async def test_completeness_is_read_from_the_server(
    api_version: ApiVersion, *, is_complete: bool
) -> None:
    answer = {"is_complete": is_complete, "is_canceled": False}
    answers = {"GET /workflows/1": WORKFLOW, "GET /workflows/1/is_complete": answer}
    async with Server(api_version, answers).client() as client:
        assert await client.is_complete(1) is is_complete


async def test_use_of_steps_is_not_asked_of_0_12() -> None:
    async with Server(ApiVersion.V0_12, {}).client() as client:
        assert await client.list_step_usage(1) == []


async def test_deleted_workflow_of_0_12_is_not_complete() -> None:
    answers = {"GET /workflows/1": 404, "GET /workflows/1/is_complete": {"is_complete": True}}
    async with Server(ApiVersion.V0_12, answers).client() as client:
        with pytest.raises(NotFound):
            await client.is_complete(1)


@BOTH
async def test_deleted_workflow_is_not_found(api_version: ApiVersion) -> None:
    async with Server(api_version, {"GET /workflows/1/is_complete": 404}).client() as client:
        with pytest.raises(NotFound):
            await client.is_complete(1)


COMPLETED_AT = datetime(2026, 1, 1, tzinfo=UTC)
CREATIONS: dict[str, tuple[Call, str, dict[str, Any]]] = {
    "requirements": (
        lambda c: c.create_requirements(
            1, NewRequirements(name="big", num_cpus=2, memory=1536 * MIB, runtime=5400)
        ),
        "POST /resource_requirements",
        {
            "workflow_id": 1,
            "name": "big",
            "num_cpus": 2,
            "num_gpus": 0,
            "num_nodes": 1,
            "memory": "1536m",
            "runtime": "PT1H30M",
        },
    ),
    "allocation": (
        lambda c: c.create_allocation(
            1, scheduler_id=99, scheduler_config_id=2, scheduler_type="local"
        ),
        "POST /scheduled_compute_nodes",
        {
            "workflow_id": 1,
            "scheduler_id": 99,
            "scheduler_config_id": 2,
            "scheduler_type": "local",
            "status": "pending",
        },
    ),
    "scheduler": (
        lambda c: c.create_scheduler_config(
            1, "local", name="two", shape=AllocationShape(num_cpus=2, memory=64 * MIB)
        ),
        "POST /local_schedulers",
        {"workflow_id": 1, "name": "two", "num_cpus": 2, "memory": "64m"},
    ),
}


@BOTH
@pytest.mark.parametrize(("call", "request_line", "body"), CREATIONS.values(), ids=CREATIONS)
async def test_each_creation_sends_one_request(
    api_version: ApiVersion, call: Call, request_line: str, body: dict[str, Any]
) -> None:
    server = Server(api_version, {request_line: body | {"id": 12}})
    async with server.client() as client:
        assert await call(client) == 12
    assert server.sent == [request_line]
    assert server.bodies == [body]


@pytest.mark.parametrize(
    ("api_version", "defaults"),
    [(ApiVersion.V0_12, '{"account": "p"}'), (ApiVersion.V1_0, {"account": "p"})],
)
async def test_settings_of_a_new_workflow_are_sent(api_version: ApiVersion, defaults: Any) -> None:
    server = Server(api_version, {"POST /workflows": WORKFLOW})
    settings = {"slurm_defaults": {"account": "p"}, "use_pending_failed": True, "project": None}
    async with server.client() as client:
        assert await client.create_workflow(NewWorkflow(name="w", user="a", settings=settings)) == 1
    assert server.bodies == [
        {"name": "w", "user": "a", "slurm_defaults": defaults, "use_pending_failed": True}
    ]


@BOTH
async def test_jobs_are_created_in_bulk_and_in_order(api_version: ApiVersion) -> None:
    def ids(first: int, number: int) -> dict[str, Any]:
        return {"jobs": [{"id": first + index} for index in range(number)]}

    server = Server(api_version, {"POST /bulk_jobs": [ids(1, 1_000), ids(20_000, 1)]})
    jobs = [NewJob(name=f"j{number}", command="true") for number in range(1_001)]
    async with server.client() as client:
        created = await client.create_jobs(1, jobs)
    assert created == [*range(1, 1_001), 20_000]
    assert [len(body["jobs"]) for body in server.bodies] == [1_000, 1]
    assert server.bodies[1]["jobs"][0]["name"] == "j1000"


@BOTH
async def test_job_with_all_fields(api_version: ApiVersion) -> None:
    job = NewJob(
        name="b",
        command="true",
        depends_on_job_ids=(1, 2),
        input_file_ids=(3,),
        requirements_id=5,
        cancel_on_blocking_job_failure=False,
    )
    server = Server(api_version, {"POST /bulk_jobs": {"jobs": [{"id": 9}]}})
    async with server.client() as client:
        await client.create_jobs(1, [job])
    assert server.bodies[0]["jobs"] == [
        {
            "workflow_id": 1,
            "name": "b",
            "command": "true",
            "depends_on_job_ids": [1, 2],
            "input_file_ids": [3],
            "resource_requirements_id": 5,
            "cancel_on_blocking_job_failure": False,
            "supports_termination": False,
        }
    ]


@pytest.mark.parametrize(
    ("api_version", "sent"),
    [
        (ApiVersion.V0_12, {"POST /files": 2, "POST /user_data": 2}),
        (ApiVersion.V1_0, {"POST /bulk_files": 1, "POST /bulk_user_data": 1}),
    ],
)
async def test_files_and_user_data_are_created_in_bulk_on_1_0(
    api_version: ApiVersion, sent: dict[str, int]
) -> None:
    both = [{"id": 1}, {"id": 2}]
    answers = {
        "POST /files": both[:],
        "POST /user_data": both[:],
        "POST /bulk_files": {"files": both},
        "POST /bulk_user_data": {"user_data": both},
    }
    server = Server(api_version, answers)
    files = [NewFile(name="f", path="f.csv", modified=1.5), NewFile(name="g", path="g.csv")]
    async with server.client() as client:
        assert await client.create_files(1, files) == [1, 2]
        assert await client.create_user_data(1, [NewUserData(name="d")] * 2) == [1, 2]
    assert Counter(server.sent) == sent


SEVEN = Job(id=7, name="a", command="true", status=JobStatus.FAILED, requirements_id=5, attempt=1)


@BOTH
async def test_assigning_requirements_keeps_the_other_fields(api_version: ApiVersion) -> None:
    server = Server(api_version, {})
    async with server.client() as client:
        await client.assign_requirements(1, SEVEN, 6)
    assert server.sent == ["PUT /jobs/7"]
    assert server.bodies == [
        {"workflow_id": 1, "name": "a", "command": "true", "resource_requirements_id": 6}
    ]


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("status", "attempts"), [(JobStatus.UNINITIALIZED, 4), (JobStatus.READY, 1)]
)
async def test_only_a_reset_is_retried_after_a_lost_answer(
    status: JobStatus, attempts: int
) -> None:
    path = f"PUT /jobs/7/manage_status_change/{status}/2"
    server = Server(ApiVersion.V1_0, {path: 503})
    async with server.client() as client:
        with pytest.raises(ServerFault):
            await client.set_job_status(7, status, 2)
    assert len(server.sent) == attempts


RESULT = NewResult(
    workflow_id=1,
    run_id=2,
    attempt=3,
    compute_node_id=4,
    status=JobStatus.FAILED,
    return_code=137,
    exec_seconds=90.0,
    completed_at=COMPLETED_AT,
    peak_memory=65 * MIB,
)


@BOTH
async def test_result_of_a_completed_job_is_sent(api_version: ApiVersion) -> None:
    server = Server(api_version)
    async with server.client() as client:
        await client.complete_job(7, RESULT)
    assert server.sent == ["POST /jobs/7/complete_job/failed/2"]
    assert server.bodies == [
        {
            "job_id": 7,
            "workflow_id": 1,
            "run_id": 2,
            "attempt_id": 3,
            "compute_node_id": 4,
            "status": "failed",
            "return_code": 137,
            "exec_time_minutes": 1.5,
            "completion_time": "2026-01-01T00:00:00+00:00",
            "peak_memory_bytes": 65 * MIB,
        }
    ]


@BOTH
async def test_completing_a_complete_job_is_a_conflict(api_version: ApiVersion) -> None:
    server = Server(api_version, {"POST /jobs/7/complete_job/failed/2": 422})
    async with server.client() as client:
        with pytest.raises(Conflict, match="refused"):
            await client.complete_job(7, RESULT)


ALLOCATION = {
    "id": 6,
    "workflow_id": 1,
    "scheduler_id": 99,
    "scheduler_config_id": 2,
    "scheduler_type": "local",
    "status": "pending",
}


@BOTH
async def test_allocation_update_sends_the_whole_row(api_version: ApiVersion) -> None:
    row = ALLOCATION | {"of a newer server": 1}
    server = Server(api_version, {"GET /scheduled_compute_nodes/6": row})
    allocation = Allocation(
        id=6, scheduler_id=99, scheduler_config_id=2, scheduler_type="local", status="pending"
    )
    async with server.client() as client:
        await client.set_allocation_status(allocation, "complete")
    assert server.sent[1] == "PUT /scheduled_compute_nodes/6"
    assert server.bodies == [row | {"status": "complete"}]


NODE = {
    "id": 4,
    "workflow_id": 1,
    "hostname": "n1",
    "pid": 42,
    "start_time": "2026-01-01T00:00:00Z",
    "num_cpus": 2,
}


@pytest.mark.parametrize("config", [{}, {"of a newer server": 1, "sigterm_lead_seconds": None}])
async def test_lead_is_sent_with_the_rest_of_the_configuration(config: Any) -> None:
    row = {"id": 1, "name": "w", "user": "ada", "project": "p", "execution_config": config}
    server = Server(ApiVersion.V1_0, {"GET /workflows/1": row})
    async with server.client() as client:
        assert await client.set_sigterm_lead(1, 25)
    assert server.sent == ["GET /workflows/1", "PUT /workflows/1"]
    sent = config | {"sigterm_lead_seconds": 25}
    assert server.bodies == [{"name": "w", "user": "ada", "execution_config": sent}]


async def test_lead_that_the_user_has_set_meanwhile_stays() -> None:
    config = {"sigterm_lead_seconds": 300}
    row = {"id": 1, "name": "w", "user": "ada", "execution_config": config}
    server = Server(ApiVersion.V1_0, {"GET /workflows/1": row})
    async with server.client() as client:
        assert not await client.set_sigterm_lead(1, 25)
    assert server.bodies == []


@BOTH
async def test_end_and_duration_of_a_compute_node_are_sent(api_version: ApiVersion) -> None:
    server = Server(api_version, {"GET /compute_nodes/4": NODE})
    async with server.client() as client:
        await client.end_compute_node(1, 4)
    (body,) = server.bodies
    assert body.pop("duration_seconds") > 0
    assert body == NODE | {"is_active": False}


@BOTH
async def test_end_of_a_compute_node_is_recorded_once(api_version: ApiVersion) -> None:
    server = Server(api_version, {"GET /compute_nodes/4": NODE | {"duration_seconds": 5.0}})
    async with server.client() as client:
        await client.end_compute_node(1, 4)
    assert server.bodies == []


@BOTH
async def test_compute_node_of_another_workflow_is_not_changed(api_version: ApiVersion) -> None:
    server = Server(api_version, {"GET /compute_nodes/4": NODE})
    async with server.client() as client:
        with pytest.raises(Conflict):
            await client.end_compute_node(2, 4)
    assert server.bodies == []


async def test_next_run_on_0_12_is_written_then_reset() -> None:
    server = Server(ApiVersion.V0_12, workflow_answers(ApiVersion.V0_12))
    async with server.client() as client:
        await client.advance_run(1, to_run=3)
    assert server.sent[1:] == ["PUT /workflows/1/status", "POST /workflows/1/reset_status"]
    assert (server.bodies[0]["run_id"], server.bodies[0]["is_canceled"]) == (3, True)


async def test_run_that_is_current_on_0_12_is_only_reset() -> None:
    server = Server(ApiVersion.V0_12, workflow_answers(ApiVersion.V0_12))
    async with server.client() as client:
        await client.advance_run(1, to_run=2)
    assert server.sent == ["GET /workflows/1/status", "POST /workflows/1/reset_status"]


async def test_next_run_on_1_0_is_started_by_the_server() -> None:
    row = WORKFLOW | STATUS
    server = Server(ApiVersion.V1_0, {"GET /workflows/1": [row, row | {"run_id": 3}]})
    async with server.client() as client:
        await client.advance_run(1, to_run=3)
    assert server.sent[1] == "POST /workflows/1/reset_status"
    assert server.bodies == []


async def test_run_that_is_current_on_1_0_changes_nothing() -> None:
    server = Server(ApiVersion.V1_0, workflow_answers(ApiVersion.V1_0))
    async with server.client() as client:
        await client.advance_run(1, to_run=2)
    assert server.sent == ["GET /workflows/1"]


async def test_server_that_does_not_start_the_run_is_a_fault() -> None:
    server = Server(ApiVersion.V1_0, workflow_answers(ApiVersion.V1_0))
    async with server.client() as client:
        with pytest.raises(ServerFault, match="is in run 2"):
            await client.advance_run(1, to_run=3)


@pytest.mark.looptime
async def test_lost_answer_does_not_start_another_run() -> None:
    row = WORKFLOW | STATUS
    server = Server(
        ApiVersion.V1_0,
        {"GET /workflows/1": [row, row | {"run_id": 3}], "POST /workflows/1/reset_status": 503},
    )
    async with server.client() as client:
        with pytest.raises(ServerFault):
            await client.advance_run(1, to_run=3)
        await client.advance_run(1, to_run=3)
    assert server.sent.count("POST /workflows/1/reset_status") == 1


@BOTH
@pytest.mark.parametrize(
    ("status", "to_run"), [({}, 1), ({}, 4), ({"is_archived": True}, 3), ({"is_archived": True}, 2)]
)
async def test_any_other_run_is_a_conflict_and_changes_nothing(
    api_version: ApiVersion, status: dict[str, Any], to_run: int
) -> None:
    server = Server(api_version, workflow_answers(api_version, **status))
    async with server.client() as client:
        with pytest.raises(Conflict):
            await client.advance_run(1, to_run=to_run)
    assert [line for line in server.sent if not line.startswith("GET")] == []


@pytest.mark.looptime
async def test_connection_to_an_unreachable_server_is_an_error() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    http = httpx.MockTransport(refuse)
    async with Transport(Connection(url="localhost:8080"), http=http) as transport:
        with pytest.raises(ServerUnreachable):
            await TorcClient.connect(transport)


@pytest.mark.parametrize(("has_more", "number"), [(False, 1), (True, None)])
async def test_dependents_are_unknown_when_they_exceed_one_page(
    *, has_more: bool, number: int | None
) -> None:
    row = {"job_id": 2, "job_name": "b", "depends_on_job_id": 1, "depends_on_job_name": "a"}
    path = "GET /workflows/1/job_dependencies"
    server = Server(ApiVersion.V1_0, {path: page(row) | {"has_more": has_more}})
    async with server.client() as client:
        found = await client.list_dependents(1)
    assert (None if found is None else len(found)) == number
    assert server.sent == [f"{path}?limit=10000"]
