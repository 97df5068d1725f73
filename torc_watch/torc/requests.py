"""New objects to create on the server, and their JSON.

As in the core, memory is in bytes and durations are in seconds. ``body`` returns JSON that both
API versions accept; where they differ it takes the API version as an argument.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from torc_watch.core.model import ON_JOBS_READY, SLURM, JobStatus
from torc_watch.core.units import MIB, format_duration, format_memory
from torc_watch.core.walltime import format_walltime
from torc_watch.torc.api_version import ApiVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWorkflow:
    """``settings`` are further fields under Torc's names, such as use_pending_failed.

    Mappings among them (slurm_defaults, resource_monitor_config, metadata, execution_config) are
    sent in the format of the API version: 0.12 takes them as a JSON text.

    ``submission_directory`` is where jobs are to run; 0.12 does not keep it. ``env`` are variables
    of each job; 0.12 cannot keep them.
    """

    name: str
    user: str
    description: str | None = None
    submission_directory: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def body(self, api_version: ApiVersion) -> dict[str, Any]:
        named: dict[str, Any] = {
            "name": self.name,
            "user": self.user,
            "description": self.description,
        }
        if api_version is not ApiVersion.V0_12:
            named["submission_directory"] = self.submission_directory
            named["env"] = dict(self.env) or None
        settings = {
            name: json.dumps(value)
            if api_version is ApiVersion.V0_12 and isinstance(value, Mapping)
            else value
            for name, value in self.settings.items()
        }
        return _without_nulls(settings | named)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequirements:
    name: str
    num_cpus: int = 1
    num_gpus: int = 0
    num_nodes: int = 1
    memory: int
    runtime: int

    def body(self, workflow_id: int) -> dict[str, Any]:
        return {
            "workflow_id": workflow_id,
            "name": self.name,
            "num_cpus": self.num_cpus,
            "num_gpus": self.num_gpus,
            "num_nodes": self.num_nodes,
            "memory": format_memory(self.memory),
            "runtime": format_duration(self.runtime),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSlurmScheduler:
    """How allocations of a group of jobs are asked for. CPUs, memory and GPUs are of each node.

    ``extra`` are further options of sbatch. Torc's row has no field for CPUs. ``is_serialized``
    has one allocation begin when the one before has ended; 0.12 does not keep it.
    """

    name: str
    account: str
    partition: str
    qos: str = ""
    num_cpus: int
    memory: int
    num_gpus: int = 0
    gpu_type: str = ""
    num_nodes: int = 1
    runtime: int
    extra: tuple[str, ...] = ()
    is_serialized: bool = False

    @property
    def mem(self) -> str:
        return f"{math.ceil(self.memory / MIB)}M"

    @property
    def gres(self) -> str:
        gpus = ":".join(filter(None, ("gpu", self.gpu_type, str(self.num_gpus))))
        return gpus if self.num_gpus else ""

    @property
    def walltime(self) -> str:
        return format_walltime(self.runtime)

    @property
    def extra_line(self) -> str:
        return " ".join((f"--cpus-per-task={self.num_cpus}", *self.extra))

    def body(self, workflow_id: int, api_version: ApiVersion) -> dict[str, Any]:
        is_kept = self.is_serialized and api_version is not ApiVersion.V0_12
        return _without_nulls(
            {
                "workflow_id": workflow_id,
                "name": self.name,
                "account": self.account,
                "partition": self.partition,
                "qos": self.qos or None,
                "nodes": self.num_nodes,
                "mem": self.mem,
                "gres": self.gres or None,
                "walltime": self.walltime,
                "extra": self.extra_line,
                "serialize_allocations": is_kept or None,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSchedulingAction:
    """Workers submit ``allocations`` under a row when all of ``job_ids`` have become ready.

    ``ready`` is how many of them already are, or are done; what is initialized later, the server
    counts itself.
    """

    scheduler_config_id: int
    allocations: int
    job_ids: tuple[int, ...]
    ready: int = 0

    def body(self, workflow_id: int) -> dict[str, Any]:
        return {
            "workflow_id": workflow_id,
            "trigger_type": ON_JOBS_READY,
            "action_type": "schedule_nodes",
            "action_config": {
                "scheduler_type": SLURM,
                "scheduler_id": self.scheduler_config_id,
                "num_allocations": self.allocations,
            },
            "job_ids": list(self.job_ids),
            "trigger_count": self.ready,
            "required_triggers": len(self.job_ids),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """``modified`` is the file's modification time in seconds since the epoch, if it exists."""

    name: str
    path: str
    modified: float | None = None

    def body(self, workflow_id: int) -> dict[str, Any]:
        return _without_nulls(
            {
                "workflow_id": workflow_id,
                "name": self.name,
                "path": self.path,
                "st_mtime": self.modified,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUserData:
    """``data`` is any JSON value; None if a job produces it."""

    name: str
    data: Any = None
    is_ephemeral: bool = False

    def body(self, workflow_id: int) -> dict[str, Any]:
        return _without_nulls(
            {
                "workflow_id": workflow_id,
                "name": self.name,
                "data": self.data,
                "is_ephemeral": self.is_ephemeral,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job; it refers to other jobs, files and user data by their ids on the server."""

    name: str
    command: str
    invocation_script: str | None = None
    depends_on_job_ids: tuple[int, ...] = ()
    input_file_ids: tuple[int, ...] = ()
    output_file_ids: tuple[int, ...] = ()
    input_user_data_ids: tuple[int, ...] = ()
    output_user_data_ids: tuple[int, ...] = ()
    requirements_id: int | None = None
    cancel_on_blocking_job_failure: bool = True
    supports_termination: bool = False
    priority: int | None = None  # 1.0 only
    scheduler_config_id: int | None = None
    env: Mapping[str, str] = field(default_factory=dict)  # 1.0 only

    def body(self, workflow_id: int) -> dict[str, Any]:
        return _without_nulls(
            {
                "workflow_id": workflow_id,
                "name": self.name,
                "command": self.command,
                "env": dict(self.env) or None,
                "invocation_script": self.invocation_script,
                "depends_on_job_ids": list(self.depends_on_job_ids) or None,
                "input_file_ids": list(self.input_file_ids) or None,
                "output_file_ids": list(self.output_file_ids) or None,
                "input_user_data_ids": list(self.input_user_data_ids) or None,
                "output_user_data_ids": list(self.output_user_data_ids) or None,
                "resource_requirements_id": self.requirements_id,
                "cancel_on_blocking_job_failure": self.cancel_on_blocking_job_failure,
                "supports_termination": self.supports_termination,
                "priority": self.priority,
                "scheduler_id": self.scheduler_config_id,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewResult:
    """The result of an attempt. ``completed_at`` has a time zone; CPU in percent of one CPU."""

    workflow_id: int
    run_id: int
    attempt: int
    compute_node_id: int
    status: JobStatus
    return_code: int
    exec_seconds: float
    completed_at: datetime
    peak_memory: int | None = None
    average_memory: int | None = None
    peak_cpu_percent: float | None = None
    average_cpu_percent: float | None = None

    def body(self, job_id: int) -> dict[str, Any]:
        return _without_nulls(
            {
                "job_id": job_id,
                "workflow_id": self.workflow_id,
                "run_id": self.run_id,
                "attempt_id": self.attempt,
                "compute_node_id": self.compute_node_id,
                "status": self.status.value,
                "return_code": self.return_code,
                "exec_time_minutes": self.exec_seconds / 60,
                "completion_time": self.completed_at.isoformat(),
                "peak_memory_bytes": self.peak_memory,
                "avg_memory_bytes": self.average_memory,
                "peak_cpu_percent": self.peak_cpu_percent,
                "avg_cpu_percent": self.average_cpu_percent,
            }
        )


def _without_nulls(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}
