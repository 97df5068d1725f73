"""The calls that torc-watch makes to a Torc server, in either API version.

Every call may raise a subclass of ServerError. After a lost answer to a change, read the state
again: only calls that are safe to repeat are retried.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Self

from torc_watch.core.allocation import AllocationShape
from torc_watch.core.errors import AnswerTooLarge, Conflict, NotFound, SchedulerError
from torc_watch.core.model import (
    Allocation,
    ComputeNode,
    Dependent,
    Job,
    JobCounts,
    JobResult,
    JobStatus,
    Requirements,
    SchedulerConfig,
    StepUsage,
    Workflow,
)
from torc_watch.core.units import format_memory
from torc_watch.torc import runs, wire
from torc_watch.torc.answer_limits import BATCH_SIZE, LIST_BYTES, LONG_CALL_SECONDS, PAGE_SIZES
from torc_watch.torc.api_version import ApiVersion, detect_api_version
from torc_watch.torc.concurrency import gather
from torc_watch.torc.job_initialization import JobInitialization, Progress, with_reports
from torc_watch.torc.pagination import count, fetch, list_all, newest, newest_page, pages
from torc_watch.torc.requests import (
    NewFile,
    NewJob,
    NewRequirements,
    NewResult,
    NewSlurmScheduler,
    NewUserData,
    NewWorkflow,
)
from torc_watch.torc.transport import Transport

_SchedulerRow = type[wire.LocalSchedulerRow] | type[wire.SlurmSchedulerRow]
_SCHEDULER_ROWS: Mapping[str, tuple[str, _SchedulerRow]] = {
    "local": ("/local_schedulers", wire.LocalSchedulerRow),
    "slurm": ("/slurm_schedulers", wire.SlurmSchedulerRow),
}


class TorcClient:
    """``version`` is the server's version text, such as ``0.12.0 (4f1c2d3)``."""

    def __init__(self, transport: Transport, api_version: ApiVersion, version: str) -> None:
        self.transport = transport
        self.api_version = api_version
        self.version = version

    @classmethod
    async def connect(cls, transport: Transport) -> Self:
        """A client in the server's API version; ``transport`` must be open."""
        return cls(transport, *detect_api_version(await transport.get("/version")))

    async def ask_version(self) -> None:
        """Detects the API version again: the server may have been upgraded."""
        self.api_version, self.version = detect_api_version(await self.transport.get("/version"))

    # Workflows

    async def get_workflow(self, workflow_id: int) -> Workflow:
        row = await fetch(self.transport, f"/workflows/{workflow_id}", wire.WorkflowRow)
        return await runs.read_workflow(self.transport, row)

    async def list_workflows(self, *, user: str | None = None) -> list[Workflow]:
        """All workflows, or those of one user. On 0.12 with a request for each workflow."""
        rows = await list_all(self.transport, "/workflows", wire.WorkflowRow, user=user)
        workflows = await gather([partial(self._workflow_if_there, row) for row in rows])
        return [workflow for workflow in workflows if workflow is not None]

    async def _workflow_if_there(self, row: wire.WorkflowRow) -> Workflow | None:
        try:
            return await runs.read_workflow(self.transport, row)
        except NotFound:  # deleted after it was listed
            return None

    async def is_complete(self, workflow_id: int) -> bool:
        """Whether no job is left to run; also true for a canceled workflow."""
        path = f"/workflows/{workflow_id}/is_complete"
        is_complete = (await fetch(self.transport, path, wire.CompleteRow)).is_complete
        if is_complete and self.api_version is ApiVersion.V0_12:
            # 0.12 keeps the status of a deleted workflow and reports it complete: check that the
            # workflow still exists.
            await fetch(self.transport, f"/workflows/{workflow_id}", wire.WorkflowRow)
        return is_complete

    async def create_workflow(self, workflow: NewWorkflow) -> int:
        return await self._create("/workflows", workflow.body(self.api_version))

    async def delete_workflow(self, workflow_id: int) -> None:
        await self.transport.delete(f"/workflows/{workflow_id}", patience=LONG_CALL_SECONDS)

    async def set_sigterm_lead(self, workflow_id: int, seconds: int) -> bool:
        """Sets it where the workflow has none; whether that was so. Not for 0.12, which ignores it.

        Whatever else the workflow has stays as it is.
        """
        path = f"/workflows/{workflow_id}"
        body = (await fetch(self.transport, path, wire.WorkflowConfigRow)).model_dump()
        config = body["execution_config"]
        if config.get("sigterm_lead_seconds") is not None:
            return False
        config["sigterm_lead_seconds"] = seconds
        await self.transport.put(path, body=body)
        return True

    async def advance_run(self, workflow_id: int, *, to_run: int) -> None:
        """Makes ``to_run`` the current run; idempotent. Also clears a cancellation.

        Raises Conflict if the workflow is neither in this run nor in the one before, is archived,
        or has jobs or allocations that may still be running.
        """
        if self.api_version is ApiVersion.V0_12:
            await runs.advance_on_0_12(self.transport, workflow_id, to_run)
        else:
            await runs.advance_on_1_0(self.transport, workflow_id, to_run)

    # Jobs and results

    async def count_jobs(self, workflow_id: int) -> JobCounts:
        """The number of jobs by status. On 0.12 with a request for each status."""
        if self.api_version is ApiVersion.V0_12:
            return await self._count_jobs_one_by_one(workflow_id)
        path = f"/workflows/{workflow_id}/status"
        return (await fetch(self.transport, path, wire.JobCountsRow)).to_model()

    async def _count_jobs_one_by_one(self, workflow_id: int) -> JobCounts:
        statuses = [status for status in JobStatus if status is not JobStatus.UNRECOGNIZED]
        counts = await gather(
            [
                partial(count, self.transport, "/jobs", workflow_id=workflow_id, status=status)
                for status in statuses
            ]
        )
        return JobCounts(dict(zip(statuses, counts, strict=True)))

    async def list_jobs(self, workflow_id: int, status: JobStatus | None = None) -> list[Job]:
        return await self._list_jobs(workflow_id, status=status)

    async def list_active_jobs_on(self, node_id: int, workflow_id: int) -> list[Job]:
        """Jobs that this compute node has started and not reported as ended."""
        return await self._list_jobs(workflow_id, active_compute_node_id=node_id)

    async def _list_jobs(self, workflow_id: int, **filters: Any) -> list[Job]:
        rows = await list_all(
            self.transport, "/jobs", wire.JobRow, workflow_id=workflow_id, **filters
        )
        return [row.to_model() for row in rows]

    async def job_pages(
        self, workflow_id: int, status: JobStatus | None = None
    ) -> AsyncIterator[list[Job]]:
        """The jobs by ID, of which a workflow may have more than should be kept."""
        filters = {"workflow_id": workflow_id, "status": status}
        async for page in pages(self.transport, "/jobs", wire.JobRow, **filters):
            yield [row.to_model() for row in page]

    async def list_dependents(self, workflow_id: int) -> list[Dependent] | None:
        """Which job depends on which; None if one page cannot hold all dependencies."""
        path = f"/workflows/{workflow_id}/job_dependencies"
        try:
            answer = await self.transport.get(path, most=LIST_BYTES, limit=PAGE_SIZES[0])
        except AnswerTooLarge:
            return None
        page = wire.parse(wire.ListPage, answer, path)
        if page.has_more:
            return None
        return [wire.parse(wire.DependencyRow, item, path).to_model() for item in page.items]

    async def get_job(self, job_id: int) -> Job:
        return (await fetch(self.transport, f"/jobs/{job_id}", wire.JobRow)).to_model()

    async def find_job(self, job_id: int) -> tuple[int, Job]:
        """The ID of the job's workflow, and the job."""
        row = await fetch(self.transport, f"/jobs/{job_id}", wire.JobRow)
        return row.workflow_id, row.to_model()

    async def execution_config(self, workflow_id: int) -> Mapping[str, Any]:
        """As the workflow has it; empty on 0.12, and by default."""
        path = f"/workflows/{workflow_id}"
        return (await fetch(self.transport, path, wire.WorkflowConfigRow)).execution_config

    async def list_results(
        self, workflow_id: int, status: JobStatus | None = None, *, all_runs: bool = False
    ) -> list[JobResult]:
        """The current result of each job that has one; with ``all_runs`` those before as well."""
        rows = await list_all(
            self.transport,
            "/results",
            wire.ResultRow,
            workflow_id=workflow_id,
            status=status,
            all_runs="true" if all_runs else None,
        )
        return [row.to_model() for row in rows]

    async def result_pages(
        self, workflow_id: int, status: JobStatus
    ) -> AsyncIterator[list[JobResult]]:
        """The current results, of which a workflow may have more than should be kept."""
        filters = {"workflow_id": workflow_id, "status": status}
        async for page in pages(self.transport, "/results", wire.ResultRow, **filters):
            yield [row.to_model() for row in page]

    async def list_attempts(self, workflow_id: int, job_id: int) -> list[JobResult]:
        """The results of a job in all runs, one page; none of attempts that Torc itself retried."""
        filters = {"workflow_id": workflow_id, "job_id": job_id, "all_runs": "true"}
        rows = await newest(self.transport, "/results", wire.ResultRow, **filters)
        return [row.to_model() for row in rows]

    async def list_completed(self, workflow_id: int) -> tuple[list[Job], list[JobResult]]:
        """Completed jobs and their results, one page of each: the newest of many."""
        chosen = {"workflow_id": workflow_id, "status": JobStatus.COMPLETED}
        results = await newest(self.transport, "/results", wire.ResultRow, **chosen)
        jobs = await newest(self.transport, "/jobs", wire.JobRow, **chosen) if results else []
        return [row.to_model() for row in jobs], [row.to_model() for row in results]

    async def list_step_usage(self, workflow_id: int) -> list[StepUsage]:
        """What Slurm measured of steps, one page; none of servers that do not keep it, as 0.12."""
        if self.api_version is ApiVersion.V0_12:
            return []
        try:
            rows = await newest(
                self.transport, "/slurm_stats", wire.SlurmStatsRow, workflow_id=workflow_id
            )
        except NotFound:
            return []
        return [row.to_model() for row in rows]

    async def has_result(self, job_id: int, result: NewResult) -> bool:
        """Whether the server has a result of the same attempt in the same run."""
        rows = await list_all(
            self.transport,
            "/results",
            wire.ResultRow,
            workflow_id=result.workflow_id,
            job_id=job_id,
            run_id=result.run_id,
            all_runs="true",
        )
        return any(row.attempt_id == result.attempt for row in rows)

    async def create_jobs(self, workflow_id: int, jobs: Sequence[NewJob]) -> list[int]:
        """The ids of the new jobs, in the order of ``jobs``; one request per 1,000 jobs.

        A job can only depend on jobs of earlier calls, whose ids are known.
        """
        bodies = [job.body(workflow_id) for job in jobs]
        return await self._create_many("/bulk_jobs", "jobs", bodies)

    async def set_job_status(self, job_id: int, status: JobStatus, run_id: int) -> None:
        """Sets a status other than a final one. ``run_id`` must be the current run.

        A change from a final status to uninitialized also resets the finished direct dependents.
        """
        path = f"/jobs/{job_id}/manage_status_change/{status.value}/{run_id}"
        # Repeatable for uninitialized only: no worker claims such a job. A ready job may be claimed
        # at once, and a second request would take it from its worker.
        await self.transport.put(path, repeatable=status is JobStatus.UNINITIALIZED)

    async def retry_job(self, job_id: int, *, run_id: int, attempt: int) -> None:
        """The job's next attempt in the same run: it is ready. Its dependents do not change.

        Raises Conflict unless the job has failed, was terminated or counts as running, ``attempt``
        is its last and ``run_id`` the current run.
        """
        await self.transport.post(f"/jobs/{job_id}/retry/{run_id}", max_retries=attempt + 1)

    async def assign_requirements(self, workflow_id: int, job: Job, requirements_id: int) -> None:
        """Replaces the job's resource requirements, in any job status."""
        # The server rejects a body without these, and any change to them.
        unchanged = {"workflow_id": workflow_id, "name": job.name, "command": job.command}
        body = unchanged | {"resource_requirements_id": requirements_id}
        await self.transport.put(f"/jobs/{job.id}", body=body)

    async def assign_scheduler(self, workflow_id: int, job: Job, scheduler_config_id: int) -> None:
        """Ties the job to another row of a Slurm scheduler, in any job status."""
        unchanged = {"workflow_id": workflow_id, "name": job.name, "command": job.command}
        body = unchanged | {"scheduler_id": scheduler_config_id}
        await self.transport.put(f"/jobs/{job.id}", body=body)

    async def complete_job(self, job_id: int, result: NewResult) -> None:
        """Records the result of a job. Raises Conflict if the job has ended already."""
        path = f"/jobs/{job_id}/complete_job/{result.status.value}/{result.run_id}"
        await self.transport.post(path, body=result.body(job_id))

    async def initialize_jobs(
        self, workflow_id: int, *, is_first_start: bool = False, report: Progress | None = None
    ) -> None:
        """Sets uninitialized jobs and their dependents to ready or blocked.

        Terminated, pending_failed, pending and running jobs become ready as well: never call it
        while a job is pending or running. On a first start no job was ever initialized. ``report``
        is told at growing intervals for how many seconds the server has been at it.
        """
        work = JobInitialization(
            transport=self.transport,
            workflow_id=workflow_id,
            is_first_start=is_first_start,
            is_done=partial(self._has_no_uninitialized_job, workflow_id),
        )
        is_0_12 = self.api_version is ApiVersion.V0_12
        call = work.in_one_request if is_0_12 else work.in_the_background
        await with_reports(call, report or (lambda _seconds: None))

    async def _has_no_uninitialized_job(self, workflow_id: int) -> bool:
        return not (await self.count_jobs(workflow_id)).of(JobStatus.UNINITIALIZED)

    # Resource requirements, files and user data

    async def list_requirements(self, workflow_id: int) -> list[Requirements]:
        rows = await list_all(
            self.transport,
            "/resource_requirements",
            wire.RequirementsRow,
            workflow_id=workflow_id,
        )
        return [row.to_model() for row in rows]

    async def create_requirements(self, workflow_id: int, requirements: NewRequirements) -> int:
        return await self._create("/resource_requirements", requirements.body(workflow_id))

    async def create_files(self, workflow_id: int, files: Sequence[NewFile]) -> list[int]:
        """The ids of the new files, in order. On 0.12 with a request for each."""
        bodies = [file.body(workflow_id) for file in files]
        if self.api_version is ApiVersion.V0_12:
            return [await self._create("/files", body) for body in bodies]
        return await self._create_many("/bulk_files", "files", bodies)

    async def create_user_data(
        self, workflow_id: int, user_data: Sequence[NewUserData]
    ) -> list[int]:
        """The ids of the new user data, in order. On 0.12 with a request for each."""
        bodies = [item.body(workflow_id) for item in user_data]
        if self.api_version is ApiVersion.V0_12:
            return [await self._create("/user_data", body) for body in bodies]
        return await self._create_many("/bulk_user_data", "user_data", bodies)

    # Rows as the server sends them

    async def raw_workflow(self, workflow_id: int) -> Mapping[str, Any]:
        path = f"/workflows/{workflow_id}"
        return (await fetch(self.transport, path, wire.RawRow)).model_dump()

    async def newest_rows(
        self, path: str, workflow_id: int, **filters: Any
    ) -> tuple[list[Mapping[str, Any]], int]:
        """One page of a list, the newest rows first, and how many rows there are."""
        page = await newest_page(self.transport, path, workflow_id=workflow_id, **filters)
        rows = [wire.parse(wire.RawRow, item, path) for item in page.items]
        return [row.model_dump() for row in rows], page.total_count

    # Allocations, compute nodes and schedulers

    async def list_allocations(self, workflow_id: int) -> list[Allocation]:
        rows = await list_all(
            self.transport, "/scheduled_compute_nodes", wire.AllocationRow, workflow_id=workflow_id
        )
        return [row.to_model() for row in rows]

    async def create_allocation(
        self,
        workflow_id: int,
        *,
        scheduler_id: int,
        scheduler_config_id: int,
        scheduler_type: str,
        status: str = "pending",
    ) -> int:
        body = {
            "workflow_id": workflow_id,
            "scheduler_id": scheduler_id,
            "scheduler_config_id": scheduler_config_id,
            "scheduler_type": scheduler_type,
            "status": status,
        }
        return await self._create("/scheduled_compute_nodes", body)

    async def set_allocation_status(self, allocation: Allocation, status: str) -> None:
        path = f"/scheduled_compute_nodes/{allocation.id}"
        answer = await self.transport.get(path)
        wire.parse(wire.AllocationRow, answer, path)
        await self.transport.put(path, body=answer | {"status": status})

    async def list_compute_nodes(self, workflow_id: int) -> list[ComputeNode]:
        rows = await list_all(
            self.transport, "/compute_nodes", wire.ComputeNodeRow, workflow_id=workflow_id
        )
        return [row.to_model() for row in rows]

    async def end_compute_node(self, workflow_id: int, node_id: int) -> None:
        """Records that the worker has ended now, unless its end is recorded already."""
        path = f"/compute_nodes/{node_id}"
        answer = await self.transport.get(path)
        row = wire.parse(wire.ComputeNodeRow, answer, path)
        if row.workflow_id != workflow_id:
            raise Conflict(f"Compute node {node_id} does not belong to workflow {workflow_id}.")
        if row.duration_seconds is None:
            duration = row.seconds_until(datetime.now(UTC))
            end = {"is_active": False, "duration_seconds": duration}
            await self.transport.put(path, body=answer | end)

    async def list_scheduler_configs(
        self, workflow_id: int, scheduler_type: str
    ) -> list[SchedulerConfig]:
        """The rows for schedulers of this type; none for a type for which Torc has no rows."""
        if scheduler_type not in _SCHEDULER_ROWS:
            return []
        path, row_type = _SCHEDULER_ROWS[scheduler_type]
        rows = await list_all(self.transport, path, row_type, workflow_id=workflow_id)
        return [row.to_model() for row in rows]

    async def create_scheduler_config(
        self, workflow_id: int, scheduler_type: str, *, name: str, shape: AllocationShape
    ) -> int:
        """A row for local allocations of this shape; Torc does not keep its name.

        Raises SchedulerError for another type: Slurm's row names an account.
        """
        if scheduler_type != "local":
            raise SchedulerError(
                f"Workflow {workflow_id} has no {scheduler_type} scheduler on the server. Add one "
                f"to it with Torc, then recover it: torc-watchd recover {workflow_id}"
            )
        body = {
            "workflow_id": workflow_id,
            "name": name,
            "num_cpus": shape.num_cpus,
            "memory": format_memory(shape.memory),
        }
        return await self._create("/local_schedulers", body)

    async def create_slurm_scheduler(self, workflow_id: int, row: NewSlurmScheduler) -> int:
        return await self._create("/slurm_schedulers", row.body(workflow_id, self.api_version))

    async def _create(self, path: str, body: dict[str, Any]) -> int:
        return wire.parse(wire.IdRow, await self.transport.post(path, body=body), path).id

    async def _create_many(self, path: str, key: str, bodies: list[dict[str, Any]]) -> list[int]:
        ids: list[int] = []
        for start in range(0, len(bodies), BATCH_SIZE):
            batch = bodies[start : start + BATCH_SIZE]
            answer = await self.transport.post(
                path, body={key: batch}, most=LIST_BYTES, patience=LONG_CALL_SECONDS
            )
            ids += wire.parse_ids(answer, key, len(batch), path)
        return ids
