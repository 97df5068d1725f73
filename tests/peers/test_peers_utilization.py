"""Torc's own report of the use of resources, and ours, of the same results."""

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.peers.conftest import Site, Workflow

_COMMON = (
    *("workflow_id", "total_results", "over_utilization_count", "violations", "within_limits"),
    *("resource_violations_count", "resource_violations"),
)


def test_scripts_for_torcs_report_read_ours(site: "Site", workflow: "Workflow") -> None:
    for name in ("fits", "greedy", "slow", "busy", "killed", "late", "burst"):
        workflow.add(name)
    workflow.start()
    workflow.claim()
    workflow.run(*workflow.jobs)
    fits: dict[str, Any] = {"peak_memory_bytes": 300 << 20, "peak_cpu_percent": 80.0}
    workflow.end("fits", **fits)
    workflow.end("greedy", **{**fits, "peak_memory_bytes": 1500 << 20})
    workflow.end("slow", minutes=75.5, **fits)
    workflow.end("busy", **{**fits, "peak_cpu_percent": 250.0})
    workflow.end("killed", 137, minutes=0.5, **fits)
    workflow.end("late", 152, minutes=10.2, **fits)
    workflow.end("burst", 1, **{**fits, "peak_memory_bytes": 1100 << 20})

    for options in ([], ["--all"], ["--include-failed"], ["--min-over-utilization", "60"]):
        theirs, ours = _theirs(site, workflow.id, options), _ours(site, workflow.id, options)
        if site.peer.is_old:  # it mixes jobs within their limits with those above
            over = [each for each in theirs["violations"] if each["over_utilization"][0] == "+"]
            assert_same(ours["violations"], over)
        else:
            assert_same({key: ours[key] for key in _COMMON}, theirs)
    assert _theirs(site, workflow.id, ["--include-failed"])["over_utilization_count"] == 5


def assert_same(ours: Any, theirs: Any) -> None:
    """Torc leaves out what is not so."""
    if isinstance(ours, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    elif isinstance(ours, dict):
        assert ours.keys() >= theirs.keys()
        for key, value in ours.items():
            if key in theirs:
                assert_same(value, theirs[key])
            else:
                assert not value, key
    else:
        assert ours == theirs


def _theirs(site: "Site", workflow_id: int, options: list[str]) -> dict[str, Any]:
    words = ("reports", "check-resource-utilization")
    if not site.peer.is_old:
        words = ("workflows", "check-resources")
    told = site.torc("-f", "json", *words, workflow_id, *options)
    assert told.returncode == 0, told.stderr
    values: dict[str, Any] = json.loads(told.stdout)
    return values


def _ours(site: "Site", workflow_id: int, options: list[str]) -> dict[str, Any]:
    told = site.ours("reports", "check-resource-utilization", workflow_id, *options, "--json")
    assert told.returncode == 0, told.stderr
    values: dict[str, Any] = json.loads(told.stdout)
    return values
