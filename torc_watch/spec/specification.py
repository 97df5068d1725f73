"""A workflow before submission: parameters expanded, names resolved, units parsed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSpec:
    """``modified`` is the time that the specification gives, in seconds since the epoch."""

    name: str
    path: str
    modified: float | None = None


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
    """A job; it refers to other parts of the same Spec by name.

    ``depends_on`` has the jobs from its names and patterns, without dependencies through files and
    user data: the server derives those.
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
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A workflow ready to be submitted.

    ``jobs`` are sorted: each comes after its dependencies, including those through files and user
    data. ``settings`` are the workflow's fields under Torc's names, ``env`` the variables of all
    jobs. ``warnings`` has one line per ignored key; ``ignored`` are those of the workflow itself.
    """

    name: str
    settings: Mapping[str, Any]
    files: tuple[FileSpec, ...]
    user_data: tuple[UserDataSpec, ...]
    requirements: tuple[RequirementsSpec, ...]
    jobs: tuple[JobSpec, ...]
    warnings: tuple[str, ...]
    ignored: frozenset[str] = frozenset()
    env: Mapping[str, str] = field(default_factory=dict)
