"""The embedded server in the test's event loop, with a worker that does as it is told."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

from torc_watch.sandbox.server import ServerSettings, open_server
from torc_watch.sandbox.server.settings import DialectName

PREFIX = "/torc-service/v1"
NODE = {"num_cpus": 64, "memory_gb": 64.0, "num_gpus": 0, "num_nodes": 1}


@dataclass
class Torc:
    """A server with one workflow, and a worker that does as it is told."""

    client: httpx.AsyncClient
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

    async def add(self, graph: Mapping[str, list[str]], **fields: Any) -> None:
        """Jobs by name with the names of what they wait for."""
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
        """Claim everything that is ready, and end the jobs named with their return codes."""
        await self.claim()
        for name, code in codes.items():
            assert await self.start(name) == 200
            status = "failed" if code else "completed"
            assert await self.complete(name, status, code) == 200


@asynccontextmanager
async def _torc_at(directory: Path, dialect: DialectName) -> AsyncIterator[Torc]:
    async with open_server(ServerSettings(directory=directory, dialect=dialect)) as app:
        transport = httpx.ASGITransport(app)
        base_url = f"http://torc{PREFIX}"
        async with httpx.AsyncClient(transport=transport, base_url=base_url) as client:
            body: dict[str, Any] = {"name": "w", "user": "u"}
            workflow = (await client.post("/workflows", json=body)).json()
            node = {"workflow_id": workflow["id"], "hostname": "h", "pid": 1, "start_time": "now"}
            node |= {"compute_node_type": "local", **NODE}
            created = (await client.post("/compute_nodes", json=node)).json()
            yield Torc(client, workflow["id"], created["id"])


class OpenTorc(Protocol):
    def __call__(self, dialect: DialectName = "0.35") -> AbstractAsyncContextManager[Torc]: ...


@pytest.fixture
def open_torc(tmp_path: Path) -> OpenTorc:
    """Opens a server on a folder that may hold what an earlier one left."""

    def opened(dialect: DialectName = "0.35") -> AbstractAsyncContextManager[Torc]:
        return _torc_at(tmp_path, dialect)

    return opened
