"""plan, recover and watch on a workflow that ran and failed."""

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Site

pytestmark = pytest.mark.slow


def test_dry_run_changes_nothing(failed: "Site") -> None:
    before = failed.database(), failed.state()

    planned = failed.run("plan", "1", "--memory-multiplier", "2")
    dry = failed.run("recover", "1", "--dry-run")
    as_json = failed.run("plan", "1", "--json")

    assert (failed.database(), failed.state()) == before
    assert [planned.returncode, dry.returncode, as_json.returncode] == [0, 0, 0]
    assert "(hungry): OOM detected, increasing memory 64m -> 128m" in planned.stdout
    assert "(hungry): OOM detected, increasing memory 64m -> 96m" in dry.stdout
    plan = json.loads(as_json.stdout)["plan"]
    assert [retry["job_name"] for retry in plan["retries"]] == ["hungry", "flaky"]


def test_recover_does_one_round(failed: "Site") -> None:
    plan_id = json.loads(failed.run("plan", "1", "--json").stdout)["plan_id"]
    other = failed.run("recover", "1", "--plan", "0" * 8)
    assert other.returncode == 14
    assert f"it is {plan_id} now. Nothing was changed." in other.stderr
    assert failed.rows("SELECT run_id FROM workflow_status") == [1]

    recovered = failed.run("recover", "1", "--plan", plan_id)

    assert recovered.returncode == 0, recovered.stdout + recovered.stderr
    assert recovered.stdout.splitlines()[-1] == "Recovery initiated."
    assert failed.rows("SELECT run_id FROM workflow_status") == [2]
    assert failed.journaled("SELECT number, outcome FROM round") == [(1, "resubmitted")]
    assert failed.run("recover", "1", "--plan", plan_id).returncode == 14
    watched = failed.run("watch", "1", "-p", "1")
    assert watched.returncode == 0
    assert watched.stdout.endswith("✓ Workflow completed successfully (4 jobs)\n")
