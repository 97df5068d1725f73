"""The bodies of requests: a missing or wrongly typed field is refused with 400 or 422.

A model's fields are also the columns of its table that responses show. Unknown fields are ignored.
In names, V0 is API 0.12 and V1 is API 1.0.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from torc_watch.sandbox.server.body_fields import (
    Batch,
    Environment,
    Ids,
    JsonValue,
    Priority,
    Status,
)


class RequestBody(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class WorkflowItem(RequestBody):
    workflow_id: int


class WorkflowBase(RequestBody):
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
    metadata: dict[str, JsonValue] | None = None
    resource_monitor_config: dict[str, JsonValue] | None = None
    slurm_defaults: dict[str, JsonValue] | None = None
    execution_config: dict[str, JsonValue] | None = None
    dynamic_jobs: dict[str, JsonValue] | None = None
    submission_directory: str | None = None
    env: Environment = None


class WorkflowStatus(RequestBody):
    is_canceled: bool
    is_archived: bool | None = None
    run_id: int
    has_detected_need_to_run_completion_script: bool | None = None


class ArchiveRequest(RequestBody):
    is_archived: bool


class JobV0(WorkflowItem):
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
    env: Environment = None
    origin: str | None = None
    start_time: str | None = None
    compute_node_id: int | None = None


class Relations(RequestBody):
    """The related ids in a job's body, which are not columns of the job."""

    depends_on_job_ids: Ids = None
    input_file_ids: Ids = None
    output_file_ids: Ids = None
    input_user_data_ids: Ids = None
    output_user_data_ids: Ids = None


class RelatedJobV0(JobV0, Relations):
    pass


class RelatedJobV1(JobV1, Relations):
    pass


class JobsV0(RequestBody):
    jobs: Batch[RelatedJobV0]


class JobsV1(RequestBody):
    jobs: Batch[RelatedJobV1]


class RequirementsV0(WorkflowItem):
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


class Result(WorkflowItem):
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


class File(WorkflowItem):
    name: str
    path: str
    st_mtime: float | None = None


class UserData(WorkflowItem):
    name: str
    is_ephemeral: bool | None = None
    data: JsonValue = None


class Files(RequestBody):
    files: Batch[File]


class UserDataList(RequestBody):
    user_data: Batch[UserData]


class LocalSchedulerConfig(WorkflowItem):
    """Clients send a name, which is not stored."""

    memory: str | None = None
    num_cpus: int | None = None


class SlurmSchedulerConfig(WorkflowItem):
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


class SlurmSchedulerConfigV1(SlurmSchedulerConfig):
    serialize_allocations: bool = False


class ScheduledComputeNode(WorkflowItem):
    scheduler_id: int
    scheduler_config_id: int
    scheduler_type: str
    status: str


class ComputeNodeV0(WorkflowItem):
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
    scheduler: JsonValue = None


class ComputeNodeV1(ComputeNodeV0):
    end_time: str | None = None
    sample_count: int | None = None
    peak_memory_bytes: int | None = None
    avg_memory_bytes: int | None = None
    peak_cpu_percent: float | None = None
    avg_cpu_percent: float | None = None


class SlurmStats(WorkflowItem):
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


class NodeResources(RequestBody):
    num_cpus: int
    memory_gb: float
    num_gpus: int
    num_nodes: int
    time_limit: str | None = None
    scheduler_config_id: int | None = None


class WorkflowAction(WorkflowItem):
    trigger_type: str
    action_type: str
    action_config: JsonValue
    job_ids: Ids = None
    trigger_count: int = 0
    required_triggers: int = 1
    executed: bool = False
    executed_at: str | None = None
    executed_by: int | None = None
    persistent: bool = False
    is_recovery: bool = False


class ActionClaim(RequestBody):
    compute_node_id: int | None = None


class Completion(RequestBody):
    job_id: int
    run_id: int
    status: Status
    result: Result


class Completions(RequestBody):
    completions: Batch[Completion]
