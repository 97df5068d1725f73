"""The files that jobs of a workflow declare as their inputs and outputs."""

from dataclasses import dataclass

from torc_watch.core.model import Job, JobStatus
from torc_watch.torc import wire
from torc_watch.torc.pagination import count, list_all
from torc_watch.torc.transport import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFiles:
    """A job, and the IDs of its files."""

    job: Job
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()


async def count_files(transport: Transport, workflow_id: int) -> int:
    return await count(transport, "/files", workflow_id=workflow_id)


async def list_file_paths(transport: Transport, workflow_id: int) -> dict[int, str]:
    """The path of each file, by its ID: absolute, or relative to where the jobs run."""
    rows = await list_all(transport, "/files", wire.FileRow, workflow_id=workflow_id)
    return {row.id: row.path for row in rows}


async def list_job_files(
    transport: Transport, workflow_id: int, status: JobStatus
) -> list[JobFiles]:
    """All jobs with this status. Torc takes about a second for 1,500 of them."""
    rows = await list_all(
        transport,
        "/jobs",
        wire.JobFilesRow,
        workflow_id=workflow_id,
        status=status,
        include_relationships="true",
    )
    return [
        JobFiles(
            job=row.to_model(),
            inputs=tuple(row.input_file_ids),
            outputs=tuple(row.output_file_ids),
        )
        for row in rows
    ]
