"""Torc's own server and runner, whose jobs our watch retries while others run."""

import time
import urllib.error
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.torc_site import Torc, TorcProgram, open_torc

if TYPE_CHECKING:
    from tests.acceptance.conftest import Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BOTH = pytest.mark.parametrize("version", ["0.12.2", "1.0.0"])
TIMEOUT = 60.0  # seconds

# "hungry" ends when the test says so, and fails once. "handled" fails until the others have ended:
# it is not retried beside them.
BESIDE = """
name: beside
failure_handlers:
  - { name: handler, rules: [{ exit_codes: [137], max_retries: 1 }] }
resource_requirements:
  - { name: small, num_cpus: 1, memory: 64m, runtime: PT1M }
jobs:
  - { name: done, command: 'echo x >>"$TORC_OUTPUT_DIR/done"', resource_requirements: small }
  - name: long
    command: |
      echo x >>"$TORC_OUTPUT_DIR/long"
      until [ -e "$TORC_OUTPUT_DIR/go" ]; do sleep 0.1; done
    resource_requirements: small
  - name: hungry
    command: |
      until [ -e "$TORC_OUTPUT_DIR/end$TORC_ATTEMPT_ID" ]; do sleep 0.1; done
      [ "$TORC_ATTEMPT_ID" = 2 ] || exit 137
    resource_requirements: small
  - { name: after, command: "true", depends_on: [hungry], resource_requirements: small }
  - { name: last, command: "true", depends_on: [after], resource_requirements: small }
  - name: handled
    command: '[ -e "$TORC_OUTPUT_DIR/go" ] || exit 137'
    failure_handler: handler
    resource_requirements: small
"""


@pytest.fixture
def torc(site: "Site", version: str, torc_program: TorcProgram) -> Torc:
    return open_torc(site, version, torc_program)


@BOTH
def test_job_is_retried_while_others_run(torc: Torc) -> None:
    torc.create(BESIDE)
    runner = torc.run("--num-cpus", "8", "--memory-gb", "4")
    watch = torc.watch("--in-place")
    watch.until("running=2")

    (torc.site.output / "end1").touch()
    wait_for(lambda: jobs(torc)["hungry"] == ("running", 2))
    assert not report_first_attempt_again(torc, "hungry")
    assert jobs(torc)["hungry"] == ("running", 2)
    (torc.site.output / "end2").touch()
    wait_for(lambda: jobs(torc)["last"] == ("completed", 1))
    assert jobs(torc)["long"] == ("running", 1)
    assert jobs(torc)["handled"] == ("failed", 1)
    (torc.site.output / "go").touch()

    assert watch.end() == 0, watch.output
    assert runner.end() == 0, runner.output
    assert "(hungry): OOM detected, increasing memory 64m -> 96m" in watch.output
    once = {(name, 1, 1, 0) for name in ("done", "long", "after", "last")}
    hungry = {("hungry", 1, 1, 137), ("hungry", 1, 2, 0)}
    handled = {("handled", 1, 1, 137), ("handled", 2, 1, 0)}
    assert attempts(torc) == once | hungry | handled
    assert [(torc.site.output / name).read_text() for name in ("done", "long")] == ["x\n", "x\n"]


def jobs(torc: Torc) -> dict[str, tuple[str, int]]:
    """Status and attempt, by name."""
    return {job["name"]: (job["status"], job["attempt_id"]) for job in torc.rows("jobs")}


def attempts(torc: Torc) -> set[tuple[str, int, int, int]]:
    """Name, run, attempt and return code of all results."""
    names = {job["id"]: job["name"] for job in torc.rows("jobs")}
    shown = ("run_id", "attempt_id", "return_code")
    results = torc.rows("results", all_runs="true")
    return {(names[each["job_id"]], *(each[name] for name in shown)) for each in results}


def report_first_attempt_again(torc: Torc, name: str) -> bool:
    """As a worker would that lives on, and successful this time; whether the server takes it."""
    (job_id,) = (job["id"] for job in torc.rows("jobs") if job["name"] == name)
    (first,) = (each for each in torc.rows("results", all_runs="true") if each["job_id"] == job_id)
    result: dict[str, Any] = first | {"status": "completed", "return_code": 0}
    path = f"/jobs/{job_id}/complete_job/completed/{first['run_id']}"
    try:
        torc.site.request("POST", path, result)
    except urllib.error.HTTPError:
        return False
    return True


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)  # other processes bring it about
