"""A watch from three shells, and what may happen to a workflow while it is watched."""

import json
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Site

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
LOG = f"watch_{socket.gethostname()}_1.log"
IDLE = "name: idle\njobs: [{name: idle, command: 'true'}]"

HOSTILE = [
    "two words",
    'it\'s "quoted"',
    "first line\nApplied fixes: 99 OOM",
    "$(touch PWNED) `touch PWNED`; touch PWNED",
    "-rf ../*",
    "long" * 50,
    "Übergrößenträger 模型",
    "\x1b[31mred\x1b[0m \u202edesrever",
]


FAILS_ONCE = """
tried="$TORC_OUTPUT_DIR/$TORC_JOB_ID"
[ -e "$tried" ] || { touch "$tried"; exit 3; }
"""

# The child is canceled by the server, or not yet, when the job that it depends on runs again.
FAILS_WHILE_ANOTHER_RUNS = """
name: beside
resource_requirements: [{name: small, num_cpus: 1, memory: 64m, runtime: PT5M}]
jobs:
  - {name: other, command: sleep 15, resource_requirements: small}
  - name: hungry
    command: '[ "$TORC_ATTEMPT_ID" != 1 ] || kill -9 $$'
    resource_requirements: small
  - {name: child, command: 'true', depends_on: [hungry], resource_requirements: small}
"""


def test_three_shells(site: "Site") -> None:
    server = site.start("sandbox", "serve", "--port", "0", "--api", "0.12")
    started = server.until("Torc server (API 0.12) at ")
    site.url = re.findall(r"http://\S+", started)[0].rstrip(",")

    submitted = site.run("submit", EXAMPLES / "unknown.yaml", "-o", "out")
    assert submitted.returncode == 0, submitted.stderr
    assert submitted.stdout.splitlines() == [
        "Created workflow 1 with 10 jobs",
        "Submitted to Local with 1 allocation",
    ]

    options = "--recover --max-retries 5 --memory-multiplier 2.0 --runtime-multiplier 2.0"
    more = "--poll-interval 1 --output-dir out --show-job-counts --retry-unknown"
    watched = site.run("watch", "1", *options.split(), *more.split())
    assert watched.returncode == 0, watched.stdout + watched.stderr
    announced = (
        "Watching workflow 1 (poll interval: 1s, auto-recover enabled, max retries: 5, "
        "job counts enabled)"
    )
    lines = watched.stdout.splitlines()
    assert lines[0] == announced
    assert lines.count(announced) == 2
    assert lines[-1] == "✓ Workflow completed successfully (10 jobs)"
    assert not watched.stderr

    head, row = site.run("workflows").stdout.splitlines()
    assert head.split() == ["ID", "NAME", "USER", "CREATED", "STATE", "DONE", "FAILED", "WATCHED"]
    assert re.fullmatch(r" *1  unknown  tester  [-\d]+ [:\d]+  completed  10/10  0       no", row)
    listed = json.loads(site.run("workflows", "--json").stdout)
    assert listed["workflows"][0]["state"] == "completed"
    assert server.interrupt() == 0


@pytest.mark.parametrize("api", ["1.0", "0.12"])
def test_job_runs_again_while_another_runs(site: "Site", api: str) -> None:
    site.serve("--api", api)
    site.submit(FAILS_WHILE_ANOTHER_RUNS)

    watched = site.run("watch", "1", *["-r", "--in-place", "-p", "60"])

    assert watched.returncode == 0, watched.stdout + watched.stderr
    lines = watched.stdout.splitlines()
    assert "Retrying 1 job while others run:" in lines
    assert "Attempting automatic recovery (attempt 1/3)" not in lines
    assert lines[-1] == "✓ Workflow completed successfully (3 jobs)"
    assert ", in run 1, while others ran: continued at" in site.run("history", "1").stdout


def test_short_options_and_a_log_that_is_appended_to(failed: "Site") -> None:
    log = failed.output / LOG
    first = log.read_text()

    watched = failed.run(
        "watch", "1", *["-r", "-m", "5", "-p", "1", "-o", "output", "-s", "--json"]
    )

    assert watched.returncode == 0, watched.stderr
    events = [json.loads(line) for line in watched.stdout.splitlines()]
    assert events[0]["event"] == "watch.started"
    assert events[0]["max_retries"] == 5
    assert events[-1]["event"] == "watch.ended"
    assert log.read_text().startswith(first)
    logged = [json.loads(line)["event"] for line in log.read_text()[len(first) :].splitlines()]
    assert logged == [event["event"] for event in events]


def test_no_retries_allowed(failed: "Site") -> None:
    before = failed.database()

    watched = failed.run("watch", "1", "--auto-recover", "--max-retries", "0")

    assert watched.returncode == 3
    assert "Max retries (0) exceeded. Manual intervention required." in watched.stdout
    assert failed.database() == before


def test_unknown_failures_are_not_retried_when_told_so(failed: "Site") -> None:
    (failed.output / "fed").unlink()  # the hungry job fails once more, and is raised once more

    watched = failed.run("watch", "1", *["-r", "-m", "3", "-p", "1", "--no-retry-unknown"])

    assert watched.returncode == 1
    assert watched.stdout.count("(flaky): not retried: exit code 1;") == 2
    assert "increasing memory 64m -> 96m" in watched.stdout
    assert "increasing memory 96m -> 192m" in watched.stdout
    handed_over = watched.stdout.partition("None of the failed jobs may be retried.")[2]
    assert "Failed jobs:\n  Job 3 (flaky): exit code 1" in handed_over


def test_second_watch_names_the_process_that_has_the_workflow(patient: "Site") -> None:
    first = patient.start("watch", "1", "--poll-interval", "1", "--show-job-counts")
    first.until("running=1")

    second = patient.run("watch", "1", "--auto-recover")

    assert second.returncode == 7
    assert f"Workflow 1 is already watched by process {first.process.pid} on" in second.stderr
    assert not second.stdout
    patient.end_job(0)
    assert first.end() == 0


@pytest.mark.parametrize("api", ["1.0", "0.12"])
def test_workflow_that_another_user_deletes_cancels_or_archives(site: "Site", api: str) -> None:
    site.serve("--api", api)
    watches = []
    for number in (1, 2, 3):
        site.submit(IDLE, "--allocations", "0")
        watches.append(site.start("watch", str(number), *["-r", "-p", "1", "-s"]))
    for watch in watches:
        watch.until("pending=1")

    site.request("DELETE", "/workflows/1")
    site.request("PUT", "/workflows/2/cancel")
    if api == "1.0":
        site.request("POST", "/workflows/3/archive", {"is_archived": True})
    else:
        status = site.request("GET", "/workflows/3/status")
        site.request("PUT", "/workflows/3/status", status | {"is_archived": True})

    assert [watch.end() for watch in watches] == [1, 1, 1]
    assert "Workflow 1 is gone from the server." in watches[0].output
    assert "Workflow 2 was canceled. Nothing was changed" in watches[1].output
    assert "Workflow 3 was archived. Nothing was changed" in watches[2].output


def test_job_names_cannot_control_the_terminal(served: "Site") -> None:
    """None of these jobs has resource requirements, either. Each has an exit code of its own."""
    jobs = [
        {"name": name, "command": FAILS_ONCE.replace("exit 3", f"exit {number}")}
        for number, name in enumerate(HOSTILE, start=3)
    ]
    served.submit(json.dumps({"name": "$(touch PWNED)\x1b[31m", "jobs": jobs}))

    assert served.run("watch", "1", "--poll-interval", "1").returncode == 1
    plan = served.run("plan", "1")
    watched = served.run("watch", "1", "-r", "-p", "1")

    assert watched.returncode == 0, watched.stdout
    for lines in (plan.stdout.splitlines(), watched.stdout.splitlines()):
        about_jobs = [line for line in lines if line.startswith("  Job ")]
        assert len(about_jobs) == len(HOSTILE)
        assert all(line.isprintable() and len(line) < 250 for line in lines)
        assert len([line for line in lines if line.startswith("  Applied fixes: ")]) == 0
    assert not list(served.folder.rglob("PWNED*"))
    assert all(line.isprintable() for line in served.run("workflows").stdout.splitlines())
