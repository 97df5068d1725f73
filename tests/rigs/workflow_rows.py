"""What a Torc server holds of a workflow, comparable: with names in place of ids."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.rigs.http_client import send_request
from torc_watch.core.units import parse_duration, parse_memory

Row = dict[str, Any]

_OF_THE_SERVER = ("id", "workflow_id", "timestamp", "run_id", "status", "status_id")
# The field of a job, the list that its ids are of, and the name in the comparison.
_RELATIONS = (
    ("depends_on_job_ids", "jobs", "depends_on"),
    ("input_file_ids", "files", "input_files"),
    ("output_file_ids", "files", "output_files"),
    ("input_user_data_ids", "user_data", "input_user_data"),
    ("output_user_data_ids", "user_data", "output_user_data"),
)
_REFERENCES = (
    ("resource_requirements_id", "resource_requirements"),
    ("scheduler_id", "slurm_schedulers"),
    ("failure_handler_id", "failure_handlers"),
)


def workflow_rows(url: str, workflow_id: int) -> Mapping[str, Any]:
    """The workflow's own row, and the rows of each kind by their names."""
    lists = {
        kind: _list(url, kind, workflow_id)
        for kind in (
            "jobs",
            "files",
            "user_data",
            "resource_requirements",
            "slurm_schedulers",
            "failure_handlers",
        )
    }
    names = {kind: {row["id"]: row.get("name") for row in rows} for kind, rows in lists.items()}
    jobs = [_job(row, names) for row in lists.pop("jobs")]
    lists["resource_requirements"] = [_requirements(row) for row in lists["resource_requirements"]]
    actions = send_request("GET", f"{url}/workflows/{workflow_id}/actions")
    return {
        "workflow": _workflow(send_request("GET", f"{url}/workflows/{workflow_id}")),
        "jobs": {job["name"]: job for job in jobs},
        **{kind: {row["name"]: _plain(row) for row in rows} for kind, rows in lists.items()},
        "actions": sorted(repr(_action(row, names)) for row in actions),
    }


def differences(expected: Any, found: Any, where: str = "") -> Iterator[str]:
    """Each place where two workflows differ, with what is there."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in expected.keys() | found.keys():
            yield from differences(expected.get(key), found.get(key), f"{where}/{key}")
    elif expected != found:
        yield f"{where}: {expected!r}, here {found!r}"


def _list(url: str, kind: str, workflow_id: int) -> list[Row]:
    relations = "&include_relationships=true" if kind == "jobs" else ""
    path = f"workflows/{workflow_id}/{kind}" if kind == "failure_handlers" else kind
    query = f"workflow_id={workflow_id}&limit=10000{relations}"
    items: list[Row] = send_request("GET", f"{url}/{path}?{query}")["items"]
    return items


def _plain(row: Row) -> Row:
    return {
        key: value
        for key, value in row.items()
        if key not in _OF_THE_SERVER and value is not None and value != {}
    }


def _workflow(row: Row) -> Row:
    """Without what means the same as nothing."""
    workflow = _plain(row)
    if workflow.get("execution_config") == {"mode": "direct"}:
        del workflow["execution_config"]
    for flag in ("use_pending_failed", "enable_ro_crate"):
        if not workflow.get(flag, True):
            del workflow[flag]
    monitoring = workflow.pop("resource_monitor_config", {})
    older = {key: monitoring.pop(key) for key in ("enabled", "granularity") if key in monitoring}
    return workflow | {"monitoring": _plain({"jobs": older, **_plain(monitoring)})}


def _job(row: Row, names: Mapping[str, Mapping[int, Any]]) -> Row:
    job = _plain(row)
    for field, kind, name in _RELATIONS:
        job[name] = sorted(names[kind][each] for each in job.pop(field, []))
    for field, kind in _REFERENCES:
        reference = job.pop(field, None)
        job[kind] = names[kind][reference] if reference else None
    return job


def _requirements(row: Row) -> Row:
    """Sizes have several texts."""
    sizes = {"memory": parse_memory(row["memory"]), "runtime": parse_duration(row["runtime"])}
    return row | sizes


def _action(row: Row, names: Mapping[str, Mapping[int, Any]]) -> list[Any]:
    jobs = sorted(names["jobs"][each] for each in row.get("job_ids") or ())
    config = dict(row["action_config"])
    if "scheduler_id" in config:
        config["scheduler_id"] = names["slurm_schedulers"].get(config["scheduler_id"])
    return [row["trigger_type"], row["action_type"], sorted(config.items()), jobs]
