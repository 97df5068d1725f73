"""Torc's own command line and runner, of the release with the server's API."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.torc_cli import RUN, TIMEOUT, Cli, attempts_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

EXAMPLES = Path(__file__).parents[2] / "examples"
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


def words_in(cli: Cli, *files: str) -> list[int]:
    """How many words the actions wrote to each file."""
    return [len((cli.directory / "output" / name).read_text().split()) for name in files]
