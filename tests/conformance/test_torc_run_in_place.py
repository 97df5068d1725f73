"""Torc's own runner, whose jobs are retried in place while it runs others.

Job "long" ends when the test says so. Other jobs know their attempt from TORC_ATTEMPT_ID.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conformance.conftest import API_VERSIONS, Server, TorcProgram, running_server
from tests.conformance.torc_cli import RUN, TIMEOUT, Cli, attempts_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

newer_servers = pytest.mark.parametrize("server", ["embedded-1.0", "torc-1.0.0"], indirect=True)
real_servers = pytest.mark.parametrize("server", ["torc-0.12.2", "torc-1.0.0"], indirect=True)

# Seconds between checks for finished jobs. If it is much shorter, 0.12.2 overlooks some.
UNBLOCK_INTERVAL = 0.5
LONG = "  - {name: long, command: 'until [ -e go ]; do sleep 0.1; done'}\n"
BESIDE = f"""
name: beside
jobs:
{LONG}
  - {{name: fails, command: 'exit $((3 * (2 - TORC_ATTEMPT_ID)))'}}
  - {{name: behind, command: "true", depends_on: [fails]}}
"""
LAST = """
name: last
jobs:
  - {name: fails, command: 'exit $((3 * (2 - TORC_ATTEMPT_ID)))'}
actions:
  - {trigger_type: on_workflow_complete, action_type: run_commands, commands: [echo x >> over]}
"""
HANDLED = f"""
name: handled
failure_handlers:
  - {{name: handler, rules: [{{exit_codes: [7], max_retries: 3}}]}}
jobs:
{LONG}
  - {{name: handled, command: 'exit 7', failure_handler: handler}}
  - {{name: unhandled first, command: '[ $TORC_ATTEMPT_ID = 1 ] && exit 5; exit 7',
      failure_handler: handler}}
"""
HUNGRY = f"""
name: hungry
resource_monitor: {{enabled: true, granularity: summary, sample_interval_seconds: 1}}
resource_requirements:
  - {{name: small, num_cpus: 1, memory: 64m, runtime: PT1M}}
  - {{name: large, num_cpus: 1, memory: 512m, runtime: PT1M}}
jobs:
{LONG}
  - {{name: hungry, command: bash hungry.sh, resource_requirements: small}}
"""
# The program that needs the memory is a child of the job's shell: it ends when the test says so.
HUNGRY_SH = "python3 hungry.py\necho done\n"
HUNGRY_PY = """
import os, time
attempt = os.environ["TORC_ATTEMPT_ID"]
memory = bytearray(200 * 2**20)
while not os.path.exists("go" + attempt):
    open("alive" + attempt, "w").close()
    time.sleep(0.1)
"""


@pytest.fixture(scope="module", params=list(API_VERSIONS))
def server(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    torc_program: TorcProgram,
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp(request.param)
    interval = UNBLOCK_INTERVAL
    with running_server(torc_program, request.param, folder, unblock_interval=interval) as server:
        yield server


def test_same_runner_runs_the_retry_and_what_depends_on_it(cli: Cli) -> None:
    workflow_id = created(cli, BESIDE)
    with cli.in_background("run", workflow_id, *RUN) as runner:
        cli.wait_for(workflow_id, {"long": "running", "fails": "failed", "behind": "canceled"})
        set_status(cli, workflow_id, "fails", "running")
        set_status(cli, workflow_id, "behind", "blocked")
        assert retry(cli, workflow_id, "fails") == 200
        done = {"fails": "completed", "behind": "completed"}
        cli.wait_for(workflow_id, {"long": "running"} | done)
        (cli.directory / "go").touch()
        assert runner.wait(TIMEOUT) == 0
    assert cli.statuses(workflow_id) == {"long": "completed"} | done
    assert attempts_of(cli, workflow_id) == {
        ("long", 0, 1, 0),
        ("fails", 0, 1, 3),
        ("fails", 0, 2, 0),
        ("behind", 0, 1, 0),
    }


def test_runner_leaves_although_its_last_job_is_ready_again(cli: Cli) -> None:
    """And what is to be done at the end of the workflow is done: so only retry beside others."""
    workflow_id = created(cli, LAST)
    ended = cli.run("run", workflow_id, *RUN)
    assert ended.returncode == 0, ended.stderr
    assert (cli.directory / "output" / "over").read_text() == "x\n"
    assert retry(cli, workflow_id, "fails") == 200
    cli.run("run", workflow_id, *RUN)
    assert cli.statuses(workflow_id) == {"fails": "completed"}
    assert (cli.directory / "output" / "over").read_text() == "x\n"


@real_servers
def test_retry_counts_for_the_failure_handler(cli: Cli) -> None:
    """An exhausted handler stays exhausted; one that was not needed yet retries once less."""
    workflow_id = created(cli, HANDLED)
    failed = {"long": "running", "handled": "failed", "unhandled first": "failed"}
    with cli.in_background("run", workflow_id, *RUN) as runner:
        cli.wait_for(workflow_id, failed)
        for name in ("handled", "unhandled first"):
            assert retry(cli, workflow_id, name) == 200
        wait_for_results(cli, workflow_id, {("handled", 4), ("unhandled first", 3)})
        cli.wait_for(workflow_id, failed)
        (cli.directory / "go").touch()
        assert runner.wait(TIMEOUT) == 0
    assert attempts_of(cli, workflow_id) == {
        ("long", 0, 1, 0),
        ("handled", 0, 3, 7),
        ("handled", 0, 4, 7),
        ("unhandled first", 0, 1, 5),
        ("unhandled first", 0, 3, 7),
    }


@newer_servers
def test_program_of_a_killed_attempt_lives_on_beside_the_retry(cli: Cli) -> None:
    """Torc kills only the shell of a job that uses more memory than it requests."""
    (cli.directory / "hungry.sh").write_text(HUNGRY_SH)
    (cli.directory / "hungry.py").write_text(HUNGRY_PY)
    workflow_id = created(cli, HUNGRY)
    go = [cli.directory / name for name in ("go1", "go2", "go")]
    try:
        with cli.in_background("run", workflow_id, *RUN) as runner:
            cli.wait_for(workflow_id, {"long": "running", "hungry": "failed"})
            assert retry(cli, workflow_id, "hungry", requirements="large") == 200
            wait_for_file(cli.directory / "alive2")
            (cli.directory / "alive1").unlink()
            wait_for_file(cli.directory / "alive1")
            for file in go:
                file.touch()
            assert runner.wait(TIMEOUT) == 0
    finally:
        go[0].touch()
    assert attempts_of(cli, workflow_id) == {
        ("long", 0, 1, 0),
        ("hungry", 0, 1, 137),
        ("hungry", 0, 2, 0),
    }


def created(cli: Cli, specification: str) -> int:
    workflow_id = cli.create(specification)
    cli.initialize(workflow_id)
    return workflow_id


def retry(cli: Cli, workflow_id: int, name: str, *, requirements: str | None = None) -> int:
    """Retry a job of run 0, with other requirements if given; returns the HTTP status."""
    (job,) = listed(cli, "jobs", workflow_id, name=name)
    if requirements is not None:
        (row,) = listed(cli, "resource_requirements", workflow_id, name=requirements)
        body = {"workflow_id": workflow_id, "name": name, "command": job["command"]}
        body["resource_requirements_id"] = row["id"]
        assert request(cli, "PUT", f"/jobs/{job['id']}", body).status_code == 200
    path = f"/jobs/{job['id']}/retry/0?max_retries={job['attempt_id'] + 1}"
    return request(cli, "POST", path).status_code


def set_status(cli: Cli, workflow_id: int, name: str, status: str) -> None:
    (job,) = listed(cli, "jobs", workflow_id, name=name)
    path = f"/jobs/{job['id']}/manage_status_change/{status}/0"
    assert request(cli, "PUT", path).status_code == 200


def listed(cli: Cli, resource: str, workflow_id: int, *, name: str) -> list[Any]:
    answer = request(cli, "GET", f"/{resource}?workflow_id={workflow_id}").json()
    return [item for item in answer["items"] if item["name"] == name]


def request(cli: Cli, method: str, path: str, body: Any = None) -> httpx.Response:
    url = cli.environment["TORC_API_URL"] + path
    with httpx.Client(trust_env=False, timeout=TIMEOUT) as client:
        return client.request(method, url, json=body)


def wait_for_results(cli: Cli, workflow_id: int, expected: set[tuple[str, int]]) -> None:
    """Poll until these attempts of jobs have results."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        found = {(name, attempt) for name, _, attempt, _ in attempts_of(cli, workflow_id)}
        if expected <= found:
            return
        assert time.monotonic() < deadline, found


def wait_for_file(file: Path) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not file.exists():
        assert time.monotonic() < deadline, file
        time.sleep(0.01)  # another process makes it
