"""The server's JSON, validated, and turned into values of the core.

Both dialects are read by the same rows: fields that one of them lacks are optional, unknown fields
are ignored. A missing or mistyped field that is needed raises ServerFault and is named.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from torc_watch.core.dependents import Dependent
from torc_watch.core.errors import InvalidQuantity, ServerFault
from torc_watch.core.model import (
    Allocation,
    ComputeNode,
    Job,
    JobCounts,
    JobResult,
    JobStatus,
    KillCodes,
    LocalScheduler,
    Requirements,
    Workflow,
)
from torc_watch.core.units import parse_duration, parse_memory

_STATUSES = {status.value: status for status in JobStatus}


def status_of(word: Any) -> JobStatus:
    """The job status of a server's word; UNRECOGNIZED for any that is not known here."""
    if not isinstance(word, str):
        return JobStatus.UNRECOGNIZED
    return _STATUSES.get(word, JobStatus.UNRECOGNIZED)


def _if_null(default: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: default if value is None else value)


Status = Annotated[JobStatus, BeforeValidator(status_of)]
Flag = Annotated[bool, _if_null(False)]


class Row(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class IdRow(Row):
    id: int


RowT = TypeVar("RowT", bound=Row)


def read(row: type[RowT], answer: Any, path: str) -> RowT:
    """``answer`` to a request of ``path`` as a ``row``. Raises ServerFault naming the field."""
    try:
        return row.model_validate(answer)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(step) for step in problem["loc"]) or "the whole answer"
        raise ServerFault(
            f"The answer to {path} is not what Torc's API promises: {field}: {problem['msg']}. "
            "The server may be of a version that is not supported."
        ) from error


def read_ids(answer: Any, key: str, number: int, path: str) -> list[int]:
    """The ids of the ``number`` things that the server says it created, listed under ``key``."""
    items = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(items, list) or len(items) != number:
        raise ServerFault(
            f"The answer to {path} does not list the {number} things that were sent. Look at what "
            "was created before sending them again."
        )
    return [read(IdRow, item, path).id for item in items]


class Page(Row):
    items: list[Any]
    has_more: bool
    total_count: int


class WorkflowFlags(Row):
    """Where a workflow stands: with its status on 0.12, on the workflow itself on 0.35."""

    is_canceled: Flag = False
    is_archived: Flag = False


class WorkflowRunRow(WorkflowFlags):
    run_id: int


class WorkflowStatusRow(WorkflowRunRow):
    """The whole answer of 0.12 to ``/workflows/{id}/status``, to be changed and sent back."""

    id: int | None = None
    has_detected_need_to_run_completion_script: Flag = False


class ExecutionRow(Row):
    """How a workflow of 0.35 wants its jobs to be run."""

    oom_exit_code: int | None = None
    timeout_exit_code: int | None = None
    limit_resources: Annotated[bool, _if_null(True)] = True

    def kill_codes(self) -> KillCodes:
        chosen = {"memory": self.oom_exit_code, "runtime": self.timeout_exit_code}
        return KillCodes(**{what: code for what, code in chosen.items() if code is not None})


# Nothing of a workflow is worth less than to know how it stands.
_UNLESS_OBJECT = BeforeValidator(lambda value: value if isinstance(value, dict) else {})


class WorkflowRow(WorkflowFlags, IdRow):
    name: str
    user: str
    timestamp: Annotated[str, _if_null("")] = ""
    run_id: int | None = None
    execution_config: Annotated[ExecutionRow, _UNLESS_OBJECT] = ExecutionRow()
    use_pending_failed: Flag = False

    def to_model(self, run_id: int, standing: WorkflowFlags) -> Workflow:
        return Workflow(
            id=self.id,
            name=self.name,
            user=self.user,
            created=self.timestamp,
            run_id=run_id,
            is_canceled=standing.is_canceled,
            is_archived=standing.is_archived,
            kill_codes=self.execution_config.kill_codes(),
            limits_memory=self.execution_config.limit_resources,
            use_pending_failed=self.use_pending_failed,
        )


class JobCountsRow(Row):
    """The answer of 0.35 to ``/workflows/{id}/status``."""

    jobs_by_status: dict[str, int]

    def to_model(self) -> JobCounts:
        counts: dict[JobStatus, int] = {}
        for word, count in self.jobs_by_status.items():
            status = status_of(word)
            counts[status] = counts.get(status, 0) + count
        return JobCounts(counts)


class DependencyRow(Row):
    job_id: int
    job_name: str
    depends_on_job_id: int

    def to_model(self) -> Dependent:
        return Dependent(
            job_id=self.job_id, job_name=self.job_name, depends_on=self.depends_on_job_id
        )


class CompleteRow(Row):
    is_complete: bool


class UninitializedRow(Row):
    is_uninitialized: bool


class JobRow(IdRow):
    workflow_id: int
    name: str
    command: str
    status: Status = JobStatus.UNRECOGNIZED
    resource_requirements_id: int | None = None
    attempt_id: Annotated[int, _if_null(1)] = 1

    def to_model(self) -> Job:
        return Job(
            id=self.id,
            name=self.name,
            command=self.command,
            status=self.status,
            requirements_id=self.resource_requirements_id,
            attempt=self.attempt_id,
        )


class ResultRow(IdRow):
    job_id: int
    run_id: int
    attempt_id: Annotated[int, _if_null(1)] = 1
    status: Status = JobStatus.UNRECOGNIZED
    return_code: int
    exec_time_minutes: float
    peak_memory_bytes: int | None = None
    compute_node_id: int | None = None

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
        )


class RequirementsRow(IdRow):
    name: str
    num_cpus: Annotated[int, _if_null(1)] = 1
    num_gpus: Annotated[int, _if_null(0)] = 0
    num_nodes: Annotated[int, _if_null(1)] = 1
    memory: str | None = None
    runtime: str | None = None

    def to_model(self) -> Requirements:
        return Requirements(
            id=self.id,
            name=self.name,
            num_cpus=self.num_cpus,
            num_gpus=self.num_gpus,
            num_nodes=self.num_nodes,
            memory=_readable(self.memory, parse_memory),
            runtime=_readable(self.runtime, parse_duration),
        )


def _readable(text: str | None, parse: Callable[[str], int]) -> int | None:
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
    """``is_active`` is not read: a Slurm worker of 0.12 leaves it unset while it is alive."""

    hostname: str
    pid: int
    workflow_id: int
    start_time: str = ""
    duration_seconds: float | None = None
    scheduler: Any = None

    def seconds_until(self, now: datetime) -> float:
        """Time since the worker's start; 0 when nobody can read when that was."""
        try:
            started = datetime.fromisoformat(self.start_time)
        except ValueError:
            return 0.0
        if started.tzinfo is None:
            started = started.replace(tzinfo=UTC)
        return max(0.0, (now - started).total_seconds())

    def to_model(self) -> ComputeNode:
        return ComputeNode(
            id=self.id,
            hostname=self.hostname,
            pid=self.pid,
            allocation_id=self._allocation_id(),
            has_ended=self.duration_seconds is not None,
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

    def to_model(self) -> LocalScheduler:
        return LocalScheduler(
            id=self.id,
            name=self.name,
            num_cpus=self.num_cpus,
            memory=_readable(self.memory, parse_memory),
        )


class FileRow(IdRow):
    path: str


class ClaimedJobRow(JobRow):
    invocation_script: str | None = None
    output_file_ids: Annotated[list[int], _if_null([])] = []


class ClaimRow(Row):
    jobs: Annotated[list[ClaimedJobRow], _if_null([])] = []
