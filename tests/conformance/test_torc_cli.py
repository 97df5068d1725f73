"""Torc's own command line and runner, of the release with the server's API."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.conformance.conftest import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

EXAMPLES = Path(__file__).parents[2] / "examples"
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

KDL = """
name "steps"
file "data" path="data.txt"
job "first" { command "echo 1 > data.txt"; output_file "data"; }
job "second" { command "cat data.txt"; input_file "data"; }
"""
WORK = """
name: work
files:
  - {name: made, path: made.txt}
  - {name: forgotten, path: forgotten.txt}
user_data:
  - {name: given, data: {x: 1}}
resource_requirements:
  - {name: small, num_cpus: 1, memory: 100m, runtime: PT1M}
jobs:
  - {name: makes, command: echo hi > made.txt, output_files: [made], resource_requirements: small}
  - {name: uses, command: cat made.txt, input_files: [made], input_user_data: [given]}
  - {name: forgets, command: "true", output_files: [forgotten]}
  - {name: misses, command: cat forgotten.txt, input_files: [forgotten]}
  - {name: fails, command: exit 3}
  - {name: waits, command: "true", depends_on: [fails]}
  - {name: runs anyway, command: "true", depends_on: [fails], cancel_on_blocking_job_failure: false}
actions:
  - {trigger_type: on_workflow_start, action_type: run_commands, commands: [echo x >> started]}
  - {trigger_type: on_jobs_complete, jobs: [makes], action_type: run_commands,
     commands: [echo x >> made]}
  - {trigger_type: on_workflow_complete, action_type: run_commands, commands: [echo x >> over]}
"""
FIRST_RUN = {
    "makes": "completed",
    "uses": "completed",
    "forgets": "failed",
    "misses": "canceled",
    "fails": "failed",
    "waits": "canceled",
    "runs anyway": "completed",
}


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


@pytest.fixture
def cli(server: "Server", torc_program: Callable[[str, str], Path], tmp_path: Path) -> Cli:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("TORC_")}
    environment = kept | {"TORC_API_URL": server.url, "HOME": str(tmp_path), "USER": "tester"}
    program = torc_program(RELEASES[server.api_version], "torc")
    return Cli(program, environment, tmp_path, server.api_version)


@pytest.mark.parametrize(
    ("example", "jobs", "ready"),
    [("tutorial.yaml", 100, 10), ("mixed.yaml", 17, 4), ("diamond.json5", 4, 1)],
)
def test_torc_accepts_our_examples(cli: Cli, example: str, jobs: int, ready: int) -> None:
    workflow_id = cli.create((EXAMPLES / example).read_text(), example)
    assert set(cli.statuses(workflow_id).values()) == {"uninitialized"}
    cli.initialize(workflow_id)
    statuses = list(cli.statuses(workflow_id).values())
    assert (len(statuses), statuses.count("ready")) == (jobs, ready)
    assert statuses.count("blocked") == jobs - ready


def test_job_list_with_page_order_and_status(cli: Cli) -> None:
    workflow_id = cli.create(WORK)
    cli.initialize(workflow_id)
    page = ("--limit", 2, "--offset", 1, "--sort-by", "name", "--reverse-sort")
    assert names(cli.listed("jobs", "list", workflow_id, *page)) == ["uses", "runs anyway"]
    assert names(cli.listed("jobs", "list", workflow_id, "--status", "blocked")) == [
        "uses",
        "misses",
        "waits",
        "runs anyway",
    ]
    assert "forgets" in cli.output("jobs", "list", workflow_id)
    job = cli.listed("jobs", "list", workflow_id)[0]
    assert cli.ask("jobs", "get", job["id"])["name"] == "makes"


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["workflows", "get", 10**9], "404"),
        (["workflows", "delete", 10**9, "--no-prompts"], "404"),
        (["jobs", "update", 10**9, "--name", "n"], "404"),
        (["resource-requirements", "create", "ID", "--name", "n", "--memory", "1gb"], "422"),
    ],
)
def test_refused_requests(cli: Cli, words: Sequence[str | int], status: str) -> None:
    workflow_id = cli.ask("workflows", "new", "--name", "empty")["id"]
    ended = cli.run(*(workflow_id if word == "ID" else word for word in words))
    assert (ended.returncode, status in ended.stderr) == (1, True), ended.stderr


def test_run_with_failures_and_their_reset(cli: Cli) -> None:
    workflow_id = cli.create(WORK)
    cli.run("run", workflow_id, *RUN)
    assert cli.statuses(workflow_id) == FIRST_RUN
    assert attempts_of(cli, workflow_id) == {
        ("makes", 1, 1, 0),
        ("uses", 1, 1, 0),
        ("forgets", 1, 1, 1),
        ("fails", 1, 1, 3),
        ("runs anyway", 1, 1, 0),
    }
    (node,) = cli.listed("compute-nodes", "list", workflow_id)
    assert (node["is_active"], node["num_cpus"]) == (False, 16)
    assert words_in(cli, "started", "made", "over") == [1, 1, 1]

    cli.output("workflows", "reset-status", workflow_id, "--failed-only", "--no-prompts")
    again = ("forgets", "misses", "fails", "waits", "runs anyway")
    assert cli.statuses(workflow_id) == FIRST_RUN | dict.fromkeys(again, "uninitialized")


def test_canceled_run(cli: Cli) -> None:
    workflow_id = cli.create(sleeping())
    with cli.in_background("run", workflow_id, *RUN) as runner:
        cli.wait_for(workflow_id, {"a": "running", "b": "running", "c": "blocked"})
        cli.output("workflows", "cancel", workflow_id)
        runner.wait(TIMEOUT)
    assert cli.statuses(workflow_id) == {"a": "canceled", "b": "canceled", "c": "blocked"}
    assert cli.ask("workflows", "is-complete", workflow_id)["is_canceled"]
    assert cli.listed("results", "list", workflow_id) == []


def test_killed_runner_leaves_its_jobs_running(cli: Cli) -> None:
    workflow_id = cli.create(sleeping())
    running = {"a": "running", "b": "running", "c": "blocked"}
    with cli.in_background("run", workflow_id, *RUN):
        cli.wait_for(workflow_id, running)
    assert cli.statuses(workflow_id) == running
    assert cli.listed("results", "list", workflow_id) == []
    (node,) = cli.listed("compute-nodes", "list", workflow_id)
    assert (node["is_active"], "duration_seconds" in node) == (True, False)
    assert cli.run("workflows", "reset-status", workflow_id, "--no-prompts").returncode == 1


def test_events_are_shown_live(cli: Cli) -> None:
    workflow_id = cli.create(KDL, "spec.kdl")
    with cli.in_background("events", "monitor", workflow_id) as monitor:
        assert monitor.stdout is not None
        lines = iter(monitor.stdout.readline, "")
        assert any("Connected" in line for line in lines)
        cli.run("run", workflow_id, *RUN)
        line_of_job = next((line for line in lines if "job_completed" in line), "nothing")
    assert '"job_name":"first"' in line_of_job


def sleeping() -> str:
    jobs = ["{name: a, command: sleep 30}", "{name: b, command: sleep 30}"]
    jobs.append("{name: c, command: sleep 30, depends_on: [a]}")
    return "name: sleeping\njobs:\n" + "".join(f"  - {job}\n" for job in jobs)


def names(items: Sequence[Any]) -> list[str]:
    return [item["name"] for item in items]


def attempts_of(cli: Cli, workflow_id: int) -> set[tuple[str, int, int, int]]:
    """Job name, run, attempt and return code of every result."""
    jobs = {job["id"]: job["name"] for job in cli.listed("jobs", "list", workflow_id)}
    results = cli.listed("results", "list", workflow_id, "--all-runs")
    shown = ("run_id", "attempt_id", "return_code")
    return {(jobs[one["job_id"]], *(one[name] for name in shown)) for one in results}


def words_in(cli: Cli, *files: str) -> list[int]:
    """How many words the actions wrote to each file."""
    return [len((cli.directory / "output" / name).read_text().split()) for name in files]
