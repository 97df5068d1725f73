"""Torc's own recovery and ours, run in the same state of the same server.

A test creates the state through the server's API, with a worker that it controls. The folder
`tests/peers/slurm` stands in for Slurm. Everything else is the real Torc, in the versions that
`scripts/setup-torc` builds, and our command line.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.commands import TIMEOUT, Command, run, start
from tests.rigs.http_client import send_request
from tests.rigs.real_torc import VERSIONS, clean_environment, server_command, serving
from torc_watch.host.processes import end_all, processes_with_environment

_SLURM = Path(__file__).parent / "slurm"
_NODE = {"num_cpus": 64, "memory_gb": 64.0, "num_gpus": 0, "num_nodes": 1}


@dataclass(frozen=True, slots=True)
class Peer:
    """A version of the real Torc, and a server of it."""

    version: str
    programs: Path
    url: str

    @property
    def is_old(self) -> bool:
        return self.version == "0.12.2"


@dataclass(slots=True)
class Site:
    """A folder in which commands of both run, and its simulated Slurm cluster."""

    peer: Peer
    folder: Path
    started: list[Command] = field(default_factory=list)

    @property
    def slurm(self) -> Path:
        return self.folder / "slurm"

    def torc(self, *words: str | int, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a command of the real Torc to its end."""
        return self._run(str(self.peer.programs / "torc"), *map(str, words), **variables)

    def ours(self, *words: str | int) -> subprocess.CompletedProcess[str]:
        """Runs a command of torc-watchd to its end."""
        return self._run(sys.executable, "-m", "torc_watch", *map(str, words))

    def start_torc(self, *words: str | int, **variables: str) -> Command:
        return self._start(str(self.peer.programs / "torc"), *map(str, words), **variables)

    def start_ours(self, *words: str | int) -> Command:
        return self._start(sys.executable, "-m", "torc_watch", *map(str, words))

    def plan(self, workflow_id: int, *options: str) -> dict[str, Any]:
        """The plan of our recovery."""
        planned: dict[str, Any] = json.loads(
            self.ours("plan", workflow_id, "--json", *options).stdout
        )
        return planned

    def dry_run(self, workflow_id: int, *options: str) -> dict[str, Any]:
        """The report of a dry run of Torc's recovery."""
        command = ("-f", "json", "recover", str(workflow_id), "--dry-run", *options)
        report: dict[str, Any] = json.loads(self.torc(*command).stdout)
        return report

    def recover(self, workflow_id: int, *options: str) -> subprocess.CompletedProcess[str]:
        """One round of Torc's recovery, without a dialog."""
        quiet = () if self.peer.is_old else ("--no-prompts",)
        return self.torc("recover", workflow_id, *quiet, *options)

    def calls(self, program: str) -> list[str]:
        """The command lines with which a program of Slurm was called."""
        lines = (self.slurm / "calls").read_text().splitlines()
        return [line for line in lines if line.split()[0] == program]

    def slurm_job(self, number: int, state: str) -> None:
        """Adds a Slurm job in that state, without a process."""
        (self.slurm / str(number)).mkdir(exist_ok=True)
        (self.slurm / str(number) / "state").write_text(f"{state}\n")

    def request(self, method: str, path: str, body: object = None) -> Any:
        return send_request(method, self.peer.url + path, body)

    def end_all_processes(self) -> None:
        """Kills every process that was started here, and their child processes."""
        marker = f"STAND_IN_FOR_SLURM={self.slurm}".encode()
        assert end_all(partial(processes_with_environment, marker), patience=TIMEOUT) is not None
        for command in self.started:
            with command.process:  # closes its pipe and waits
                pass

    def _run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return run(words, self.folder, self._environment() | variables)

    def _start(self, *words: str, **variables: str) -> Command:
        self.started.append(start(words, self.folder, self._environment() | variables))
        return self.started[-1]

    def _environment(self) -> dict[str, str]:
        return clean_environment() | {
            "PATH": f"{_SLURM}:{self.peer.programs}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "USER": "tester",
            "TORC_API_URL": self.peer.url,
            "TORC_WATCHD_HOME": str(self.folder / "home"),
            "TORC_WATCHD_SCHEDULER": "local",  # the stand-in knows only what Torc asks of Slurm
            "TORC_WATCHD_SLURM_QUERY_INTERVAL": "1",
            "STAND_IN_FOR_SLURM": str(self.slurm),
            "STAND_IN_FOR_SLURM_CLUSTER": "stand-in",
            "STAND_IN_FOR_SLURM_DELAY": "0",
            "STAND_IN_FOR_SLURM_CPUS": "8",
        }


@dataclass(slots=True)
class Workflow:
    """A workflow of Slurm jobs, and a worker that the test controls."""

    site: Site
    id: int
    requirements: dict[str, int] = field(default_factory=dict)
    jobs: dict[str, int] = field(default_factory=dict)
    waits: dict[str, str] = field(default_factory=dict)

    def require(self, name: str, memory: str = "1g", runtime: str = "PT10M") -> None:
        """Creates resource requirements that later jobs can use."""
        row = {"workflow_id": self.id, "name": name, "num_cpus": 1, "num_gpus": 0, "num_nodes": 1}
        row |= {"memory": memory, "runtime": runtime}
        self.requirements[name] = self.site.request("POST", "/resource_requirements", row)["id"]

    def add(
        self, name: str, requirements: str = "small", *, command: str = "true", after: str = ""
    ) -> None:
        if requirements not in self.requirements:
            self.require(requirements)
        job: dict[str, Any] = {"workflow_id": self.id, "name": name, "command": command}
        job |= {"resource_requirements_id": self.requirements[requirements]}
        job |= {"depends_on_job_ids": [self.jobs[after]] if after else []}
        self.jobs[name] = self.site.request("POST", "/jobs", job)["id"]
        if after:
            self.waits[name] = after

    def start(self) -> None:
        """Initializes the jobs: those without dependencies wait_for_status ready."""
        self.site.request("POST", f"/workflows/{self.id}/initialize_jobs")

    def allocate(self, number: int, status: str) -> None:
        """Adds the record of an allocation that is Slurm's job of that number."""
        row: dict[str, Any] = {
            "workflow_id": self.id,
            "scheduler_id": number,
            "scheduler_config_id": 1,
        }
        row |= {"scheduler_type": "slurm", "status": status}
        self.site.request("POST", "/scheduled_compute_nodes", row)

    def add_action(self) -> None:
        """Adds an action that schedules nodes once every job is ready."""
        (scheduler,) = self.rows("slurm_schedulers")
        action = {"workflow_id": self.id, "trigger_type": "on_jobs_ready"}
        action |= {"action_type": "schedule_nodes", "job_ids": list(self.jobs.values())}
        config = {"scheduler_type": "slurm", "scheduler_id": scheduler["id"], "num_allocations": 1}
        self.site.request(
            "POST", f"/workflows/{self.id}/actions", action | {"action_config": config}
        )

    def executed_actions(self) -> list[bool]:
        actions = self.site.request("GET", f"/workflows/{self.id}/actions")
        return [action["executed"] for action in actions]

    def close_allocations(self) -> None:
        for row in self.rows("scheduled_compute_nodes"):
            path = f"/scheduled_compute_nodes/{row['id']}"
            self.site.request("PUT", path, row | {"status": "complete"})

    def claim(self) -> None:
        """Claims every ready job: its status becomes pending."""
        path = f"/workflows/{self.id}/claim_jobs_based_on_resources/100"
        self.site.request("POST", path, _NODE)

    def run(self, *names: str) -> None:
        """Starts claimed jobs."""
        for name in names:
            path = f"/jobs/{self.jobs[name]}/start_job/{self.run_id}/{self.node}"
            self.site.request("PUT", path)

    def end(
        self,
        name: str,
        return_code: int = 0,
        *,
        minutes: float = 1,
        terminated: bool = False,
        **peaks: float,
    ) -> None:
        """Ends a running job; ``peaks`` are fields of Torc's result."""
        status = "terminated" if terminated else "failed" if return_code else "completed"
        result: dict[str, Any] = {"job_id": self.jobs[name], "workflow_id": self.id}
        result |= {"run_id": self.run_id, "attempt_id": 1, "compute_node_id": self.node}
        result |= {"return_code": return_code, "status": status, "exec_time_minutes": minutes}
        result |= {"completion_time": "2026-01-01T00:00:00Z", **peaks}
        self.site.request(
            "POST", f"/jobs/{self.jobs[name]}/complete_job/{status}/{self.run_id}", result
        )

    def fail(self, name: str, return_code: int, **how: Any) -> None:
        """Runs a ready job, which fails."""
        self.claim()
        self.run(name)
        self.end(name, return_code, **how)

    def wait_for_status(self, name: str, status: str) -> None:
        """Waits until the server itself changes a job's status to this one."""
        deadline = time.monotonic() + TIMEOUT
        while self.statuses[name] != status:
            assert time.monotonic() < deadline, self.statuses
            time.sleep(0.02)  # the server needs the CPU, too

    def finish(self) -> None:
        """Runs ready jobs to their end, and then their dependents."""
        while "ready" in self.statuses.values():
            ready = [name for name, status in self.statuses.items() if status == "ready"]
            self.claim()
            self.run(*ready)
            for name in ready:
                self.end(name)
                for waiting, blocker in self.waits.items():
                    if blocker == name:
                        self.wait_for_status(waiting, "ready")

    @property
    def node(self) -> int:
        """The compute node of the worker, which has deregistered."""
        nodes = self.rows("compute_nodes")
        return int(nodes[0]["id"]) if nodes else self._new_node()

    @property
    def run_id(self) -> int:
        place = "/status" if self.site.peer.is_old else ""
        return int(self.site.request("GET", f"/workflows/{self.id}{place}")["run_id"])

    @property
    def statuses(self) -> dict[str, str]:
        return {job["name"]: job["status"] for job in self.rows("jobs")}

    @property
    def requested(self) -> dict[str, tuple[str, str]]:
        """Memory and run time that each job requests."""
        rows = {row["id"]: row for row in self.rows("resource_requirements")}
        of = {job["name"]: rows[job["resource_requirements_id"]] for job in self.rows("jobs")}
        return {name: (row["memory"], row["runtime"]) for name, row in of.items()}

    def rows(self, table: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.site.request("GET", f"/{table}?workflow_id={self.id}")[
            "items"
        ]
        return items

    def _new_node(self) -> int:
        node = {"workflow_id": self.id, "hostname": "h", "pid": 1, "start_time": "now", **_NODE}
        node |= {"compute_node_type": "slurm", "is_active": False, "duration_seconds": 1.0}
        return int(self.site.request("POST", "/compute_nodes", node)["id"])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", params=VERSIONS)
def peer(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    torc_program: Callable[[str, str], Path],
) -> Iterator[Peer]:
    programs = torc_program(request.param, "torc-server").parent
    directory = tmp_path_factory.mktemp(f"torc-{request.param}")
    command = server_command(programs / "torc-server", directory, unblock_interval=0.05)
    with serving(command, directory / "server.log") as url:
        yield Peer(request.param, programs, url)


@pytest.fixture
def site(peer: Peer, tmp_path: Path) -> Iterator[Site]:
    site = Site(peer, tmp_path)
    site.slurm.mkdir()
    (site.slurm / "calls").touch()
    shutil.copy(_SLURM / "torc.toml", tmp_path)
    yield site
    site.end_all_processes()


@pytest.fixture
def make_workflow(site: Site) -> Callable[[], Workflow]:
    """Makes workflows without jobs, with a scheduler for their allocations."""

    def make() -> Workflow:
        created = site.request("POST", "/workflows", {"name": "w", "user": "tester"})
        scheduler = {"workflow_id": created["id"], "name": "work", "account": "a", "nodes": 1}
        site.request("POST", "/slurm_schedulers", scheduler | {"walltime": "01:00:00"})
        return Workflow(site, created["id"])

    return make


@pytest.fixture
def workflow(make_workflow: Callable[[], Workflow]) -> Workflow:
    return make_workflow()
