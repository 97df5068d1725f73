"""Parses specifications in KDL 2, with Torc's names of nodes.

Torc ignores nodes that it does not know, among them keys that it reads in YAML; here they are
refused. The values of keys are checked later, as those of the other formats.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import ckdl

from torc_watch.core.errors import InvalidSpec
from torc_watch.spec.problems import suggestion

_MAX_DEPTH = 100
_BRACE = re.compile("[{}]")

_Read = Callable[[Any], Any]


def parse_kdl(text: str) -> Any:
    """The same mapping that the workflow has in the other formats. Raises InvalidSpec."""
    _refuse_depth(text)
    try:
        document = ckdl.parse(text, version=2)
    except ckdl.ParseError as error:
        raise InvalidSpec(f"is not valid KDL 2: {error}") from None
    return {"jobs": []} | _mapping(document.nodes, _WORKFLOW, "workflow")


def _refuse_depth(text: str) -> None:
    """Without regard to texts, in which braces seldom lack their partners."""
    depth = 0
    for brace in _BRACE.findall(text):
        depth += 1 if brace == "{" else -1
        if depth > _MAX_DEPTH:
            raise InvalidSpec("nodes are nested too deeply")


def _mapping(nodes: Iterable[Any], readers: Mapping[str, tuple[str, _Read]], what: str) -> Any:
    """``readers`` has the key of each node, and how its value is read; those of lists repeat."""
    values: dict[str, Any] = {}
    for node in nodes:
        if node.name not in readers:
            raise InvalidSpec(
                f"Torc reads no node {node.name!r} of a {what} in KDL"
                f"{suggestion(node.name, readers) or '; use YAML'}"
            )
        key, read = readers[node.name]
        value = read(node)
        if read in _REPEATED:
            values.setdefault(key, []).append(value)
        elif key in values:
            raise InvalidSpec(f"the node {node.name!r} of a {what} is repeated")
        else:
            values[key] = value
    return values


def _first(node: Any) -> Any:
    return _plain(node.args[0]) if node.args else None


def _item(node: Any) -> Any:
    """As ``_first``, of a node that may be there several times."""
    return _first(node)


def _all(node: Any) -> list[Any]:
    return [_plain(value) for value in node.args]


def _map(node: Any) -> dict[str, Any]:
    return {child.name: _first(child) for child in node.children}


def _object(node: Any) -> dict[str, Any]:
    return {
        child.name: _object(child) if child.children else _first(child) for child in node.children
    }


def _data(node: Any) -> Any:
    text = _first(node)
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidSpec(f"data of user_data must be a text in JSON: {error}") from None


def _entry(readers: Mapping[str, tuple[str, _Read]], what: str) -> _Read:
    """Its name is the argument of its node; properties count as children."""

    def read(node: Any) -> Any:
        named = {"name": _first(node)} if node.args else {}
        values = _mapping(node.children, readers, what)
        for key, value in node.properties.items():
            if key not in readers or readers[key][1] is not _first:
                raise InvalidSpec(f"Torc reads no property {key!r} of a {what} in KDL; use YAML")
            values.setdefault(key, _plain(value))
        return named | values

    return read


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, ckdl.Value) else value


def _keys(read: _Read, *names: str) -> dict[str, tuple[str, _Read]]:
    return {name: (name, read) for name in names}


_EXPANSION = {
    **_keys(_map, "parameters"),
    **_keys(_first, "parameter_mode"),
    **_keys(_all, "use_parameters"),
}
_JOB = {
    **_keys(_first, "command", "invocation_script", "resource_requirements", "failure_handler"),
    **_keys(_first, "scheduler", "cancel_on_blocking_job_failure", "supports_termination"),
    **_keys(_item, "depends_on", "depends_on_regexes", "input_user_data", "output_user_data"),
    "input_file": ("input_files", _item),
    "output_file": ("output_files", _item),
    **_keys(_map, "env"),
    **_keys(_all, "labels"),
    **_keys(_object, "stdio"),
    **_EXPANSION,
}
_FILE = {**_keys(_first, "path", "identifier"), **_EXPANSION}
_USER_DATA = {**_keys(_first, "is_ephemeral"), **_keys(_data, "data")}
_REQUIREMENTS = _keys(_first, "num_cpus", "num_gpus", "num_nodes", "memory", "runtime")

_job = _entry(_JOB, "job")
_file = _entry(_FILE, "file")
_user_data = _entry(_USER_DATA, "user_data")
_requirements = _entry(_REQUIREMENTS, "resource_requirements")


def _other(node: Any) -> dict[str, Any]:
    """What is only told from other entries of its kind: its first values are enough."""
    return {child.name: _first(child) for child in node.children}


_REPEATED = frozenset({_item, _job, _file, _user_data, _requirements, _other})
_WORKFLOW = {
    **_keys(_first, "name", "user", "description", "use_pending_failed"),
    **_keys(
        _first,
        "compute_node_expiration_buffer_seconds",
        "compute_node_wait_for_new_jobs_seconds",
        "compute_node_ignore_workflow_completion",
        "compute_node_wait_for_healthy_database_minutes",
    ),
    **_keys(_map, "parameters", "variables", "env", "slurm_defaults"),
    **_keys(_object, "resource_monitor", "execution_config"),
    "job": ("jobs", _job),
    "file": ("files", _file),
    "user_data": ("user_data", _user_data),
    "resource_requirements": ("resource_requirements", _requirements),
    "failure_handler": ("failure_handlers", _other),
    "slurm_scheduler": ("slurm_schedulers", _other),
    "action": ("actions", _other),
}
