"""Torc's own server, command line and runner: nothing of ours but the daemon."""

import fcntl
import json
import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.torc_site import Torc, TorcProgram, open_torc
from tests.rigs.commands import wait_for_polls
from tests.rigs.specifications import PATIENT

if TYPE_CHECKING:
    from tests.acceptance.conftest import Barrier, Proxy, Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TUTORIAL = Path(__file__).parents[2] / "examples" / "tutorial.yaml"
BOTH = pytest.mark.parametrize("version", ["0.12.2", "1.0.0"])
NEW = pytest.mark.parametrize("version", ["1.0.0"])

# Two jobs that fail the first time, one of them as one that was killed for its memory.
FAILING = """
name: failing
resource_requirements:
  - { name: small, num_cpus: 1, memory: 64m, runtime: PT1M }
jobs:
  - name: hungry
    command: '[ -e "$TORC_OUTPUT_DIR/fed" ] || { touch "$TORC_OUTPUT_DIR/fed"; exit 137; }'
    resource_requirements: small
  - name: flaky
    command: '[ -e "$TORC_OUTPUT_DIR/tried" ] || { touch "$TORC_OUTPUT_DIR/tried"; exit 1; }'
    resource_requirements: small
  - { name: after, command: "true", depends_on: [hungry], resource_requirements: small }
"""

# A job that says when it runs, and the first time does not end by itself.
ENDLESS = """
name: endless
resource_requirements:
  - { name: small, num_cpus: 1, memory: 64m, runtime: PT10M }
jobs:
  - name: endless
    command: |
      [ -e "$TORC_OUTPUT_DIR/tried" ] && exit
      touch "$TORC_OUTPUT_DIR/tried"
      echo >"$TORC_OUTPUT_DIR/runs"
      sleep 1000
    resource_requirements: small
"""


@pytest.fixture
def torc(site: "Site", version: str, torc_program: TorcProgram) -> Torc:
    return open_torc(site, version, torc_program)


def jobs_running(torc: Torc) -> list[str]:
    """What runs of ENDLESS."""
    return [line for line in torc.site.processes().values() if "sleep 1000" in line]


def assert_run_by_torc_alone(nodes: Iterable[Any], number: int) -> None:
    """Our own runner has a number of its own; that of Torc is not told."""
    found = [(node["pid"], node["duration_seconds"] is not None) for node in nodes]
    assert found == [(1, True)] * number


@NEW
def test_tutorial_on_torc_itself(torc: Torc) -> None:
    torc.create(TUTORIAL)
    first_run = torc.run("--num-cpus", "10", "--memory-gb", "4")
    watch = torc.watch()

    assert watch.end() == 0, watch.output
    assert first_run.end() == 0, first_run.output
    assert "Applied fixes: 5 OOM, 0 timeout" in watch.output
    assert watch.output.endswith("\n✓ Workflow completed successfully (100 jobs)\n")
    assert torc.ends() == {(1, 0): 95, (1, 137): 5, (2, 0): 5}
    assert_run_by_torc_alone(torc.rows("compute_nodes"), 2)
    assert torc.allocations() == [(1, "complete")]


@BOTH
def test_submit_and_recover(torc: Torc) -> None:
    torc.submit(FAILING)
    watch = torc.watch()

    assert watch.end() == 0, watch.output
    assert "(hungry): OOM detected, increasing memory 64m -> 96m" in watch.output
    assert "(flaky): unknown failure (exit code 1), retrying" in watch.output
    assert torc.ends() == {(1, 137): 1, (1, 1): 1, (2, 0): 3}
    assert_run_by_torc_alone(torc.rows("compute_nodes"), 2)
    assert torc.allocations() == [(1, "complete"), (2, "complete")]


@BOTH
def test_killed_runner(torc: Torc) -> None:
    torc.site.hold()
    torc.submit(ENDLESS)
    torc.site.wait_for_job()
    watch = torc.watch()
    watch.until("running=1")

    (runner,) = torc.runners()
    os.kill(runner, signal.SIGKILL)

    watch.until("Releasing 1 job of dead workers")
    assert watch.end() == 0, watch.output
    assert torc.ends() == {(1, -128): 1, (2, 0): 1}
    assert torc.allocations() == [(1, "complete"), (2, "complete")]
    assert not jobs_running(torc)
    end = torc.site.home / "allocations" / "1" / "end.json"
    assert json.loads(end.read_text()) == {"exit_code": 128 + signal.SIGKILL}


@pytest.mark.parametrize(
    ("version", "how"), [("0.12.2", signal.SIGKILL), ("1.0.0", signal.SIGTERM)]
)
def test_killed_runner_that_the_user_started(torc: Torc, how: signal.Signals) -> None:
    """Its job runs on, and is ended before it runs again."""
    torc.site.hold()
    torc.create(ENDLESS)
    runner = torc.run()
    torc.site.wait_for_job()
    living = torc.site.run("recover", "1", **torc.variables)

    os.kill(runner.process.pid, how)
    runner.end()
    left = jobs_running(torc)
    dead = torc.site.run("recover", "1", **torc.variables)
    still_left = jobs_running(torc)
    watch = torc.watch()

    assert "still has workers" in living.stdout
    assert len(left) > 0
    assert "Releasing 1 job of dead workers" in dead.stdout
    assert "that they left running" in dead.stdout
    assert not still_left
    assert watch.end() == 0, watch.output
    assert torc.ends() == {(1, -128): 1, (2, 0): 1}
    assert_run_by_torc_alone(torc.rows("compute_nodes"), 2)


@NEW
def test_watch_waits_for_a_runner_that_outlives_its_allocation(torc: Torc) -> None:
    torc.site.hold()
    torc.submit(PATIENT)
    torc.site.wait_for_job()
    record = torc.site.home / "allocations" / "1" / "worker.json"
    os.kill(json.loads(record.read_text())["pid"], signal.SIGKILL)
    watch = torc.watch()
    watch.until("running=1")
    wait_for_polls(torc.site.output, 1)

    torc.site.end_job(0)

    assert watch.end() == 0, watch.output
    assert "Releasing" not in watch.output
    assert torc.ends() == {(1, 0): 1}


@NEW
def test_watch_killed_during_a_recovery(
    torc: Torc,
    make_proxy: Callable[[str], "Proxy"],
    make_barrier: Callable[..., "Barrier"],
) -> None:
    torc.submit(FAILING)
    proxy = make_proxy(torc.site.url)
    for path, after in (
        ("only_uninitialized=true&async=true", True),
        ("/scheduled_compute_nodes", False),
    ):
        barrier = make_barrier(proxy, path=path, after=after)
        watch = torc.watch(TORC_API_URL=proxy.url)
        barrier.wait()
        watch.kill()
    make_barrier(proxy, path="nothing")
    final = torc.watch(TORC_API_URL=proxy.url)

    assert final.end() == 0, final.output
    assert "Continuing recovery round 1 at step 'allocate'" in final.output
    assert torc.ends() == {(1, 137): 1, (1, 1): 1, (2, 0): 3}
    assert_run_by_torc_alone(torc.rows("compute_nodes"), 2)
    assert torc.allocations() == [(1, "complete"), (2, "complete")]
    assert torc.site.journaled("SELECT number, outcome FROM round") == [(1, "resubmitted")]


@NEW
def test_runner_of_another_version(torc: Torc, torc_program: Callable[[str, str], Path]) -> None:
    """The server's refusal is in the log of its allocation, and shown."""
    runner = {"TORC_WATCHD_LOCAL_RUNNER": str(torc_program("0.12.2", "torc"))}
    (torc.site.folder / "workflow.yaml").write_text(FAILING)
    submitted = torc.site.run("submit", "workflow.yaml", "--cpus", "2", **runner)
    allocation = torc.site.home / "allocations" / "1"
    with (allocation / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # its worker has left

    recovered = torc.site.run("recover", "1", **torc.variables)

    assert submitted.returncode == 0, submitted.stderr
    assert f"Allocation 1 ended: failed, its log {allocation}/log" in recovered.stdout
    assert "version mismatch - client 0.12.2 vs server 1.0.0" in recovered.stdout


def test_missing_runner(served: "Site") -> None:
    """Refused before anything is changed."""
    (served.folder / "workflow.yaml").write_text(FAILING)
    before = served.database()
    runner = {"TORC_WATCHD_LOCAL_RUNNER": "/nowhere/torc"}

    refused = [
        served.run(*words, **runner)
        for words in (("submit", "workflow.yaml"), ("watch", "1", "-r"), ("recover", "1"))
    ]

    assert [each.returncode for each in refused] == [2, 2, 2]
    assert all(
        "local_runner is '/nowhere/torc', which is not a program" in each.stderr for each in refused
    )
    assert served.database() == before
    assert not served.home.exists()
