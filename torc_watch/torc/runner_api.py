"""The calls that a job runner makes in addition to those of ``TorcClient``.

A runner calls ``find_allocation`` and ``TorcClient.set_allocation_status`` (active),
``register_node``, then repeatedly ``TorcClient.is_complete``, ``claim_jobs``, ``start_job`` and
``TorcClient.complete_job``, and finally ``TorcClient.end_compute_node`` and
``TorcClient.set_allocation_status`` (complete).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from torc_watch.core.model import Allocation, Job, Requirements
from torc_watch.core.units import GIB, format_duration
from torc_watch.torc import wire
from torc_watch.torc.answer_limits import LIST_BYTES
from torc_watch.torc.pagination import fetch, list_all
from torc_watch.torc.transport import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerResources:
    """The resources of a worker, or its free ones. Memory in bytes, ``time_left`` in seconds."""

    num_cpus: int
    memory: int
    num_gpus: int = 0
    num_nodes: int = 1
    time_left: int | None = None
    scheduler_config_id: int | None = None

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "num_cpus": self.num_cpus,
            "memory_gb": self.memory / GIB,
            "num_gpus": self.num_gpus,
            "num_nodes": self.num_nodes,
        }
        if self.time_left is not None:
            body["time_limit"] = format_duration(self.time_left)
        if self.scheduler_config_id is not None:
            body["scheduler_config_id"] = self.scheduler_config_id
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedJob:
    """A job that this runner has claimed; ``env`` are its variables and its workflow's."""

    job: Job
    invocation_script: str | None
    output_file_ids: tuple[int, ...]
    env: Mapping[str, str]


class RunnerApi:
    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    async def find_allocation(
        self, workflow_id: int, *, scheduler_id: int, scheduler_type: str
    ) -> Allocation | None:
        """The allocation with the scheduler's id; None until it is recorded on the server."""
        rows = await list_all(
            self.transport,
            "/scheduled_compute_nodes",
            wire.AllocationRow,
            workflow_id=workflow_id,
            scheduler_id=scheduler_id,
        )
        allocations = [row for row in rows if row.scheduler_type == scheduler_type]
        return allocations[-1].to_model() if allocations else None

    async def register_node(
        self,
        workflow_id: int,
        *,
        hostname: str,
        pid: int,
        started_at: datetime,
        resources: WorkerResources,
        allocation: Allocation | None,
    ) -> int:
        """The id of the new compute node. ``started_at`` has a time zone."""
        body = resources.body() | {
            "workflow_id": workflow_id,
            "hostname": hostname,
            "pid": pid,
            "start_time": started_at.isoformat(),
            "is_active": True,
            "compute_node_type": "local" if allocation is None else allocation.scheduler_type,
        }
        if allocation is not None:
            body["scheduler"] = {
                "type": allocation.scheduler_type,
                "scheduler_id": allocation.id,
                "slurm_job_id": allocation.scheduler_id,
            }
        answer = await self.transport.post("/compute_nodes", body=body)
        return wire.parse(wire.IdRow, answer, "/compute_nodes").id

    async def claim_jobs(
        self, workflow_id: int, resources: WorkerResources, *, limit: int
    ) -> list[ClaimedJob]:
        """Claims up to ``limit`` ready jobs that fit into ``resources`` together.

        Claimed jobs are pending. If the answer is lost, they stay pending without a worker.
        """
        path = f"/workflows/{workflow_id}/claim_jobs_based_on_resources/{limit}"
        answer = await self.transport.post(path, body=resources.body(), most=LIST_BYTES)
        jobs = wire.parse(wire.ClaimRow, answer, path).jobs
        return [
            ClaimedJob(
                job=row.to_model(),
                invocation_script=row.invocation_script,
                output_file_ids=tuple(row.output_file_ids),
                env=row.env,
            )
            for row in jobs
        ]

    async def start_job(self, job_id: int, *, run_id: int, node_id: int) -> None:
        """Pending to running. Raises Conflict when the run is over, ServerFault if not pending."""
        await self.transport.put(f"/jobs/{job_id}/start_job/{run_id}/{node_id}", repeatable=False)

    async def get_requirements(self, requirements_id: int) -> Requirements:
        path = f"/resource_requirements/{requirements_id}"
        return (await fetch(self.transport, path, wire.RequirementsRow)).to_model()

    async def get_file_path(self, file_id: int) -> str:
        """The path of a file, absolute or relative to the job's working directory."""
        return (await fetch(self.transport, f"/files/{file_id}", wire.FileRow)).path

    async def set_file_modified(self, file_id: int, *, modified: float) -> None:
        """``modified`` is in seconds since the epoch; Torc detects changed files by it."""
        path = f"/files/{file_id}"
        row = await self.transport.get(path)
        await self.transport.put(path, body=row | {"st_mtime": modified})
