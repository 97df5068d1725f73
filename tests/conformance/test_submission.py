"""Submission of a specification to each server, and the cleanup after a failure."""

import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from torc_watch.core.errors import Conflict, InvalidSpec, ServerFault
from torc_watch.core.model import JobStatus
from torc_watch.core.units import MIB
from torc_watch.spec import Spec, expand
from torc_watch.spec.spec_file import read_spec
from torc_watch.spec.submission import submit
from torc_watch.torc.api_version import ApiVersion
from torc_watch.torc.client import TorcClient
from torc_watch.torc.runner_api import RunnerApi, WorkerResources
from torc_watch.torc.transport import Connection, Transport

if TYPE_CHECKING:
    from tests.conformance.conftest import Server

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass
class Faults(httpx.AsyncBaseTransport):
    """Forwards requests to the server, except those whose method and path are in ``answers``.

    ``questions`` counts those about a task, of which there are more the longer it takes.
    """

    inner: httpx.AsyncBaseTransport
    answers: dict[tuple[str, str], int] = field(default_factory=dict)
    reached: anyio.Event = field(default_factory=anyio.Event)
    questions: int = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.questions += "/tasks/" in request.url.path
        for (method, end), status in self.answers.items():
            if request.method == method and request.url.path.endswith(end):
                self.reached.set()
                if not status:  # never responds
                    await anyio.sleep_forever()
                return httpx.Response(status, text="An internal error occurred")
        await anyio.lowlevel.checkpoint()  # as a network does
        return await self.inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self.inner.aclose()


@pytest.fixture
def faults() -> Faults:
    return Faults(httpx.AsyncHTTPTransport())


@pytest.fixture
async def client(server: "Server", faults: Faults) -> AsyncIterator[TorcClient]:
    async with Transport(Connection(url=server.url), http=faults) as transport:
        yield await TorcClient.connect(transport)


@pytest.fixture
def user() -> str:
    """A user without workflows."""
    return f"ada-{uuid.uuid4()}"


def spec(*jobs: Mapping[str, Any], **fields: Any) -> Spec:
    return expand({"name": "w", "jobs": [{"command": "true", **job} for job in jobs], **fields})


async def dependencies(client: TorcClient, workflow_id: int) -> dict[str, set[str]]:
    jobs = await client.list_jobs(workflow_id)
    answer = await client.transport.get(f"/workflows/{workflow_id}/job_dependencies")
    found: dict[str, set[str]] = {job.name: set() for job in jobs}
    for row in answer["items"]:
        found[row["job_name"]].add(row["depends_on_job_name"])
    return found


async def test_tutorial_is_submitted_and_its_first_jobs_are_ready(client: TorcClient) -> None:
    tutorial = read_spec(EXAMPLES / "tutorial.yaml")
    submitted = await submit(client, tutorial, user="ada")
    workflow = await client.get_workflow(submitted.workflow_id)
    jobs = await client.list_jobs(submitted.workflow_id)
    found = await dependencies(client, submitted.workflow_id)
    requirements = {row.id: row for row in await client.list_requirements(submitted.workflow_id)}

    assert submitted.job_count == 100
    assert (workflow.name, workflow.user, workflow.run_id) == ("tutorial", "ada", 1)
    assert [(job.name, job.command) for job in jobs] == [
        (job.name, job.command) for job in tutorial.jobs
    ]
    assert {job.name for job in jobs if job.status is JobStatus.READY} == {
        f"prepare_data_{number}" for number in range(1, 11)
    }
    assert sum(job.status is JobStatus.BLOCKED for job in jobs) == 90
    assert found == {job.name: set(job.depends_on) for job in tutorial.jobs}
    (used,) = {job.requirements_id for job in jobs}
    assert used is not None
    small = requirements[used]
    assert (small.name, small.memory, small.runtime) == ("small", 64 * MIB, 60)


async def test_server_derives_dependencies_from_files_and_user_data(client: TorcClient) -> None:
    specification = spec(
        {"name": "last", "input_user_data": ["u"]},
        {"name": "middle", "input_files": ["f"], "output_user_data": ["u"]},
        {"name": "first", "output_files": ["f"]},
        files=[{"name": "f", "path": "f.csv"}],
        user_data=[{"name": "u"}],
    )
    submitted = await submit(client, specification, user="ada")
    statuses = {job.name: job.status for job in await client.list_jobs(submitted.workflow_id)}
    found = await dependencies(client, submitted.workflow_id)

    assert found == {"first": set(), "middle": {"first"}, "last": {"middle"}}
    assert statuses == {
        "first": JobStatus.READY,
        "middle": JobStatus.BLOCKED,
        "last": JobStatus.BLOCKED,
    }


async def test_workflow_fields_are_submitted(client: TorcClient) -> None:
    specification = spec(
        {"name": "a"},
        description="of it",
        metadata='{"team": "ml"}',
        slurm_defaults={"qos": "high"},
        use_pending_failed=True,
    )
    submitted = await submit(client, specification, user="ada")
    row = await client.transport.get(f"/workflows/{submitted.workflow_id}")

    as_text = client.api_version is ApiVersion.V0_12
    assert row["description"] == "of it"
    assert row["use_pending_failed"] is True
    assert row["metadata"] == ('{"team": "ml"}' if as_text else {"team": "ml"})
    assert row["slurm_defaults"] == ('{"qos": "high"}' if as_text else {"qos": "high"})
    assert "enabled" in row["resource_monitor_config"]


async def test_existing_input_is_submitted_with_its_time(
    client: TorcClient, tmp_path: Path
) -> None:
    there = tmp_path / "there.csv"
    there.touch()
    files = [
        {"name": "there", "path": str(there)},
        {"name": "missing", "path": str(tmp_path / "missing.csv")},
        {"name": "written", "path": str(there)},
        {"name": "told", "path": str(there), "st_mtime": 7},
    ]
    reads = {"name": "a", "input_files": ["there", "missing", "told"], "output_files": ["written"]}
    submitted = await submit(client, spec(reads, files=files), user="ada")
    rows = await client.transport.get("/files", workflow_id=submitted.workflow_id)

    times = {row["name"]: row.get("st_mtime") for row in rows["items"]}
    assert times["there"] == pytest.approx(there.stat().st_mtime)
    assert times["missing"] is None
    assert times["written"] is None  # by which the server tells outputs from inputs
    assert times["told"] == 7


ENVIRONMENT = spec(
    {"name": "a", "env": {"OWN": "1", "BOTH": "job"}}, {"name": "b"}, env={"BOTH": "all", "X": ""}
)


async def test_environment_is_given_to_the_jobs(client: TorcClient) -> None:
    """Torc's server gives the workflow's to each job as it is created."""
    if client.api_version is ApiVersion.V0_12:
        pytest.skip("0.12 refuses it: the next test")
    submitted = await submit(client, ENVIRONMENT, user="ada")
    workflow = await client.transport.get(f"/workflows/{submitted.workflow_id}")
    rows = await client.transport.get("/jobs", workflow_id=submitted.workflow_id)

    assert workflow["env"] == {"BOTH": "all", "X": ""}
    assert {row["name"]: row["env"] for row in rows["items"]} == {
        "a": {"OWN": "1", "BOTH": "job", "X": ""},
        "b": {"BOTH": "all", "X": ""},
    }
    resources = WorkerResources(num_cpus=4, memory=2**30)
    claimed = await RunnerApi(client.transport).claim_jobs(
        submitted.workflow_id, resources, limit=2
    )
    assert {each.job.name: each.env["BOTH"] for each in claimed} == {"a": "job", "b": "all"}


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (ENVIRONMENT, r"cannot keep environment variables \(env\)"),
        (spec({"name": "a", "env": {"X": "1"}}), r"cannot keep environment variables \(env\)"),
        (spec({"name": "a"}, dynamic_jobs={"max_iterations": 2}), "cannot add jobs from jobs"),
    ],
)
async def test_what_the_server_cannot_keep_is_refused_before_anything_is_created(
    client: TorcClient, user: str, document: Spec, reason: str
) -> None:
    if client.api_version is not ApiVersion.V0_12:
        pytest.skip("1.0 keeps it")
    with pytest.raises(InvalidSpec, match=reason):
        await submit(client, document, user=user)
    assert await client.list_workflows(user=user) == []


@pytest.mark.parametrize("name", ["1A", "A-B", ""])
async def test_server_refuses_other_names_of_variables(client: TorcClient, name: str) -> None:
    if client.api_version is ApiVersion.V0_12:
        pytest.skip("0.12 ignores them")
    with pytest.raises(Conflict):
        await client.transport.post(
            "/workflows", body={"name": "w", "user": "u", "env": {name: ""}}
        )


async def test_environment_cannot_be_changed_later(client: TorcClient) -> None:
    if client.api_version is ApiVersion.V0_12:
        pytest.skip("0.12 has none")
    submitted = await submit(client, ENVIRONMENT, user="ada")
    rows = await client.transport.get("/jobs", workflow_id=submitted.workflow_id)
    job, path = rows["items"][0], f"/workflows/{submitted.workflow_id}"
    workflow = await client.transport.get(path)

    with pytest.raises(Conflict):
        await client.transport.put(path, body=workflow | {"env": {"X": "2"}})
    with pytest.raises(Conflict):
        await client.transport.put(f"/jobs/{job['id']}", body=job | {"env": {"X": "2"}})
    await client.transport.put(path, body=workflow)
    assert (await client.transport.get(path))["env"] == {"BOTH": "all", "X": ""}


async def test_settings_without_effect_are_named(client: TorcClient) -> None:
    document = spec(
        {"name": "a", "priority": 2},
        execution_config={"mode": "direct"},
        jobs_sort_method="gpus_memory_runtime",
        compute_node_expiration_buffer_seconds=9,
    )
    submitted = await submit(client, document, user="ada")

    named = {warning.split(" ")[0] for warning in submitted.warnings}
    expected = {"jobs_sort_method", "compute_node_expiration_buffer_seconds"}
    old = {"execution_config", "priority"}
    assert named == (old if client.api_version is ApiVersion.V0_12 else expected)


@pytest.mark.parametrize(
    "name", ["with space", 'it\'s "quoted"', "two\nlines", "$(reboot)", "x" * 200, "größe 🙂"]
)
async def test_any_name_is_submitted_unchanged(client: TorcClient, name: str) -> None:
    specification = spec(
        {"name": "after", "depends_on": [name]}, {"name": name, "command": f"echo {name}"}
    )
    submitted = await submit(client, specification, user="ada")
    found = await dependencies(client, submitted.workflow_id)
    first, _ = await client.list_jobs(submitted.workflow_id)

    assert found == {name: set(), "after": {name}}
    assert first.command == f"echo {name}"


async def test_number_of_requests_does_not_depend_on_the_number_of_jobs(
    client: TorcClient, faults: Faults
) -> None:
    async def requests_for(count: int) -> int:
        before = client.transport.requests_sent - faults.questions
        parameters = {"i": f"1:{count}"}
        stages = spec(
            {"name": "a{i}", "parameters": parameters},
            {"name": "b{i}", "depends_on": ["a{i}"], "parameters": parameters},
            {"name": "c", "depends_on_regexes": ["^b"]},
        )
        await submit(client, stages, user="ada")
        return client.transport.requests_sent - faults.questions - before

    assert await requests_for(2) == await requests_for(500)


@pytest.mark.parametrize(
    "step",
    [
        ("POST", "/resource_requirements"),
        ("POST", "/bulk_jobs"),
        ("POST", "/reset_status"),
        ("POST", "/initialize_jobs"),
    ],
)
async def test_incomplete_workflow_is_deleted(
    client: TorcClient, faults: Faults, user: str, step: tuple[str, str]
) -> None:
    faults.answers[step] = 500
    with pytest.raises(ServerFault, match=r"The incomplete workflow \d+ was deleted\.$"):
        await submit(client, read_spec(EXAMPLES / "mixed.yaml"), user=user)
    assert await client.list_workflows(user=user) == []


async def test_error_names_an_incomplete_workflow_that_cannot_be_deleted(
    client: TorcClient, faults: Faults, user: str
) -> None:
    faults.answers = {("POST", "/bulk_jobs"): 500, ("DELETE", ""): 500}
    with pytest.raises(ServerFault, match=r"Workflow \d+ is incomplete .* delete it manually\.$"):
        await submit(client, spec({"name": "a"}), user=user)
    assert len(await client.list_workflows(user=user)) == 1


async def test_canceled_submission_leaves_no_workflow(
    client: TorcClient, faults: Faults, user: str
) -> None:
    faults.answers = {("POST", "/bulk_jobs"): 0}
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: submit(client, spec({"name": "a"}), user=user))
        await faults.reached.wait()
        group.cancel_scope.cancel()
    assert await client.list_workflows(user=user) == []
