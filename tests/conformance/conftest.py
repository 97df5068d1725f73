"""Four servers that must agree: the embedded one in both API versions, and two releases of Torc.

Each server is a separate process that starts with its first test. Its database is empty at first
and shared by all tests of the session: each test creates its own workflow and assumes no ids.
"""

import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import anyio
import httpx
import pytest

from tests.conformance.torc_cli import RELEASES, Cli
from tests.rigs.real_torc import clean_environment, server_command, serving
from torc_watch.sandbox.server.server_settings import TorcApi
from torc_watch.torc.client import TorcClient
from torc_watch.torc.transport import Connection, Transport

NODE: dict[str, Any] = {"num_cpus": 64, "memory_gb": 64.0, "num_gpus": 0, "num_nodes": 1}
# Seconds between checks for finished jobs. If it is much shorter, 0.12.2 overlooks some.
UNBLOCK_INTERVAL = 0.02
TIMEOUT = 10.0  # seconds for a server's background work
REAL_VERSIONS = {"torc-0.12.2": "0.12.2", "torc-1.0.0": "1.0.0"}
API_VERSIONS: dict[str, TorcApi] = {
    "embedded-0.12": "0.12",
    "embedded-1.0": "1.0",
    "torc-0.12.2": "0.12",
    "torc-1.0.0": "1.0",
}


TorcProgram = Callable[[str, str], Path]  # the path of a program, by version and name


@dataclass(frozen=True, slots=True)
class Server:
    """A server that listens at ``url``, the base of its API."""

    name: str
    url: str

    @property
    def api_version(self) -> TorcApi:
        return API_VERSIONS[self.name]


class StartServer(Protocol):
    """Starts the server ``name`` on a directory, with additional command line options."""

    def __call__(
        self, name: str, directory: Path, *options: str, unblock_interval: float = UNBLOCK_INTERVAL
    ) -> AbstractContextManager[Server]: ...


def _command(
    torc_program: TorcProgram, name: str, directory: Path, unblock_interval: float
) -> list[str]:
    if name in REAL_VERSIONS:
        program = torc_program(REAL_VERSIONS[name], "torc-server")
        return server_command(program, directory, unblock_interval=unblock_interval)
    command = [sys.executable, "-m", "torc_watch", "sandbox", "serve", "--port", "0", "--json"]
    command += ["--directory", str(directory), "--api", API_VERSIONS[name]]
    return [*command, "--unblock-interval", str(unblock_interval)]


@contextmanager
def running_server(
    torc_program: TorcProgram,
    name: str,
    directory: Path,
    *options: str,
    unblock_interval: float = UNBLOCK_INTERVAL,
) -> Iterator[Server]:
    command = [*_command(torc_program, name, directory, unblock_interval), *options]
    with serving(command, directory / "server.log") as url:
        yield Server(name, url)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and "[torc-" in item.name:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", params=list(API_VERSIONS))
def server(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    torc_program: TorcProgram,
) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp(request.param)
    with running_server(torc_program, request.param, directory) as server:
        yield server


@pytest.fixture
def start_server(torc_program: TorcProgram) -> StartServer:
    """For a test that needs its own server."""
    return partial(running_server, torc_program)


@pytest.fixture
def api_version(server: Server) -> TorcApi:
    return server.api_version


@pytest.fixture
async def client(server: Server) -> AsyncIterator[TorcClient]:
    async with Transport(Connection(url=server.url)) as transport:
        yield await TorcClient.connect(transport)


@dataclass
class Torc:
    """A server with one workflow, and a worker that the test controls."""

    client: httpx.AsyncClient
    api_version: TorcApi
    workflow_id: int
    node_id: int
    run_id: int = 0

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        response = await self.client.request(method, path, json=body)
        assert response.status_code == 200, response.text
        return response.json()

    async def status_of(self, method: str, path: str, body: Any = None) -> int:
        return (await self.client.request(method, path, json=body)).status_code

    async def workflow(self, method: str, path: str, body: Any = None) -> Any:
        return await self.ask(method, f"/workflows/{self.workflow_id}/{path}", body)

    async def add(self, graph: Mapping[str, Sequence[str]], **fields: Any) -> None:
        """Add jobs; ``graph`` maps each name to the names of its dependencies."""
        ids: dict[str, int] = {}
        for name, blockers in graph.items():
            body = {"workflow_id": self.workflow_id, "name": name, "command": "true", **fields}
            body["depends_on_job_ids"] = [ids[blocker] for blocker in blockers]
            ids[name] = (await self.ask("POST", "/jobs", body))["id"]

    async def jobs(self) -> dict[str, Any]:
        items = (await self.ask("GET", f"/jobs?workflow_id={self.workflow_id}"))["items"]
        return {job["name"]: job for job in items}

    async def statuses(self) -> dict[str, str]:
        return {name: job["status"] for name, job in (await self.jobs()).items()}

    async def statuses_become(self, expected: Mapping[str, str]) -> None:
        """Wait until the server has set these statuses."""
        await self.eventually(partial(self._named_statuses, expected), expected)

    async def eventually(self, read: Callable[[], Awaitable[Any]], expected: Any) -> None:
        """Poll ``read`` until it returns the expected value."""
        found = None
        with anyio.move_on_after(TIMEOUT):
            while (found := await read()) != expected:  # noqa: ASYNC110 - another process changes it
                await anyio.sleep(0.01)  # leave CPU time for the server
        assert found == expected

    async def _named_statuses(self, names: Mapping[str, str]) -> dict[str, str]:
        return {name: status for name, status in (await self.statuses()).items() if name in names}

    async def id_of(self, name: str) -> int:
        return int((await self.jobs())[name]["id"])

    async def set_status(self, name: str, status: str) -> int:
        job_id = await self.id_of(name)
        path = f"/jobs/{job_id}/manage_status_change/{status}/{self.run_id}"
        return await self.status_of("PUT", path)

    async def claim(self) -> list[str]:
        jobs = (await self.workflow("POST", "claim_jobs_based_on_resources/100", NODE))["jobs"]
        return [job["name"] for job in jobs]

    async def start(self, name: str) -> int:
        job_id = await self.id_of(name)
        return await self.status_of("PUT", f"/jobs/{job_id}/start_job/{self.run_id}/{self.node_id}")

    async def complete(
        self, name: str, status: str = "completed", return_code: int = 0, **fields: Any
    ) -> int:
        job = (await self.jobs())[name]
        run_id = fields.get("run_id", self.run_id)
        path = f"/jobs/{job['id']}/complete_job/{status}/{run_id}"
        return await self.status_of("POST", path, self.result(job, status, return_code) | fields)

    def result(self, job: Mapping[str, Any], status: str, return_code: int) -> dict[str, Any]:
        return {
            "job_id": job["id"],
            "workflow_id": self.workflow_id,
            "run_id": self.run_id,
            "attempt_id": job["attempt_id"],
            "compute_node_id": self.node_id,
            "return_code": return_code,
            "exec_time_minutes": 0.5,
            "completion_time": "2026-01-01T00:00:00Z",
            "status": status,
        }

    async def finish(self, **codes: int) -> None:
        """Claim all ready jobs; start and complete those in ``codes``, with their return codes."""
        await self.claim()
        for name, code in codes.items():
            assert await self.start(name) == 200
            status = "failed" if code else "completed"
            assert await self.complete(name, status, code) == 200

    async def results(self, query: str = "") -> list[tuple[int, int, int]]:
        """Run, attempt and return code of each result."""
        found = await self.ask("GET", f"/results?workflow_id={self.workflow_id}{query}")
        return [(one["run_id"], one["attempt_id"], one["return_code"]) for one in found["items"]]

    async def count_on_node(self) -> int:
        """How many jobs run on the worker's node, according to the server."""
        query = f"workflow_id={self.workflow_id}&active_compute_node_id={self.node_id}"
        return int((await self.ask("GET", f"/jobs?{query}"))["total_count"])

    async def is_complete(self) -> bool:
        return bool((await self.workflow("GET", "is_complete"))["is_complete"])

    async def sibling(self) -> "Torc":
        """Another workflow on the same server."""
        return await _new_workflow(self.client, self.api_version)

    async def background_work_done(self) -> None:
        """Wait until the server has run its unblocking task twice since this call."""
        other = await self.sibling()
        await other.add({"a": [], "b": ["a"], "c": ["b"]})
        await other.workflow("POST", "initialize_jobs")
        for name, unblocked in (("a", "b"), ("b", "c")):
            assert await other.complete(name) == 200
            await other.statuses_become({unblocked: "ready"})


async def _new_workflow(client: httpx.AsyncClient, api_version: TorcApi) -> Torc:
    workflow = await client.post("/workflows", json={"name": "w", "user": "u"})
    workflow_id = workflow.json()["id"]
    node = {"workflow_id": workflow_id, "hostname": "h", "pid": 1, "start_time": "now"}
    node |= {"compute_node_type": "local", **NODE}
    created = await client.post("/compute_nodes", json=node)
    return Torc(client, api_version, workflow_id, created.json()["id"])


class Connect(Protocol):
    """Opens a connection to a server with a new workflow, or with known workflow and node ids."""

    def __call__(self, server: Server, *known: int) -> AbstractAsyncContextManager[Torc]: ...


@asynccontextmanager
async def _connected(server: Server, *known: int) -> AsyncIterator[Torc]:
    unused = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # saves the time to load certificates
    async with httpx.AsyncClient(base_url=server.url, verify=unused, trust_env=False) as client:
        if known:
            yield Torc(client, server.api_version, *known)
        else:
            yield await _new_workflow(client, server.api_version)


@pytest.fixture
def connect() -> Connect:
    """For a test that restarts a server."""
    return _connected


@pytest.fixture
async def torc(server: Server) -> AsyncIterator[Torc]:
    async with _connected(server) as torc:
        yield torc


@pytest.fixture
def cli(server: Server, torc_program: TorcProgram, tmp_path: Path) -> Cli:
    environment = clean_environment() | {"TORC_API_URL": server.url, "HOME": str(tmp_path)}
    program = torc_program(RELEASES[server.api_version], "torc")
    return Cli(program, environment | {"USER": "tester"}, tmp_path, server.api_version)
