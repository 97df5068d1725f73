"""A report of 10,000 jobs: what it costs to fetch and to render, beside what Torc offers for it."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
from real_torc import installed_torc
from workloads import failed_workflow

from tests.rigs.embedded import serve_on_loopback
from tests.rigs.real_torc import server_command, serving
from tests.rigs.workflow_reports import Sample, sample_report
from torc_watch.app.report import workflow_report
from torc_watch.config.settings import load_settings
from torc_watch.render.report_page.page import report_page
from torc_watch.sandbox.server import ServerSettings
from torc_watch.torc.client import TorcClient
from torc_watch.torc.transport import Connection, Transport

JOBS = 10_000
_SAMPLE = Sample(jobs=JOBS, nodes=60, kinds=30, runs=4, left=40)
_NAME = f"report, {JOBS:,} jobs"
_THEIRS = (
    ("workflows", "check-resources", "--include-failed"),
    ("results", "list", "--limit", "100000"),
    ("jobs", "list", "--limit", "100000"),
)


async def measure() -> dict[str, float]:
    """With the real Torc's server and commands, where they are installed."""
    values = _rendering()
    torc = installed_torc()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        if torc is None:
            async with serve_on_loopback(ServerSettings(directory=directory / "server")) as url:
                return values | await _commands(url, directory, ())
        with serving(server_command(torc.server, directory), directory / "server.log") as url:
            return values | await _commands(url, directory, (str(torc.client), "--url", url))


def _rendering() -> dict[str, float]:
    """Of four runs on sixty nodes; the first page also imports the plotting library."""
    report = sample_report(_SAMPLE)
    values, page = {}, ""
    for which in ("first", "next"):
        began = time.perf_counter()
        page = report_page(report)
        values[f"{_NAME}: rendering, {which} page, s"] = time.perf_counter() - began
    if "<svg" not in page:
        sys.exit("Without matplotlib this measures no pictures: pip install 'torc-watch[report]'")
    return values | {f"{_NAME}: size, KiB": len(page.encode()) / 1024}


async def _commands(url: str, directory: Path, torc: Sequence[str]) -> dict[str, float]:
    os.environ["TORC_WATCHD_HOME"] = str(directory / "home")
    async with Transport(Connection(url=url)) as transport:
        client = await TorcClient.connect(transport)
        workflow_id = await failed_workflow(client, JOBS)
    began = time.perf_counter()
    await workflow_report(workflow_id, url, load_settings())
    values = {f"{_NAME}: fetching, diagnosing 500 failures, s": time.perf_counter() - began}
    ours = (sys.executable, "-m", "torc_watch", "report", str(workflow_id), "--url", url)
    values[f"{_NAME}: whole command, s"] = await _seconds(ours, directory)
    for words in _THEIRS if torc else ():
        command = (*torc, *words[:2], str(workflow_id), *words[2:])
        took = await _seconds(command, directory)
        values[f"{JOBS:,} jobs: torc {' '.join(words[:2])}, s"] = took
    return values


async def _seconds(command: Sequence[str], directory: Path) -> float:
    began = time.perf_counter()
    await anyio.run_process(command, cwd=directory, stdin=subprocess.DEVNULL)
    return time.perf_counter() - began
