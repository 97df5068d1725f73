"""Memory of an idle `torc-watchd watch`, compared with Python and only an event loop."""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from anyio import to_thread

from tests.rigs.embedded import serve_on_loopback
from torc_watch.sandbox.server import ServerSettings
from torc_watch.torc.client import TorcClient
from torc_watch.torc.requests import NewJob, NewRequirements, NewWorkflow
from torc_watch.torc.transport import Connection, Transport

_POLLS = 5
_MIB = 2**20
_BARE = "import asyncio; print(flush=True); asyncio.run(asyncio.sleep(60))"


async def measure() -> dict[str, float]:
    """Resident MiB after some polls of a workflow with 1,000 jobs and no worker."""
    with tempfile.TemporaryDirectory() as directory:
        settings = ServerSettings(directory=Path(directory) / "server")
        async with serve_on_loopback(settings) as url:
            workflow_id = await _idle_workflow(url)
            watching = await to_thread.run_sync(_resident_watch, workflow_id, url, directory)
    bare = await to_thread.run_sync(_resident, [sys.executable, "-c", _BARE], {}, 1)
    return {
        "watch: resident memory, MiB": watching,
        "compare: bare event loop, MiB": bare,
        "watch: ratio": watching / bare,
    }


async def _idle_workflow(url: str) -> int:
    async with Transport(Connection(url=url)) as transport:
        client = await TorcClient.connect(transport)
        workflow_id = await client.create_workflow(NewWorkflow(name="idle", user="bench"))
        row = await client.create_requirements(
            workflow_id, NewRequirements(name="small", memory=_MIB, runtime=60)
        )
        jobs = [NewJob(name=f"job_{n}", command="true", requirements_id=row) for n in range(1_000)]
        await client.create_jobs(workflow_id, jobs)
        await client.initialize_jobs(workflow_id)
    return workflow_id


def _resident_watch(workflow_id: int, url: str, directory: str) -> float:
    command = [sys.executable, "-m", "torc_watch", "watch", str(workflow_id), "--url", url]
    command += ["--poll-interval", "0.2", "--show-job-counts", "--output-dir", directory]
    return _resident(command, {"TORC_WATCHD_HOME": directory}, 1 + _POLLS)


def _resident(command: list[str], environment: dict[str, str], lines: int) -> float:
    """Resident MiB of the command after it has printed ``lines`` lines; then kills it."""
    with subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None  # noqa: S101 - it is piped
        for _ in range(lines):
            process.stdout.readline()
        pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
        process.kill()
    return pages * resource.getpagesize() / _MIB
