"""Why jobs failed: the causes that Torc's recovery and ours find for the same results."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.peers.conftest import Site, Workflow

GIB = 1 << 30

# Jobs that requested 1 GiB and ten minutes: how each ended, Torc's cause, and our cause.
ENDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "killed": ({"return_code": 137, "minutes": 1}, "memory", "oom"),
    "killed_late": ({"return_code": 137, "minutes": 8.5}, "unknown", "oom"),
    "killed_at_limit": ({"return_code": 137, "minutes": 9.5}, "timeout", "timeout"),
    "over_memory": ({"return_code": 1, "peak_memory_bytes": 2 * GIB}, "memory", "oom"),
    "over_time": ({"return_code": 152, "minutes": 10}, "timeout", "timeout"),
    "bug_at_the_end": ({"return_code": 1, "minutes": 9.5}, "timeout", "unknown"),
    "bug": ({"return_code": 1, "minutes": 1}, "unknown", "unknown"),
    "busy": ({"return_code": 1, "peak_cpu_percent": 250.0}, "cpu", "unknown"),
    "worker_died": ({"return_code": -128, "minutes": 0}, "unknown", "interrupted"),
    "worker_left": ({"return_code": -9, "terminated": True}, "unknown", "interrupted"),
}


@pytest.fixture
def failures(workflow: "Workflow") -> "Workflow":
    """A workflow with one job for each entry of ``ENDS``."""
    for name in ENDS:
        workflow.add(name)
    workflow.start()
    workflow.claim()
    workflow.run(*ENDS)
    for name, (how, _, _) in ENDS.items():
        workflow.end(name, **how)
    return workflow


def test_causes_that_torc_and_we_find(site: "Site", failures: "Workflow") -> None:
    """0.1: for Torc, a code bug near the limit is a timeout, and 137 at 80 to 90 % is unknown."""
    report = site.dry_run(failures.id)
    rows = report["diagnosis"]["resource_violations"]
    assert {row["job_name"]: _torcs_cause(row) for row in rows} == {
        name: theirs for name, (_, theirs, _) in ENDS.items()
    }
    retries = site.plan(failures.id)["plan"]["retries"]
    assert {retry["job_name"]: retry["cause"] for retry in retries} == {
        name: ours for name, (_, _, ours) in ENDS.items()
    }


def test_torc_and_we_differ_in_jobs_retried_by_default(site: "Site", failures: "Workflow") -> None:
    """0.6: by default, Torc does not retry jobs of dead workers; we also retry code bugs."""
    retried = set(site.dry_run(failures.id)["result"]["jobs_to_retry"])
    left = {name for name, number in failures.jobs.items() if number not in retried}
    assert left == {"killed_late", "bug", "worker_died", "worker_left"}
    plan = site.plan(failures.id, "--no-retry-unknown")["plan"]
    assert {each["job_name"] for each in plan["left_alone"]} == {"bug_at_the_end", "bug", "busy"}


def _torcs_cause(row: dict[str, Any]) -> str:
    """The cause in a row of Torc's report; the two versions name the memory field differently."""
    if row.get("likely_oom") or row.get("memory_violation"):
        return "memory"
    if row.get("likely_timeout"):
        return "timeout"
    return "cpu" if row.get("likely_cpu_violation") else "unknown"
