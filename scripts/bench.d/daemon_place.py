"""The environment of the daemon's benchmark: a server, a state folder, and active workflows.

Each workflow has a running job and a live local allocation, so that a poll is the usual one: three
requests, reading one record and trying one lock. The allocations have no workers. This process
holds one lock file, and the lock files of all allocations are hard links to it.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import httpx
from anyio.abc import Process
from workloads import busy_workflow

from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.units import GIB
from torc_watch.daemon.commands import WatchedWorkflow, WatchOptions, WatchState
from torc_watch.daemon.registry import Registry
from torc_watch.host import file_lock
from torc_watch.ipc.socket_paths import socket_paths
from torc_watch.schedulers.base import WorkerAssignment
from torc_watch.schedulers.local.allocation_folder import (
    AllocationFolder,
    AllocationRecord,
    this_host,
)
from torc_watch.torc.client import TorcClient
from torc_watch.torc.concurrency import gather
from torc_watch.torc.transport import Connection, Transport

PROGRAM = (sys.executable, "-m", "torc_watch")
_WITH_LOGIN_LIMITS = 'ulimit -Sn 1024; exec "$0" "$@"'
_SERVER = Path(__file__).with_name("daemon_server.py")
_MEMORY = Path("/dev/shm")  # noqa: S108 - the server's disk is not measured
_JOBS = 10  # of each workflow
_SHUTDOWN_TIMEOUT = 90.0  # seconds


@dataclass(frozen=True, slots=True)
class Place:
    """``workflows`` has the ids of those created so far; a daemon watches the first ones."""

    directory: Path
    client: TorcClient
    workflows: list[int] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.directory / "home"

    @property
    def socket(self) -> Path:
        return socket_paths(self.home, self.environment)[0]

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "TORC_WATCHD_HOME": str(self.home),
            "TORC_API_URL": self.client.transport.connection.url,
            "XDG_RUNTIME_DIR": str(self.directory / "run"),
            "XDG_CONFIG_HOME": str(self.directory),
        }

    async def requests(self) -> int:
        """The number of requests that the server has received."""
        url = httpx.URL(self.client.transport.connection.url).copy_with(path="/counted")
        async with httpx.AsyncClient(trust_env=False) as http:
            return int((await http.get(url)).text)

    async def create_workflows(self, workflows: int) -> None:
        """Creates workflows up to this number, each with a running job and a live allocation."""
        numbers = range(len(self.workflows) + 1, workflows + 1)
        self.workflows.extend(await gather([partial(self._create_workflow, n) for n in numbers]))

    async def _create_workflow(self, number: int) -> int:
        workflow_id = await busy_workflow(
            self.client, _JOBS, scheduler_type="local", scheduler_id=number
        )
        folder = AllocationFolder(self.home / "allocations" / str(number))
        folder.path.mkdir(parents=True)
        folder.write_record(_record(workflow_id, self.home))
        folder.lock.hardlink_to(self.directory / "lock")
        return workflow_id

    def register(self, workflows: int) -> None:
        """Registers this number of workflows as added; the daemon must not run."""
        server = self.client.transport.connection.url
        with closing(Registry(self.home / "journal.db")) as registry:
            for workflow_id in self.workflows[len(registry.workflows()) : workflows]:
                registry.save(
                    WatchedWorkflow(
                        server=server,
                        workflow_id=workflow_id,
                        options=WatchOptions(),
                        state=WatchState.WATCHED,
                    )
                )

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[Process]:
        with (self.directory / "output.log").open("ab") as output:
            process = await anyio.open_process(
                ["sh", "-c", _WITH_LOGIN_LIMITS, *PROGRAM, "run"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environment,
            )
        try:
            yield process
            process.terminate()
            with anyio.move_on_after(_SHUTDOWN_TIMEOUT):
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
            with anyio.CancelScope(shield=True):
                await process.wait()


@asynccontextmanager
async def place(directory: Path) -> AsyncIterator[Place]:
    for name in ("home", "run"):
        (directory / name).mkdir(mode=0o700)
    with (directory / "lock").open("ab") as lock:
        file_lock.lock(lock)
        async with (
            _server() as url,
            Transport(Connection(url=url)) as transport,
        ):
            yield Place(directory, await TorcClient.connect(transport))


@asynccontextmanager
async def _server() -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory(dir=_MEMORY) as directory:
        command = [sys.executable, str(_SERVER), directory]
        async with await anyio.open_process(
            command, stdin=subprocess.DEVNULL, stderr=None
        ) as process:
            assert process.stdout is not None  # noqa: S101 - it is piped
            try:
                yield (await process.stdout.receive()).decode().strip()
            finally:
                process.kill()


def _record(workflow_id: int, home: Path) -> AllocationRecord:
    return AllocationRecord(
        hostname=this_host(),
        spec=AllocationSpec(token=f"bench-{workflow_id}", num_cpus=1, memory=GIB),
        work=WorkerAssignment(
            connection=Connection(url="localhost:1"),  # no worker reads it
            workflow_id=workflow_id,
            scheduler_config_id=1,
            output_dir=home,
        ),
        poll_interval=1,
    )
