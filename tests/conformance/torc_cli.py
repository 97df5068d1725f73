"""Torc's own command line, of the release with a server's API."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

Ended = subprocess.CompletedProcess[str]
RELEASES = {"0.12": "0.12.2", "1.0": "1.0.0"}
# Commands of 0.12 that have another name in 1.0.
MOVED = {
    ("workflows", "create"): ("create",),
    ("workflows", "status"): ("status",),
    ("workflows", "cancel"): ("cancel", "--no-prompts"),
    ("workflows", "delete"): ("delete",),
}
TIMEOUT = 30.0  # seconds for a runner's work
# Enough CPUs to run all jobs at once on any machine.
RUN = ("--poll-interval", "0.1", "--num-cpus", "16", "--memory-gb", "4", "--output-dir", "output")


@dataclass(frozen=True, slots=True)
class Cli:
    """``torc`` in its own folder, with the server in its environment."""

    program: Path
    environment: dict[str, str]
    directory: Path
    api_version: str

    def arguments(self, *words: str | int, options: Sequence[str] = ()) -> list[str]:
        texts = tuple(map(str, words))
        if self.api_version == "1.0" and texts[:2] in MOVED:
            texts = (*MOVED[texts[0], texts[1]], *texts[2:])
        return [str(self.program), *options, *texts]

    def run(self, *words: str | int, options: Sequence[str] = ()) -> Ended:
        command = self.arguments(*words, options=options)
        return subprocess.run(
            command,
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def output(self, *words: str | int) -> str:
        ended = self.run(*words)
        assert ended.returncode == 0, ended.stderr + ended.stdout
        return ended.stdout

    def ask(self, *words: str | int) -> Any:
        ended = self.run(*words, options=["--format", "json"])
        assert ended.returncode == 0, ended.stderr + ended.stdout
        return json.loads(ended.stdout)

    def listed(self, *words: str | int) -> list[Any]:
        """The only list in the output; its key depends on the release and the command."""
        (items,) = (value for value in self.ask(*words).values() if isinstance(value, list))
        return list(items)

    def create(self, text: str, name: str = "spec.yaml") -> int:
        (self.directory / name).write_text(text)
        return int(self.ask("workflows", "create", name)["workflow_id"])

    def initialize(self, workflow_id: int) -> None:
        """Directly on the server: Torc 1.0's command may wait ten seconds for a missed event."""
        url = f"{self.environment['TORC_API_URL']}/workflows/{workflow_id}/initialize_jobs"
        assert httpx.post(url, timeout=TIMEOUT, trust_env=False).status_code == 200

    def statuses(self, workflow_id: int) -> dict[str, str]:
        return {job["name"]: job["status"] for job in self.listed("jobs", "list", workflow_id)}

    def wait_for(self, workflow_id: int, expected: dict[str, str]) -> None:
        """Poll until the jobs have these statuses."""
        deadline = time.monotonic() + TIMEOUT
        while (found := self.statuses(workflow_id)) != expected:
            assert time.monotonic() < deadline, found

    @contextmanager
    def in_background(self, *words: str | int) -> Iterator[subprocess.Popen[str]]:
        """Run a command in the background; kills it and its processes at the end."""
        with subprocess.Popen(
            self.arguments(*words),
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def attempts_of(cli: Cli, workflow_id: int) -> set[tuple[str, int, int, int]]:
    """Job name, run, attempt and return code of every result."""
    jobs = {job["id"]: job["name"] for job in cli.listed("jobs", "list", workflow_id)}
    results = cli.listed("results", "list", workflow_id, "--all-runs")
    shown = ("run_id", "attempt_id", "return_code")
    return {(jobs[one["job_id"]], *(one[name] for name in shown)) for one in results}
