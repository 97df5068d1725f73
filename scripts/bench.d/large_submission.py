"""A workflow of two stages with a barrier: `torc-watchd submit`, and `torc create` with `init`."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anyio import to_thread
from real_torc import RealTorc, installed_torc

from tests.rigs.real_torc import clean_environment, server_command, serving

_TIMEOUT = "5"  # seconds for a request of ours: far less than the server needs in all


async def measure(jobs: int) -> dict[str, float]:
    """Seconds of each side, twice and in turn; nothing without a real Torc."""
    torc = installed_torc()
    if torc is None:
        print("There is no real Torc (scripts/setup-torc): nothing is submitted.", flush=True)
        return {}
    print(f"The Torc in {torc.home} was built with cargo's profile {torc.profile}.", flush=True)
    return await to_thread.run_sync(_measure, torc, jobs)


def _measure(torc: RealTorc, jobs: int) -> dict[str, float]:
    values: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        specification = directory / "stages.json"
        specification.write_text(json.dumps(two_stages(jobs)))
        with serving(server_command(torc.server, directory), directory / "server.log") as url:
            ours = [sys.executable, "-m", "torc_watch", "submit", "--allocations", "0"]
            theirs = [str(torc.client), "--url", url, "create", str(specification)]
            took = {"torc-watchd submit": 0.0, "torc create": 0.0, "torc workflows init": 0.0}
            for _ in range(2):
                took["torc-watchd submit"] += _seconds(
                    [*ours, "--url", url, str(specification)], directory
                )[0]
                seconds, output = _seconds(theirs, directory)
                took["torc create"] += seconds
                init = [str(torc.client), "--url", url, "workflows", "init", "--no-prompts"]
                took["torc workflows init"] += _seconds([*init, _id_in(output)], directory)[0]
    for command, seconds in took.items():
        values[f"limits: {jobs:,} jobs in two stages: {command}, s"] = seconds / 2
    both = took["torc create"] + took["torc workflows init"]
    values[f"limits: {jobs:,} jobs in two stages: ratio"] = took["torc-watchd submit"] / both
    return values


def two_stages(jobs: int) -> dict[str, Any]:
    half = (jobs - 1) // 2
    first = {"name": "first_{i}", "command": "true", "parameters": {"i": f"1:{half}"}}
    second = {"name": "second_{i}", "command": "true", "parameters": {"i": f"1:{jobs - 1 - half}"}}
    return {
        "name": "stages",
        "jobs": [
            first,
            {"name": "barrier", "command": "true", "depends_on_regexes": ["^first_.*$"]},
            second | {"depends_on": ["barrier"]},
        ],
    }


def _seconds(command: Sequence[str], directory: Path) -> tuple[float, str]:
    """Raises CalledProcessError."""
    user = os.environ.get("USER", "bench")
    environment = clean_environment() | {
        "TORC_TIMEOUT": _TIMEOUT,
        "TORC_WATCHD_HOME": str(directory),
        "USER": user,
    }
    began = time.perf_counter()
    ended = subprocess.run(
        command, env=environment, cwd=directory, stdout=subprocess.PIPE, text=True, check=True
    )
    took = time.perf_counter() - began
    print(f"{Path(command[0]).name} {' '.join(command[1:4])} ...: {took:.1f} s", flush=True)
    return took, ended.stdout


def _id_in(output: str) -> str:
    found = re.search(r"ID: (\d+)|(\d+)", output)
    if found is None:
        raise RuntimeError(f"torc create printed no ID: {output!r}")
    return found[1] or found[2]
