"""A server's records of workflow 1, without values that depend on the machine or the time."""

from collections.abc import Callable
from typing import Any

from site_of_torc import Site

Row = dict[str, Any]

_LISTS = ("jobs", "results", "resource_requirements", "compute_nodes", "scheduled_compute_nodes")
_TIME = "2026-01-01T00:00:00Z"
_NEUTRAL: dict[str, Callable[[Any], Any]] = {
    "timestamp": lambda value: _TIME if isinstance(value, str) else 1767225600000,
    "start_time": lambda _: _TIME,
    "completion_time": lambda _: _TIME,
    "hostname": lambda _: "node1",
    "submission_directory": lambda _: "/work",
    "exec_time_minutes": lambda value: round(value, 4),
    "total_exec_time_minutes": lambda value: round(value, 4),
    "walltime_seconds": lambda value: round(value or 0, 1),
    "duration_seconds": lambda value: round(value, 1),
    "avg_cpu_percent": lambda value: round(value, 1),
    "peak_cpu_percent": lambda value: round(value, 1),
}


def rows_of(site: Site) -> Row:
    """The responses to a watcher's requests, by the last word of their paths.

    ``active_jobs`` maps the id of each compute node to the jobs that run there.
    ``processes`` has the names of jobs with running processes.
    """
    processes = sorted(set(site.processes().values()))
    workflow = {
        "version": site.ask("GET", "/version"),
        "workflow": site.ask("GET", "/workflows/1"),
        "status": site.ask("GET", "/workflows/1/status"),
        "is_complete": site.ask("GET", "/workflows/1/is_complete"),
    }
    lists = {name: site.ask("GET", f"/{name}?workflow_id=1")["items"] for name in _LISTS}
    events = site.ask("GET", "/events?workflow_id=1")["items"]
    lists["results"] = _numbered_by_job(lists["results"])
    rows = workflow | lists | {"events": [event["data"] for event in events]}
    active = {str(node["id"]): _active(site, node["id"]) for node in lists["compute_nodes"]}
    return {**_neutral(rows), "active_jobs": active, "processes": processes}


def _numbered_by_job(results: list[Row]) -> list[Row]:
    """Renumber the results: no record refers to their ids, which differ in every capture."""
    in_order = sorted(results, key=lambda result: (result["job_id"], result["attempt_id"]))
    return [result | {"id": number} for number, result in enumerate(in_order, 1)]


def _active(site: Site, node_id: int) -> list[int]:
    jobs = site.ask("GET", f"/jobs?workflow_id=1&active_compute_node_id={node_id}")["items"]
    return [job["id"] for job in jobs]


def _neutral(value: Any) -> Any:
    if isinstance(value, list):
        return [_neutral(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _NEUTRAL[key](part) if key in _NEUTRAL and part is not None else _neutral(part)
        for key, part in value.items()
    }
