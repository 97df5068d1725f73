"""A real Torc server with an empty database, and a real ``torc run`` as its worker."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.rigs.http_client import send_request
from tests.rigs.real_torc import clean_environment, home_of, server_command, serving

POLL_INTERVAL = 0.2  # seconds between the runner's polls
TIMEOUT = 90.0  # seconds; a runner retries 30 seconds after it could not reach its server


class Site:
    """Use ``open_site``. The runner's workflow has id 1."""

    def __init__(self, version: str, directory: Path) -> None:
        self.version = version
        self.url = ""
        self._programs = home_of(version) / "bin"
        self._directory = directory
        self._server = ExitStack()
        self._runner: subprocess.Popen[bytes] | None = None
        self._names: list[str] = []
        self._environment = clean_environment() | {"USER": "ada"}

    def start_server(self) -> None:
        """On a free port at first, later on the same one."""
        command = server_command(
            self._programs / "torc-server",
            self._directory,
            port=urlsplit(self.url).port or 0,
            unblock_interval=0.1,
        )
        self.url = self._server.enter_context(serving(command, self._directory / "server.log"))

    def stop_server(self) -> None:
        self._server.close()

    def start_runner(self, spec: Mapping[str, Any], *options: str) -> None:
        """``torc run`` with room for 64 jobs at once."""
        self._names = [job["name"] for job in spec["jobs"]]
        path = self._directory / "workflow.json"
        path.write_text(json.dumps(spec))
        command = [*self._torc, "run", path, "--output-dir", "out", "--num-cpus", "64"]
        command += ["--memory-gb", "64", "--poll-interval", str(POLL_INTERVAL), *options]
        if self.version != "0.12.2":  # the others increase the poll interval
            command += ["--claim-backoff-max-secs", str(POLL_INTERVAL)]
        with (self._directory / "runner.log").open("wb") as log:
            self._runner = subprocess.Popen(
                command, cwd=self._directory, env=self._environment, stdout=log, stderr=log
            )

    @property
    def _torc(self) -> list[str | Path]:
        return [self._programs / "torc", "--url", self.url]

    def torc(self, *arguments: str) -> None:
        """Runs Torc's own command line to its end."""
        command = [*self._torc, *arguments]
        subprocess.run(
            command, cwd=self._directory, env=self._environment, check=True, capture_output=True
        )

    def signal_runner(self, name: str) -> None:
        if self._runner is not None:
            self._runner.send_signal(signal.Signals[name])

    def wait_for_runner(self) -> None:
        if self._runner is not None:
            self._runner.wait(TIMEOUT)
        if not self._has_workflow():
            raise RuntimeError(self._log())

    def ask(self, method: str, path: str) -> Any:
        return send_request(method, self.url + path)

    def wait_for_jobs(self) -> None:
        """Waits until all jobs without dependencies run and have set their traps."""
        self._wait_until(self._all_jobs_run)

    def _all_jobs_run(self) -> bool:
        jobs = self.ask("GET", "/jobs?workflow_id=1")["items"] if self._has_workflow() else []
        statuses = {job["status"] for job in jobs}
        traps = [job["name"] for job in jobs if "trap" in job["command"]]
        ready = all((self._directory / f"{name}.ready").exists() for name in traps)
        return len(jobs) == len(self._names) and statuses <= {"running", "blocked"} and ready

    def _has_workflow(self) -> bool:
        return bool(self.ask("GET", "/workflows")["items"])

    def _log(self) -> str:
        return f"{self.version}: {(self._directory / 'runner.log').read_text()}"

    def touch(self, name: str) -> None:
        (self._directory / name).touch()

    def let_runner_poll(self) -> None:
        """Waits until the runner has certainly polled its jobs and its server."""
        time.sleep(10 * POLL_INTERVAL)

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(self._log())
            time.sleep(0.05)

    def processes(self) -> dict[int, str]:
        """The running processes of this site's jobs: process id to job name."""
        mark = f"TORC_API_URL={self.url}".encode()
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                variables = (folder / "environ").read_bytes().split(b"\0")
            except OSError:  # gone, or not ours
                continue
            if mark in variables:
                name = next(each for each in variables if each.startswith(b"TORC_JOB_NAME="))
                found[int(folder.name)] = name.partition(b"=")[2].decode()
        return found

    def close(self) -> None:
        if self._runner is not None:
            self._runner.kill()
            self._runner.wait()
        self.stop_server()
        for process in self.processes():
            with suppress(ProcessLookupError):  # it has ended
                os.kill(process, signal.SIGKILL)


@contextmanager
def open_site(version: str, directory: Path) -> Iterator[Site]:
    site = Site(version, directory)
    try:
        site.start_server()
        yield site
    finally:
        site.close()
