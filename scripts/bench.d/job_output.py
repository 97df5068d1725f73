"""What jobs have written, by our commands and by Torc's: seconds, on one real server.

10,000 jobs of which 500 failed, with two files each. Each command is started three times, in turn.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from anyio import to_thread
from real_torc import RealTorc, find_real_torc
from workloads import FAILED_OF, failed_workflow

from tests.rigs.real_torc import server_command, serving
from torc_watch.core.job_output import stdio_name
from torc_watch.torc.client import TorcClient
from torc_watch.torc.transport import Connection, Transport

_JOBS = 10_000
_ROUNDS = 3
_LINES = 40  # of each file: 2 KiB


async def measure() -> dict[str, float]:
    torc = find_real_torc()
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(server_command(torc.server, Path(folder)), Path(folder) / "server.log") as url,
    ):
        async with Transport(Connection(url=url)) as transport:
            client = await TorcClient.connect(transport)
            workflow_id = await failed_workflow(client, _JOBS)
            run_id = (await client.get_workflow(workflow_id)).run_id
            jobs = [job.id for job in await client.list_jobs(workflow_id)]
        _write_output(Path(folder) / "torc_output", workflow_id, run_id, jobs)
        commands = _commands(torc, workflow_id, jobs[0])
        return await to_thread.run_sync(_in_turn, commands, Path(folder), url)


def _write_output(folder: Path, workflow_id: int, run_id: int, jobs: list[int]) -> None:
    (folder / "job_stdio").mkdir(parents=True)
    step = "step 000 of 40 at cn042: loss 0.123, 4096 MiB used\n"
    for number, job_id in enumerate(jobs):
        error = "MemoryError: cannot allocate 12g\n" if number % FAILED_OF == 0 else ""
        for stream, text in (("o", step * _LINES), ("e", error)):
            name = stdio_name(
                workflow_id=workflow_id, job_id=job_id, run_id=run_id, attempt=1, stream=stream
            )
            (folder / name).write_text(text)


def _commands(torc: RealTorc, workflow_id: int, failed: int) -> dict[str, list[str]]:
    ours = [sys.executable, "-m", "torc_watch"]
    theirs = [str(torc.client)]
    number, output = str(workflow_id), ["-o", "torc_output"]
    return {
        "ours: jobs list": [*ours, "jobs", "list", number],
        "Torc: jobs list": [*theirs, "jobs", "list", number],
        "ours: jobs list --status failed": [*ours, "jobs", "list", number, "--status", "failed"],
        "Torc: jobs list --status failed": [*theirs, "jobs", "list", number, "--status", "failed"],
        "ours: jobs logs": [*ours, "jobs", "logs", str(failed)],
        "Torc: results list --failed --include-logs": [
            *(*theirs, "-f", "json", "results", "list", number),
            *("--failed", "--include-logs", *output),
        ],
        "ours: why": [*ours, "why", number],
        "Torc: logs analyze": [*theirs, "logs", "analyze", "torc_output", "-w", number],
        "ours: handover": [*ours, "handover", number, "--force", "-o", "ours.tar.gz"],
        "Torc: logs bundle": [
            *(*theirs, "logs", "bundle", number, "--bundle-dir", ".", "--output-dir", "torc_output")
        ],
    }


def _in_turn(commands: dict[str, list[str]], folder: Path, url: str) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in commands}
    values: dict[str, float] = {}
    for _ in range(_ROUNDS):
        for name, command in commands.items():
            seconds, printed = _timed(command, folder, url)
            taken[name].append(seconds)
            values[f"job output: {name}, KiB printed"] = printed / 1024
    for name, times in taken.items():
        values[f"job output: {name}, s"] = statistics.median(times)
    for path in folder.glob("*.tar.gz"):
        values[f"job output: {path.name}, KiB"] = path.stat().st_size / 1024
    return values


def _timed(command: list[str], folder: Path, url: str) -> tuple[float, int]:
    """Seconds, and bytes printed. Raises CalledProcessError."""
    environment = os.environ | {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "TORC_API_URL": url,
        "TORC_WATCHD_HOME": str(folder / "home"),
        "TORC_WATCHD_OUTPUT_DIR": "torc_output",
        "USER": os.environ.get("USER", "bench"),
    }
    began = time.perf_counter()
    ended = subprocess.run(command, env=environment, cwd=folder, capture_output=True, check=False)
    took = time.perf_counter() - began
    if ended.returncode:
        raise RuntimeError(f"{command} ended with {ended.returncode}: {ended.stderr[-500:]!r}")
    return took, len(ended.stdout)
