"""The real Torc 1.0 on a real Slurm cluster: its server, its command line, its runner.

A workflow is created from a specification, submitted by `torc submit`, and run by
torc-slurm-job-runner in allocations that Torc's own script starts. Nothing of ours takes part:
tests add the watch or the daemon, and read what Torc's server says.
"""

import getpass
import json
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.rigs.http_client import send_request
from tests.rigs.real_torc import clean_environment, home_of, server_command, serving
from tests.rigs.slurm_cluster import SlurmCluster, wait_until

VERSION = "1.0.0"
PROGRAMS = ("torc", "torc-server", "torc-slurm-job-runner")
ENDED = frozenset({"completed", "failed", "canceled", "terminated", "disabled"})

Row = dict[str, Any]
Mode = Literal["direct", "slurm"]  # how the runner starts jobs: as processes, or as steps

_UNBLOCK_INTERVAL = 1  # seconds; Torc's own 30 only make tests wait
_TIMEOUT = 120.0  # seconds; runners poll, and sacct is late


def missing_program() -> str | None:
    """Why the real Torc cannot be run on this machine, or None."""
    programs = home_of(VERSION) / "bin"
    missing = [name for name in PROGRAMS if not (programs / name).exists()]
    return (
        f"missing in {programs}: {', '.join(missing)}; run scripts/setup-torc" if missing else None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TorcJob:
    """A job of a specification. ``memory`` and ``runtime`` are in Torc's notation."""

    name: str
    command: str
    num_cpus: int = 1
    memory: str = "100m"
    runtime: str = "PT1M"
    after: Sequence[str] = ()

    @property
    def requirements(self) -> Row:
        shape = {"num_cpus": self.num_cpus, "memory": self.memory, "runtime": self.runtime}
        name = f"cpus-{self.num_cpus}-memory-{self.memory}-runtime-{self.runtime}"
        return {"name": name, "num_gpus": 0, "num_nodes": 1, **shape}

    @property
    def row(self) -> Row:
        words = {"name": self.name, "command": self.command, "depends_on": list(self.after)}
        return words | {"resource_requirements": self.requirements["name"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class TorcAllocations:
    """A scheduler of a specification, and how many allocations its action submits.

    ``extra`` is a line of the script; Torc has no other way to ask Slurm for more than one CPU.
    """

    number: int = 1
    walltime: str = "00:04:00"
    mem: str = "2000M"
    extra: str = "--cpus-per-task=4"
    nodes: int = 1
    account: str = "science"
    partition: str | None = None
    qos: str | None = None

    @property
    def row(self) -> Row:
        place = {"partition": self.partition, "qos": self.qos}
        row = {"name": "allocations", "account": self.account, "nodes": self.nodes}
        row |= {"walltime": self.walltime, "mem": self.mem, "extra": self.extra}
        return row | {key: text for key, text in place.items() if text is not None}

    @property
    def action(self) -> Row:
        what = {"trigger_type": "on_workflow_start", "action_type": "schedule_nodes"}
        which = {"scheduler": self.row["name"], "scheduler_type": "slurm"}
        return what | which | {"num_allocations": self.number}


def specification(
    jobs: Sequence[TorcJob],
    allocations: TorcAllocations,
    *,
    mode: Mode = "direct",
    execution: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Row:
    """``execution`` adds to Torc's ``execution_config``, ``settings`` to the workflow's fields.

    Runners wait 5 seconds for new jobs, not 90; less than a poll would lose those made ready last.
    """
    requirements = {job.requirements["name"]: job.requirements for job in jobs}
    return {
        "name": "workflow",
        "resource_requirements": list(requirements.values()),
        "jobs": [job.row for job in jobs],
        "slurm_schedulers": [allocations.row],
        "actions": [allocations.action] if allocations.number else [],
        "execution_config": {"mode": mode, **(execution or {})},
        "compute_node_wait_for_new_jobs_seconds": 5,
        **settings,
    }


@dataclass(frozen=True, slots=True)
class TorcOnSlurm:
    """A Torc server at ``url``, beside ``cluster``. Commands run in ``folder``."""

    cluster: SlurmCluster
    url: str
    folder: Path
    programs: Path = home_of(VERSION) / "bin"

    @property
    def output_folder(self) -> Path:
        return self.folder / "output"

    @property
    def runner(self) -> Path:
        return self.programs / "torc-slurm-job-runner"

    @property
    def environment(self) -> dict[str, str]:
        """What a user of the cluster has: Slurm and Torc in the path, the server's URL."""
        cluster = self.cluster.environment
        return clean_environment() | {
            **cluster,
            "PATH": f"{self.programs}:{cluster['PATH']}",
            "HOME": str(self.folder),  # no configuration files of the user
            "USER": getpass.getuser(),  # the owner of the cluster
            "TORC_API_URL": self.url,
        }

    def torc(self, *words: str | int) -> str:
        """Runs a command of Torc's own command line and returns its output."""
        done = self.try_torc(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def try_torc(self, *words: str | int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.programs / "torc", *map(str, words)],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT,
        )

    def create(self, path: Path, *options: str) -> int:
        """Creates a workflow from a file and returns its ID."""
        created = json.loads(self.torc("-f", "json", "create", str(path), *options))
        return int(created["workflow_id"])

    def submit(self, workflow_id: int, *options: str, poll_interval: int = 1) -> None:
        """Fires the actions of a workflow. ``poll_interval``: of the runner, in seconds."""
        place = ("--output-dir", str(self.output_folder))
        pace = ("--poll-interval", str(poll_interval))
        self.torc("submit", workflow_id, *place, *pace, "--no-prompts", *options)

    def create_from(self, workflow: Mapping[str, Any], *options: str) -> int:
        """Creates a workflow from a ``specification`` and returns its ID."""
        path = self.folder / "workflow.yaml"
        path.write_text(json.dumps(workflow))  # which is YAML too
        return self.create(path, *options)

    def run(self, workflow: Mapping[str, Any], *options: str) -> int:
        """Creates and submits; returns the workflow's ID."""
        workflow_id = self.create_from(workflow)
        self.submit(workflow_id, *options)
        return workflow_id

    def ask(self, method: str, path: str, body: object = None) -> Any:
        return send_request(method, self.url + path, body)

    def rows(self, path: str, workflow_id: int, **filters: str | int) -> list[Row]:
        """The rows of a list that belong to a workflow, ``/jobs`` for example."""
        words = "".join(f"&{name}={value}" for name, value in filters.items())
        answer = self.ask("GET", f"{path}?workflow_id={workflow_id}{words}")
        rows: list[Row] = answer["items"]
        return rows

    def jobs(self, workflow_id: int) -> dict[str, Row]:
        return {row["name"]: row for row in self.rows("/jobs", workflow_id)}

    def statuses(self, workflow_id: int) -> dict[str, str]:
        return {name: row["status"] for name, row in self.jobs(workflow_id).items()}

    def results(self, workflow_id: int) -> list[tuple[str, int, str, int]]:
        """Name, run, status and return code of each ended job of all runs, sorted."""
        names = {row["id"]: name for name, row in self.jobs(workflow_id).items()}
        rows = self.rows("/results", workflow_id, all_runs="true")
        return sorted(
            (names[row["job_id"]], row["run_id"], row["status"], row["return_code"]) for row in rows
        )

    def allocations(self, workflow_id: int) -> dict[int, str]:
        """The status of each scheduled compute node, by the number of its Slurm job."""
        rows = self.rows("/scheduled_compute_nodes", workflow_id)
        return {row["scheduler_id"]: row["status"] for row in rows}

    def wait_for_statuses(
        self, workflow_id: int, *names: str, among: Collection[str] = ENDED
    ) -> dict[str, str]:
        """Waits until the named jobs, or all, have one of these statuses; returns all statuses."""

        def has_come() -> bool:
            found = self.statuses(workflow_id)
            return all(found[name] in among for name in names or found)

        self._wait(has_come, workflow_id, f"{' '.join(names) or 'all jobs'}: {', '.join(among)}")
        return self.statuses(workflow_id)

    def wait_for_allocations(self, workflow_id: int, *statuses: str) -> dict[int, str]:
        """Waits until there are allocations, all with one of these statuses."""

        def has_come() -> bool:
            found = set(self.allocations(workflow_id).values())
            return bool(found) and found <= set(statuses)

        self._wait(has_come, workflow_id, f"allocations: {', '.join(statuses)}")
        return self.allocations(workflow_id)

    def runner_logs(self) -> str:
        """What the runners said, and the allocations' scripts."""
        folder = self.output_folder
        logs = sorted([*folder.glob("job_runner_*.log"), *folder.glob("slurm_output_*")])
        return "\n".join(f"{path.name}:\n{path.read_text()}" for path in logs)

    def _wait(self, condition: Callable[[], bool], workflow_id: int, what: str) -> None:
        try:
            wait_until(condition, what, _TIMEOUT)
        except AssertionError as error:
            state = f"{self.statuses(workflow_id)} {self.allocations(workflow_id)}"
            queue = self.cluster.run("squeue", status=None)
            raise AssertionError(f"{error}\n{state}\n{queue}\n{self.runner_logs()}") from error


@contextmanager
def open_torc(cluster: SlurmCluster, folder: Path) -> Iterator[TorcOnSlurm]:
    """A Torc server whose database is in ``folder``. It ends at the end; jobs of Slurm do not."""
    program = home_of(VERSION) / "bin/torc-server"
    command = server_command(program, folder, unblock_interval=_UNBLOCK_INTERVAL)
    with serving(command, folder / "server.log") as url:
        yield TorcOnSlurm(cluster=cluster, url=url, folder=folder)
