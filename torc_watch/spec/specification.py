"""A workflow before it is submitted: parameters expanded, names resolved, units read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSpec:
    name: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDataSpec:
    """``data`` is any JSON value."""

    name: str
    data: Any
    is_ephemeral: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementsSpec:
    """``memory`` in bytes, ``runtime`` in seconds."""

    name: str
    num_cpus: int
    num_gpus: int
    num_nodes: int
    memory: int
    runtime: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One job; everything it refers to is in the same Spec, by name.

    ``depends_on`` are the jobs it names, itself or by patterns. Dependencies through files and
    user data are not repeated there: the server derives those.
    """

    name: str
    command: str
    invocation_script: str | None
    requirements: str | None
    depends_on: tuple[str, ...]
    input_files: tuple[str, ...]
    output_files: tuple[str, ...]
    input_user_data: tuple[str, ...]
    output_user_data: tuple[str, ...]
    cancel_on_blocking_job_failure: bool
    supports_termination: bool
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A workflow ready to be submitted.

    ``jobs`` are in an order in which each comes after all that it depends on, explicitly or through
    files and user data. ``settings`` are the workflow's own fields under Torc's names. ``warnings``
    name, one line each, what the specification says and nobody here acts on.
    """

    name: str
    settings: Mapping[str, Any]
    files: tuple[FileSpec, ...]
    user_data: tuple[UserDataSpec, ...]
    requirements: tuple[RequirementsSpec, ...]
    jobs: tuple[JobSpec, ...]
    warnings: tuple[str, ...]
