"""The engine's site before each of the four servers, on virtual time.

The embedded server is in the loop. A real one is a process of its own, one for each site: the loop
stands still while it answers, and so does virtual time. What it does unasked has its place there
too: it has looked at all that finished by the next half minute, if not before.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from torc_watch.sandbox.server.server_settings import TorcApi

if TYPE_CHECKING:
    from tests.conformance.conftest import StartServer
    from tests.conftest import ServeSite, SiteServer

LOOKS_EVERY = 30.0  # virtual seconds, as a server does that nobody told otherwise
PATIENCE = 30.0  # real seconds until a server that should have looked has not
NODE: dict[str, Any] = {"num_cpus": 1, "memory_gb": 1.0, "num_gpus": 0, "num_nodes": 1}


class Apart:
    """A server in a process of its own, asked by a loop that waits for every answer."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._has_news = True  # perhaps, from an earlier server on the same folder

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._has_news |= "complete_job" in request.url.path
        url = self._http.base_url.join(request.url.raw_path.decode())
        sent = self._http.build_request(
            request.method, url, headers=request.headers, content=request.content
        )
        answer = self._http.send(sent)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    async def open_stream(self, _request: httpx.Request) -> httpx.Response:
        """There is none: an event would come at any moment of virtual time."""
        return httpx.Response(404)

    async def look_regularly(self) -> None:
        while True:
            await anyio.sleep(LOOKS_EVERY)
            if self._has_news:
                self._has_news = False
                self._have_it_look()

    def _have_it_look(self) -> None:
        """Returns when the server has looked twice at all that finished before this call."""
        workflow_id = self._ask("POST", "/workflows", {"name": "looks", "user": "nobody"})["id"]
        here = {"workflow_id": workflow_id}
        node = here | NODE | {"hostname": "h", "pid": 1, "start_time": "now"}
        node_id = self._ask("POST", "/compute_nodes", node | {"compute_node_type": "local"})["id"]
        chain: list[int] = []
        for name in ("first", "second", "third"):
            job = here | {"name": name, "command": "true", "depends_on_job_ids": chain[-1:]}
            chain.append(self._ask("POST", "/jobs", job)["id"])
        self._ask("POST", f"/workflows/{workflow_id}/initialize_jobs")
        for job_id, unblocked in pairwise(chain):
            self._complete(workflow_id, job_id, node_id)
            self._wait_until_ready(unblocked)

    def _complete(self, workflow_id: int, job_id: int, node_id: int) -> None:
        result: dict[str, Any] = {"job_id": job_id, "workflow_id": workflow_id}
        result |= {"compute_node_id": node_id, "completion_time": "2026-01-01T00:00:00Z"}
        result |= {"run_id": 0, "return_code": 0, "exec_time_minutes": 0.0, "status": "completed"}
        self._ask("POST", f"/jobs/{job_id}/complete_job/completed/0", result)

    def _wait_until_ready(self, job_id: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while self._ask("GET", f"/jobs/{job_id}")["status"] != "ready":
            assert time.monotonic() < deadline, "The server does not look at what has finished."
            time.sleep(0.005)  # leave the processor to the server

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        return self._http.request(method, path, json=body).raise_for_status().json()


@contextmanager
def open_http(url: str) -> Iterator[httpx.Client]:
    unused = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # loading certificates would take longer
    with httpx.Client(base_url=url, verify=unused, trust_env=False, timeout=PATIENCE) as http:
        yield http


@asynccontextmanager
async def serve_apart(
    start_server: "StartServer", name: str, directory: Path
) -> AsyncIterator["SiteServer"]:
    await anyio.Path(directory).mkdir(parents=True, exist_ok=True)
    with start_server(name, directory) as started, open_http(started.url) as http:
        server = Apart(http)
        looking = asyncio.create_task(server.look_regularly())
        try:
            yield server
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking


@pytest.fixture(params=["embedded-0.12", "embedded-1.0", "torc-0.12.2", "torc-1.0.0"])
def server_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def api_version(server_name: str) -> TorcApi:
    return "0.12" if "0.12" in server_name else "1.0"


@pytest.fixture
def serve_site(
    serve_site: "ServeSite", start_server: "StartServer", server_name: str
) -> "ServeSite":
    if server_name.startswith("embedded"):
        return serve_site
    return partial(serve_apart, start_server, server_name)
