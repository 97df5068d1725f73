"""What clients may send: a missing or wrongly typed field is refused with 400 or 422.

A model's fields are also the columns that are shown of its table. Unknown fields are ignored.
Where Torc takes a value for well formed and refuses it all the same, the error's type is "refused".
"""

import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from torc_watch.core.model import JobStatus
from torc_watch.sandbox.server.transitions import STATUSES


def _known(status: JobStatus) -> JobStatus:
    if status not in STATUSES:
        raise ValueError(f"unknown status {status}")
    return status


def _standard(value: Any) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError as error:
        raise PydanticCustomError("json_invalid", "no JSON value") from error
    return value


def _natural(priority: int) -> int:
    if priority < 0:
        raise PydanticCustomError("refused", "a priority is 0 or more")
    return priority


Status = Annotated[JobStatus, AfterValidator(_known)]
# Any JSON value; NaN and infinity, which the parser lets pass, are none.
Json = Annotated[Any, AfterValidator(_standard)]
# The first wrong entry is enough to refuse a list: there may be millions.
Entry = TypeVar("Entry")
Batch = Annotated[list[Entry], Field(fail_fast=True)]
Ids = Batch[int] | None
Priority = Annotated[int, AfterValidator(_natural)] | None


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class OfWorkflow(Strict):
    workflow_id: int


class WorkflowBase(Strict):
    name: str
    user: str
    description: str | None = None
    timestamp: str | None = None
    project: str | None = None
    compute_node_expiration_buffer_seconds: int | None = None
    compute_node_wait_for_new_jobs_seconds: int | None = None
    compute_node_ignore_workflow_completion: bool | None = None
    compute_node_wait_for_healthy_database_minutes: int | None = None
    compute_node_min_time_for_new_jobs_seconds: int | None = None
    use_pending_failed: bool | None = None


class WorkflowV0(WorkflowBase):
    metadata: str | None = None
    resource_monitor_config: str | None = None
    slurm_defaults: str | None = None
    jobs_sort_method: Literal["gpus_runtime_memory", "gpus_memory_runtime", "none"] | None = None
    status_id: int | None = None


class WorkflowV1(WorkflowBase):
    metadata: dict[str, Json] | None = None
    resource_monitor_config: dict[str, Json] | None = None
    slurm_defaults: dict[str, Json] | None = None
    execution_config: dict[str, Json] | None = None
    dynamic_jobs: dict[str, Json] | None = None
    submission_directory: str | None = None


class WorkflowStatus(Strict):
    is_canceled: bool
    is_archived: bool | None = None
    run_id: int
    has_detected_need_to_run_completion_script: bool | None = None


class Archiving(Strict):
    is_archived: bool


class JobV0(OfWorkflow):
    name: str
    command: str
    invocation_script: str | None = None
    status: Status | None = None
    cancel_on_blocking_job_failure: bool | None = None
    supports_termination: bool | None = None
    resource_requirements_id: int | None = None
    scheduler_id: int | None = None
    attempt_id: int | None = None


class JobV1(JobV0):
    priority: Priority = None
    origin: str | None = None
    start_time: str | None = None
    compute_node_id: int | None = None


class Relations(Strict):
    """What a job's body says besides its own columns."""

    depends_on_job_ids: Ids = None
    input_file_ids: Ids = None
    output_file_ids: Ids = None
    input_user_data_ids: Ids = None
    output_user_data_ids: Ids = None


class RelatedJobV0(JobV0, Relations):
    pass


class RelatedJobV1(JobV1, Relations):
    pass


class JobsV0(Strict):
    jobs: Batch[RelatedJobV0]


class JobsV1(Strict):
    jobs: Batch[RelatedJobV1]


class RequirementsV0(OfWorkflow):
    name: str
    num_cpus: int
    num_gpus: int
    num_nodes: int
    memory: str
    runtime: str


class RequirementsV1(RequirementsV0):
    num_cpus: int = 1
    num_gpus: int = 0
    num_nodes: int = 1
    memory: str = "1m"
    runtime: str = "PT1M"


class Result(OfWorkflow):
    job_id: int
    run_id: int
    attempt_id: int | None = None
    compute_node_id: int
    return_code: int
    exec_time_minutes: float
    completion_time: str
    status: Status
    peak_memory_bytes: int | None = None
    avg_memory_bytes: int | None = None
    peak_cpu_percent: float | None = None
    avg_cpu_percent: float | None = None


class File(OfWorkflow):
    name: str
    path: str
    st_mtime: float | None = None


class UserData(OfWorkflow):
    name: str
    is_ephemeral: bool | None = None
    data: Json = None


class Files(Strict):
    files: Batch[File]


class UserDataList(Strict):
    user_data: Batch[UserData]


class LocalScheduler(OfWorkflow):
    """Its name is sent, and not kept."""

    memory: str | None = None
    num_cpus: int | None = None


class SlurmScheduler(OfWorkflow):
    name: str | None = None
    account: str
    nodes: int
    walltime: str
    gres: str | None = None
    mem: str | None = None
    ntasks_per_node: int | None = None
    partition: str | None = None
    qos: str | None = None
    tmp: str | None = None
    extra: str | None = None


class SlurmSchedulerV1(SlurmScheduler):
    serialize_allocations: bool = False


class ScheduledComputeNode(OfWorkflow):
    scheduler_id: int
    scheduler_config_id: int
    scheduler_type: str
    status: str


class ComputeNodeV0(OfWorkflow):
    hostname: str
    pid: int
    start_time: str
    duration_seconds: float | None = None
    is_active: bool | None = None
    num_cpus: int
    memory_gb: float
    num_gpus: int
    num_nodes: int
    time_limit: str | None = None
    scheduler_config_id: int | None = None
    compute_node_type: str
    scheduler: Json = None


class ComputeNodeV1(ComputeNodeV0):
    end_time: str | None = None
    sample_count: int | None = None
    peak_memory_bytes: int | None = None
    avg_memory_bytes: int | None = None
    peak_cpu_percent: float | None = None
    avg_cpu_percent: float | None = None


class SlurmStats(OfWorkflow):
    job_id: int
    run_id: int
    attempt_id: int
    slurm_job_id: str | None = None
    max_rss_bytes: int | None = None
    max_vm_size_bytes: int | None = None
    max_disk_read_bytes: int | None = None
    max_disk_write_bytes: int | None = None
    ave_cpu_seconds: float | None = None
    node_list: str | None = None


class NodeResources(Strict):
    num_cpus: int
    memory_gb: float
    num_gpus: int
    num_nodes: int
    time_limit: str | None = None
    scheduler_config_id: int | None = None


class Action(OfWorkflow):
    trigger_type: str
    action_type: str
    action_config: Json
    job_ids: Ids = None
    trigger_count: int = 0
    required_triggers: int = 1
    executed: bool = False
    executed_at: str | None = None
    executed_by: int | None = None
    persistent: bool = False
    is_recovery: bool = False


class ActionClaim(Strict):
    compute_node_id: int | None = None


class Completion(Strict):
    job_id: int
    run_id: int
    status: Status
    result: Result


class Completions(Strict):
    completions: Batch[Completion]
