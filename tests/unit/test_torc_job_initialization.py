"""Initialization of jobs: once, in the background where the server can, however long it takes."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx
import pytest

from torc_watch.core.errors import ServerError, ServerFault, ServerUnreachable
from torc_watch.torc.api_version import ApiVersion
from torc_watch.torc.client import TorcClient
from torc_watch.torc.transport import Connection, Transport

pytestmark = pytest.mark.looptime

BOTH = pytest.mark.parametrize("api_version", list(ApiVersion))
VERSIONS = {ApiVersion.V0_12: "0.12.0 (abc)", ApiVersion.V1_0: {"version": "1.0.0"}}
LOST = "the connection breaks before the answer"
NEVER_ARRIVES = "the connection breaks before the request"


@dataclass
class Server:
    """Initializes in ``seconds``, as Torc of this version does.

    ``answers`` says what happens to each request to initialize in turn: an answer's status, or the
    loss of the answer. ``task_status`` is how a task ends.
    """

    api_version: ApiVersion = ApiVersion.V1_0
    seconds: float = 0.0
    answers: Iterator[int | str] = field(default_factory=lambda: iter(()))
    task_status: str = "succeeded"
    has_tasks: bool = True
    uninitialized: int = 9
    task_ends: list[float] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    initialized: list[str] = field(default_factory=list)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/torc-service/v1")
        if path == "/version":
            return httpx.Response(200, json=VERSIONS[self.api_version])
        self.requests.append(path)
        if path == "/workflows/1/status":
            return httpx.Response(200, json={"jobs_by_status": self.statuses()})
        if path == "/workflows/1/initialize_jobs":
            return await self.initialize(request.url.params)
        if not self.has_tasks:
            return httpx.Response(404, text="")
        if path == "/workflows/1/active_task":
            task = self.task() if self.is_busy() else None
            return httpx.Response(200, json={"task": task})
        assert path == f"/tasks/{len(self.task_ends)}"
        return httpx.Response(200, json=self.task())

    async def initialize(self, query: httpx.QueryParams) -> httpx.Response:
        fate = next(self.answers, 200)
        if fate == NEVER_ARRIVES:
            raise httpx.WriteError("reset")
        if isinstance(fate, int) and fate >= 400:
            return httpx.Response(fate, json={"error": {"message": "an error"}})
        if "async" not in query or not self.has_tasks:
            self.initialized.append(str(query))
            await anyio.sleep(self.seconds)
            self.uninitialized = 0
            return httpx.Response(200, json={"message": "Initialized job status"})
        if not self.is_busy():
            self.initialized.append(str(query))
            self.start_task()
        if fate == LOST:
            raise httpx.ReadError("reset")
        return httpx.Response(202, json=self.task())

    def start_task(self) -> None:
        self.task_ends.append(asyncio.get_running_loop().time() + self.seconds)

    def is_busy(self) -> bool:
        return bool(self.task_ends) and asyncio.get_running_loop().time() < self.task_ends[-1]

    def task(self) -> dict[str, Any]:
        status = "running" if self.is_busy() else self.task_status
        error = {"error": "disk full"} if status == "failed" else {}
        return {"id": len(self.task_ends), "workflow_id": 1, "status": status, **error}

    def statuses(self) -> dict[str, int]:
        has_ended = self.task_ends and not self.is_busy() and self.task_status == "succeeded"
        return {"uninitialized": 0 if has_ended else self.uninitialized}

    @asynccontextmanager
    async def client(self) -> AsyncIterator[TorcClient]:
        connection = Connection(url="localhost:8080", timeout=5)
        async with Transport(connection, http=httpx.MockTransport(self)) as transport:
            yield await TorcClient.connect(transport)


@BOTH
async def test_initialization_may_take_far_longer_than_a_request(api_version: ApiVersion) -> None:
    server = Server(api_version, seconds=300)
    reports: list[float] = []
    async with server.client() as client:
        began = asyncio.get_running_loop().time()
        await client.initialize_jobs(1, report=reports.append)
        took = asyncio.get_running_loop().time() - began
    assert len(server.initialized) == 1
    assert 300 <= took < 310
    assert reports == [10, 20, 40, 80, 160]
    assert len(server.requests) < 100


@BOTH
@pytest.mark.parametrize(("is_first_start", "search"), [(True, False), (False, True)])
async def test_only_a_restart_makes_the_server_search_for_dependents(
    api_version: ApiVersion, *, is_first_start: bool, search: bool
) -> None:
    server = Server(api_version)
    async with server.client() as client:
        await client.initialize_jobs(1, is_first_start=is_first_start)
    (query,) = server.initialized
    assert ("only_uninitialized=true" in query) is search
    assert ("async=true" in query) is (api_version is ApiVersion.V1_0)


async def test_task_of_a_process_that_died_is_waited_for_and_not_started_again() -> None:
    server = Server(seconds=60)
    async with server.client() as client:
        with anyio.move_on_after(20):
            await client.initialize_jobs(1)
        await client.initialize_jobs(1)
    assert len(server.initialized) == 1
    assert not server.is_busy()


async def test_what_the_task_of_another_left_is_initialized() -> None:
    server = Server(seconds=60, task_status="failed")
    async with server.client() as client:
        server.start_task()
        with pytest.raises(
            ServerFault, match="could not initialize the jobs of workflow 1: disk full"
        ):
            await client.initialize_jobs(1)
        server.task_status = "succeeded"
        server.uninitialized = 9
        server.task_ends.clear()
        await client.initialize_jobs(1)
    assert len(server.initialized) == 1


@pytest.mark.parametrize("seconds", [0, 60])
async def test_lost_answer_starts_nothing_twice(seconds: float) -> None:
    server = Server(seconds=seconds, answers=iter([LOST]))
    async with server.client() as client:
        await client.initialize_jobs(1)
    assert len(server.initialized) == 1
    assert server.statuses() == {"uninitialized": 0}


@pytest.mark.parametrize(
    ("fate", "error"), [(NEVER_ARRIVES, ServerUnreachable), (500, ServerFault)]
)
async def test_request_that_started_nothing_is_an_error(
    fate: int | str, error: type[ServerError]
) -> None:
    server = Server(answers=iter([fate]))
    async with server.client() as client:
        with pytest.raises(error):
            await client.initialize_jobs(1)
    assert server.initialized == []


@pytest.mark.parametrize("seconds", [0, 60])
async def test_release_without_tasks_initializes_within_the_request(seconds: float) -> None:
    server = Server(seconds=seconds, has_tasks=False)
    async with server.client() as client:
        await client.initialize_jobs(1)
    assert len(server.initialized) == 1
