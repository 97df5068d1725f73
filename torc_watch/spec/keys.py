"""The keys of a specification and the kinds of their values."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ValueKind:
    """``description`` completes the message "must be …"."""

    description: str
    accepts: Callable[[object], bool]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value and not _SURROGATE.search(value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(_is_text(item) for item in value)


def _is_object(value: object) -> bool:
    return isinstance(value, Mapping) and _is_json(value)


def _is_metadata(value: object) -> bool:
    if not isinstance(value, str):
        return _is_object(value)
    try:
        return _is_object(json.loads(value))
    except (ValueError, RecursionError):
        return False


def _is_parameters(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and _PARAMETER.fullmatch(name) for name in value
    )


def _is_environment(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and _VARIABLE.fullmatch(name) and _is_text(text)
        for name, text in value.items()
    )


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_SURROGATE = re.compile("[\ud800-\udfff]")  # legal in JSON, but servers reject it
_PARAMETER = re.compile(r"\w+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

TEXT = ValueKind("text without NUL and lone surrogates", _is_text)
FLAG = ValueKind("true or false", lambda value: isinstance(value, bool))
COUNT = ValueKind("a whole number of at least 0", _is_count)
NAMES = ValueKind("a list of texts", _is_names)
OBJECT = ValueKind("a mapping that JSON can express", _is_object)
METADATA = ValueKind("a mapping, or a mapping as JSON text", _is_metadata)
JSON = ValueKind("a value that JSON can express", _is_json)
LIST = ValueKind("a list", lambda value: isinstance(value, list))
PARAMETERS = ValueKind(
    "a mapping of parameter names (letters, digits, _) to values", _is_parameters
)
ENVIRONMENT = ValueKind(
    "a mapping of names (letters, digits, _, no digit first) to texts", _is_environment
)
TIME = ValueKind("a time in seconds since 1970", _is_time)
MODE = ValueKind("product or zip", lambda value: value in ("product", "zip"))
IGNORED = ValueKind("anything", lambda _: True)

PARAMETERIZATION = {
    "parameters": PARAMETERS,
    "parameter_mode": MODE,
    "use_parameters": NAMES,
    "parameters_file": TEXT,
    "use_parameters_file": FLAG,
}

# Fields of the workflow; the server stores them unchanged.
SETTINGS = {
    "description": TEXT,
    "project": TEXT,
    "metadata": METADATA,
    "use_pending_failed": FLAG,
    "compute_node_expiration_buffer_seconds": COUNT,
    "compute_node_wait_for_new_jobs_seconds": COUNT,
    "compute_node_ignore_workflow_completion": FLAG,
    "compute_node_wait_for_healthy_database_minutes": COUNT,
    "compute_node_min_time_for_new_jobs_seconds": COUNT,
    "jobs_sort_method": TEXT,
    "resource_monitor": OBJECT,
    "slurm_defaults": OBJECT,
    "execution_config": OBJECT,
    "dynamic_jobs": OBJECT,
}

# Options of sbatch that are planned for each allocation, so that Torc takes no defaults for them.
PLANNED_OPTIONS = frozenset(
    {"partition", "nodes", "walltime", "time", "mem", "gres", "name", "job-name"}
)

# Torc's keys that torc-watch ignores with a warning, and what that means.
UNSUPPORTED_IN_WORKFLOW = {
    "user": "the workflow belongs to the user who submits it",
    "actions": "workflow actions are not created",
    "failure_handlers": "failure handlers are not created",
    "slurm_schedulers": "its Slurm schedulers are not used",
    "access_groups": "the workflow is not shared",
    "enable_ro_crate": "no RO-Crate is written",
}
UNSUPPORTED_IN_JOB = {
    "scheduler": "the job runs wherever its resource requirements are met",
    "failure_handler": "failures are handled by watching the workflow",
    "stdio": "standard output and error always go to files",
    "schedule_compute_nodes": "the job requests no compute nodes",
}
UNSUPPORTED_IN_FILE = {"identifier": "no RO-Crate is written"}

WORKFLOW: Mapping[str, ValueKind] = {
    "name": TEXT,
    "variables": ENVIRONMENT,
    "parameters": PARAMETERS,
    "parameters_file": TEXT,
    "env": ENVIRONMENT,
    "jobs": LIST,
    "files": LIST,
    "user_data": LIST,
    "resource_requirements": LIST,
    **SETTINGS,
    **dict.fromkeys(UNSUPPORTED_IN_WORKFLOW, IGNORED),
}
JOB = {
    "name": TEXT,
    "command": TEXT,
    "invocation_script": TEXT,
    "resource_requirements": TEXT,
    "depends_on": NAMES,
    "depends_on_regexes": NAMES,
    "input_files": NAMES,
    "input_file_regexes": NAMES,
    "output_files": NAMES,
    "output_file_regexes": NAMES,
    "input_user_data": NAMES,
    "input_user_data_regexes": NAMES,
    "output_user_data": NAMES,
    "output_user_data_regexes": NAMES,
    "cancel_on_blocking_job_failure": FLAG,
    "supports_termination": FLAG,
    "priority": COUNT,
    "env": ENVIRONMENT,
    "labels": NAMES,
    **PARAMETERIZATION,
    **dict.fromkeys(UNSUPPORTED_IN_JOB, IGNORED),
}
FILE = {
    "name": TEXT,
    "path": TEXT,
    "st_mtime": TIME,
    **PARAMETERIZATION,
    **dict.fromkeys(UNSUPPORTED_IN_FILE, IGNORED),
}
USER_DATA = {"name": TEXT, "data": JSON, "is_ephemeral": FLAG, **PARAMETERIZATION}
REQUIREMENTS = {
    "name": TEXT,
    "num_cpus": COUNT,
    "num_gpus": COUNT,
    "num_nodes": COUNT,
    "memory": TEXT,
    "runtime": TEXT,
}

# The lists of a specification: the keys of their entries, and the required ones.
SECTIONS: Mapping[str, tuple[Mapping[str, ValueKind], Sequence[str]]] = {
    "jobs": (JOB, ("name", "command")),
    "files": (FILE, ("name", "path")),
    "user_data": (USER_DATA, ("name",)),
    "resource_requirements": (REQUIREMENTS, ("name", "num_cpus", "memory")),
}
