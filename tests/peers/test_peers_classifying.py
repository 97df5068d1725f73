"""Why jobs failed: what Torc's recovery makes of a result, and what ours does."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.peers.conftest import Site, Workflow

GIB = 1 << 30

# Jobs that asked for 1 GiB and ten minutes. How each ended; Torc's word for it; ours.
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
    """A workflow with a job for each end."""
    for name in ENDS:
        workflow.add(name)
    workflow.start()
    workflow.claim()
    workflow.run(*ENDS)
    for name, (how, _, _) in ENDS.items():
        workflow.end(name, **how)
    return workflow


def test_causes(site: "Site", failures: "Workflow") -> None:
    """0.1: a code bug late in its time is a timeout to Torc; 137 between 80 and 90 % is unknown."""
    report = site.dry_run(failures.id)
    rows = report["diagnosis"]["resource_violations"]
    assert {row["job_name"]: _torcs_word(row) for row in rows} == {
        name: theirs for name, (_, theirs, _) in ENDS.items()
    }
    retries = site.plan(failures.id)["plan"]["retries"]
    assert {retry["job_name"]: retry["cause"] for retry in retries} == {
        name: ours for name, (_, _, ours) in ENDS.items()
    }


def test_retried_by_default(site: "Site", failures: "Workflow") -> None:
    """0.6: jobs whose worker died are not retried by Torc's default; code bugs are by ours."""
    retried = set(site.dry_run(failures.id)["result"]["jobs_to_retry"])
    left = {name for name, number in failures.jobs.items() if number not in retried}
    assert left == {"killed_late", "bug", "worker_died", "worker_left"}
    plan = site.plan(failures.id, "--no-retry-unknown")["plan"]
    assert {each["job_name"] for each in plan["left_alone"]} == {"bug_at_the_end", "bug", "busy"}


def _torcs_word(row: dict[str, Any]) -> str:
    """The newer version calls its finding of memory by another name."""
    if row.get("likely_oom") or row.get("memory_violation"):
        return "memory"
    if row.get("likely_timeout"):
        return "timeout"
    return "cpu" if row.get("likely_cpu_violation") else "unknown"
