"""Validates the server's JSON with pydantic and converts it to core values.

The same rows read both API versions: fields that one of them lacks are optional, unknown fields are
ignored. A required field that is missing or has the wrong type raises ServerFault with its name.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from torc_watch.core.errors import InvalidQuantity, ServerFault
from torc_watch.core.model import (
    SLURM,
    STEP_MODES,
    Allocation,
    ComputeNode,
    Dependent,
    Job,
    JobCounts,
    JobResult,
    JobStatus,
    KillCodes,
    Requirements,
    SchedulerConfig,
    SchedulingAction,
    StepUsage,
    Workflow,
)
from torc_watch.core.units import counted_duration, parse_duration, parse_memory
from torc_watch.torc import slurm_quantities

_STATUSES = {status.value: status for status in JobStatus}


def parse_status(name: Any) -> JobStatus:
    """The job status with this name; UNRECOGNIZED for an unknown name."""
    if not isinstance(name, str):
        return JobStatus.UNRECOGNIZED
    return _STATUSES.get(name, JobStatus.UNRECOGNIZED)


def _if_null(default: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: default if value is None else value)


_JobStatus = Annotated[JobStatus, BeforeValidator(parse_status)]
_Flag = Annotated[bool, _if_null(False)]


def parse_time(text: Any) -> datetime | None:
    """An aware time; None for what is not a time. Without a time zone it is in UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_Time = Annotated[datetime | None, BeforeValidator(parse_time)]


class WireRow(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class IdRow(WireRow):
    id: int


class RawRow(IdRow):
    """With all that the server sends."""

    model_config = ConfigDict(extra="allow")


WireRowT = TypeVar("WireRowT", bound=WireRow)


def parse(row: type[WireRowT], answer: Any, path: str) -> WireRowT:
    """Parses the answer to a request of ``path``. Raises ServerFault with the field's name."""
    try:
        return row.model_validate(answer)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(step) for step in problem["loc"]) or "the whole answer"
        raise ServerFault(
            f"The answer to {path} does not match Torc's API: {field}: {problem['msg']}. "
            "The server's version may not be supported."
        ) from error


def parse_ids(answer: Any, key: str, number: int, path: str) -> list[int]:
    """The ids of the ``number`` created objects, which the answer lists under ``key``."""
    items = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(items, list) or len(items) != number:
        raise ServerFault(
            f"The answer to {path} does not list the {number} objects that were sent. Check what "
            "was created before sending them again."
        )
    return [parse(IdRow, item, path).id for item in items]


class ListPage(WireRow):
    items: list[Any]
    has_more: bool
    total_count: int


class WorkflowFlags(WireRow):
    """Part of the workflow's status row on 0.12, and of the workflow itself on 1.0."""

    is_canceled: _Flag = False
    is_archived: _Flag = False


class WorkflowRunRow(WorkflowFlags):
    run_id: int


class WorkflowStatusRow(WorkflowRunRow):
    """The complete answer of 0.12 to ``/workflows/{id}/status``; it is changed and sent back."""

    id: int | None = None
    has_detected_need_to_run_completion_script: _Flag = False


class ExecutionConfigRow(WireRow):
    """The ``execution_config`` of a workflow of 1.0."""

    oom_exit_code: int | None = None
    timeout_exit_code: int | None = None
    limit_resources: Annotated[bool, _if_null(True)] = True
    mode: Any = None
    sigterm_lead_seconds: int | None = None

    def kill_codes(self) -> KillCodes:
        chosen = {"memory": self.oom_exit_code, "runtime": self.timeout_exit_code}
        return KillCodes(**{what: code for what, code in chosen.items() if code is not None})


# What is invalid in it must not make the whole row unreadable.
_UNLESS_OBJECT = BeforeValidator(lambda value: value if isinstance(value, dict) else {})


class WorkflowRow(WorkflowFlags, IdRow):
    name: str
    user: str
    timestamp: Annotated[str, _if_null("")] = ""
    run_id: int | None = None
    execution_config: Annotated[ExecutionConfigRow, _UNLESS_OBJECT] = ExecutionConfigRow()
    use_pending_failed: _Flag = False
    submission_directory: str | None = None
    compute_node_wait_for_new_jobs_seconds: int | None = None

    def to_model(self, run_id: int, flags: WorkflowFlags) -> Workflow:
        return Workflow(
            id=self.id,
            name=self.name,
            user=self.user,
            created=self.timestamp,
            run_id=run_id,
            is_canceled=flags.is_canceled,
            is_archived=flags.is_archived,
            kill_codes=self.execution_config.kill_codes(),
            limits_memory=self.execution_config.limit_resources,
            use_pending_failed=self.use_pending_failed,
            submission_directory=self.submission_directory,
            spreads_jobs=self.execution_config.mode in STEP_MODES,
            sigterm_lead=self.execution_config.sigterm_lead_seconds,
            wait_for_new_jobs=self.compute_node_wait_for_new_jobs_seconds,
        )


class WorkflowConfigRow(WireRow):
    """What 1.0 requires of a change to a workflow's configuration, which it replaces as a whole.

    It keeps all other fields that are not sent.
    """

    name: str
    user: str
    execution_config: Annotated[dict[str, Any], _UNLESS_OBJECT] = Field(default_factory=dict)


class JobCountsRow(WireRow):
    """The answer of 1.0 to ``/workflows/{id}/status``."""

    jobs_by_status: dict[str, int]

    def to_model(self) -> JobCounts:
        counts: dict[JobStatus, int] = {}
        for name, count in self.jobs_by_status.items():
            status = parse_status(name)
            counts[status] = counts.get(status, 0) + count
        return JobCounts(counts)


class DependencyRow(WireRow):
    job_id: int
    job_name: str
    depends_on_job_id: int

    def to_model(self) -> Dependent:
        return Dependent(
            job_id=self.job_id, job_name=self.job_name, depends_on=self.depends_on_job_id
        )


class TaskRow(IdRow):
    """What a server of Torc 1.0 does in the background."""

    status: str
    error: str | None = None

    @property
    def has_ended(self) -> bool:
        return self.status not in ("queued", "running")

    @property
    def has_succeeded(self) -> bool:
        return self.status == "succeeded"


class ActiveTaskRow(WireRow):
    task: TaskRow | None = None


class CompleteRow(WireRow):
    is_complete: bool


class JobRow(IdRow):
    workflow_id: int
    name: str
    command: str
    status: _JobStatus = JobStatus.UNRECOGNIZED
    resource_requirements_id: int | None = None
    attempt_id: Annotated[int, _if_null(1)] = 1
    start_time: _Time = None
    scheduler_id: int | None = None
    labels: Annotated[list[str], _if_null([])] = []
    failure_handler_id: int | None = None

    def to_model(self) -> Job:
        return Job(
            id=self.id,
            name=self.name,
            command=self.command,
            status=self.status,
            requirements_id=self.resource_requirements_id,
            attempt=self.attempt_id,
            started=self.start_time,
            scheduler_config_id=self.scheduler_id or None,  # some answers of 1.0 have 0 for none
            labels=frozenset(self.labels),
            has_failure_handler=bool(self.failure_handler_id),
        )


class ResultRow(IdRow):
    job_id: int
    run_id: int
    attempt_id: Annotated[int, _if_null(1)] = 1
    status: _JobStatus = JobStatus.UNRECOGNIZED
    return_code: int
    exec_time_minutes: float
    peak_memory_bytes: int | None = None
    peak_cpu_percent: float | None = None
    compute_node_id: int | None = None
    completion_time: _Time = None

    def to_model(self) -> JobResult:
        return JobResult(
            job_id=self.job_id,
            run_id=self.run_id,
            attempt=self.attempt_id,
            status=self.status,
            return_code=self.return_code,
            exec_seconds=self.exec_time_minutes * 60,
            peak_memory=self.peak_memory_bytes,
            compute_node_id=self.compute_node_id,
            completed=self.completion_time,
            peak_cpu=self.peak_cpu_percent,
        )


class SlurmStatsRow(IdRow):
    job_id: int
    run_id: int
    attempt_id: Annotated[int, _if_null(1)] = 1
    max_rss_bytes: int | None = None
    node_list: Annotated[str, _if_null("")] = ""

    def to_model(self) -> StepUsage:
        return StepUsage(
            job_id=self.job_id,
            run_id=self.run_id,
            attempt=self.attempt_id,
            peak_memory=self.max_rss_bytes,
            nodes=self.node_list,
        )


class RequirementsRow(IdRow):
    name: str
    num_cpus: Annotated[int, _if_null(1)] = 1
    num_gpus: Annotated[int, _if_null(0)] = 0
    num_nodes: Annotated[int, _if_null(1)] = 1
    memory: str | None = None
    runtime: str | None = None

    def to_model(self) -> Requirements:
        runtime = _parse_or_none(self.runtime, parse_duration)
        counted = _parse_or_none(self.runtime, counted_duration)
        return Requirements(
            id=self.id,
            name=self.name,
            num_cpus=self.num_cpus,
            num_gpus=self.num_gpus,
            num_nodes=self.num_nodes,
            memory=_parse_or_none(self.memory, parse_memory),
            runtime=runtime,
            counted_runtime=None if counted == runtime else counted,
        )


def _parse_or_none(text: str | None, parse: Callable[[str], int]) -> int | None:
    if text is None:
        return None
    try:
        return parse(text)
    except InvalidQuantity:
        return None


class AllocationRow(IdRow):
    scheduler_id: int
    scheduler_config_id: int
    scheduler_type: str
    status: str

    def to_model(self) -> Allocation:
        return Allocation(**self.model_dump())


class ComputeNodeRow(IdRow):
    """``is_active`` is ignored: a Slurm worker of 0.12 does not set it while it is alive."""

    hostname: str
    pid: int
    workflow_id: int
    start_time: _Time = None
    end_time: _Time = None
    duration_seconds: float | None = None
    compute_node_type: str | None = None
    num_nodes: Annotated[int, _if_null(1)] = 1
    scheduler: Any = None

    def seconds_until(self, now: datetime) -> float:
        """Seconds since the worker's start; 0 if its start time is not valid."""
        if self.start_time is None:
            return 0.0
        return max(0.0, (now - self.start_time).total_seconds())

    def to_model(self) -> ComputeNode:
        return ComputeNode(
            id=self.id,
            hostname=self.hostname,
            pid=self.pid,
            allocation_id=self._allocation_id(),
            has_ended=self.duration_seconds is not None,
            started=self.start_time,
            limit=self.end_time,
            seconds=self.duration_seconds,
            num_nodes=self.num_nodes,
            is_of_slurm=self.compute_node_type == SLURM,
        )

    def _allocation_id(self) -> int | None:
        match self.scheduler:
            case {"scheduler_id": int(allocation_id)}:
                return allocation_id
            case _:
                return None


class LocalSchedulerRow(IdRow):
    name: Annotated[str, _if_null("default")] = "default"
    num_cpus: Annotated[int, _if_null(1)] = 1
    memory: str | None = None

    def to_model(self) -> SchedulerConfig:
        return SchedulerConfig(
            id=self.id,
            name=self.name,
            scheduler_type="local",
            num_cpus=self.num_cpus,
            memory=_parse_or_none(self.memory, parse_memory),
        )


class SlurmSchedulerRow(IdRow):
    """``extra`` is one line of options of sbatch; ``ntasks_per_node`` is never given to Slurm."""

    name: Annotated[str, _if_null("default")] = "default"
    nodes: Annotated[int, _if_null(1)] = 1
    walltime: Annotated[str, _if_null("")] = ""
    mem: Annotated[str, _if_null("")] = ""
    gres: Annotated[str, _if_null("")] = ""
    extra: Annotated[str, _if_null("")] = ""
    account: Annotated[str, _if_null("")] = ""
    partition: Annotated[str, _if_null("")] = ""
    qos: Annotated[str, _if_null("")] = ""
    tmp: Annotated[str, _if_null("")] = ""

    def to_model(self) -> SchedulerConfig:
        return SchedulerConfig(
            id=self.id,
            name=self.name,
            scheduler_type="slurm",
            num_cpus=slurm_quantities.read_cpus_per_task(self.extra),
            memory=slurm_quantities.read_memory(self.mem),
            num_gpus=slurm_quantities.read_gpus(self.gres) or 0,
            num_nodes=self.nodes,
            runtime=slurm_quantities.read_time(self.walltime),
            partitions=slurm_quantities.read_partitions(" ".join(self._options())),
            options=self._options(),
        )

    def _options(self) -> tuple[str, ...]:
        named = {
            "account": self.account,
            "partition": self.partition,
            "qos": self.qos,
            "gres": self.gres,
            "tmp": self.tmp,
        }
        options = [f"--{name}={value}" for name, value in named.items() if value]
        return (*options, self.extra) if self.extra else tuple(options)


class ActionRow(IdRow):
    trigger_type: str
    action_type: str
    action_config: Annotated[dict[str, Any], _UNLESS_OBJECT]
    job_ids: list[int] | None = None
    trigger_count: int
    required_triggers: int
    executed: bool
    persistent: _Flag = False

    @property
    def schedules(self) -> bool:
        """Whether it is claimed once, and its worker then submits allocations to Slurm."""
        is_for_slurm = self.action_config.get("scheduler_type") == SLURM
        return self.action_type == "schedule_nodes" and is_for_slurm and not self.persistent

    def to_model(self) -> SchedulingAction:
        return SchedulingAction(
            id=self.id,
            trigger=self.trigger_type,
            job_ids=frozenset(self.job_ids or ()),
            is_triggered=self.trigger_count >= self.required_triggers,
            is_executed=self.executed,
        )


class FileRow(IdRow):
    path: str


class JobFilesRow(JobRow):
    input_file_ids: Annotated[list[int], _if_null([])] = []
    output_file_ids: Annotated[list[int], _if_null([])] = []


class ClaimedJobRow(JobRow):
    invocation_script: str | None = None
    output_file_ids: Annotated[list[int], _if_null([])] = []
    env: Annotated[dict[str, str], _if_null({})] = {}


class ClaimRow(WireRow):
    jobs: Annotated[list[ClaimedJobRow], _if_null([])] = []
