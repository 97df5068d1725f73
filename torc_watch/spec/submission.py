"""Creates a workflow on a Torc server and starts its first run."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from torc_watch.core.errors import ServerError
from torc_watch.spec import FileSpec, JobSpec, RequirementsSpec, Spec
from torc_watch.spec.server_limits import refuse_what_is_lost, warnings_on_settings
from torc_watch.torc.client import TorcClient
from torc_watch.torc.requests import (
    NewFile,
    NewJob,
    NewRequirements,
    NewSchedulingAction,
    NewSlurmScheduler,
    NewUserData,
    NewWorkflow,
)
from torc_watch.torc.scheduling_actions import create_scheduling_action

_DELETE_TIMEOUT = 20  # seconds

# Without it Torc's own runners record no peak memory, which the diagnosis needs.
_MONITORING = {"enabled": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmJobs:
    """The jobs, by name, that one row of a Slurm scheduler is for.

    ``allocations_when_ready`` is how many allocations workers submit for them once all of
    ``first_jobs`` are ready.
    """

    row: NewSlurmScheduler
    jobs: Sequence[str]
    first_jobs: Sequence[str] = ()
    allocations_when_ready: int = 0


@dataclass(frozen=True, slots=True)
class SubmittedWorkflow:
    """``scheduler_config_ids`` are those of the rows, in the order in which they were given.

    ``warnings`` name what this server keeps without effect.
    """

    workflow_id: int
    job_count: int
    scheduler_config_ids: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Ids:
    """The server's ids of files, user data and requirements, by name, and of each job's row."""

    files: Mapping[str, int]
    user_data: Mapping[str, int]
    requirements: Mapping[str, int]
    scheduler_configs: Mapping[str, int]


async def submit(
    client: TorcClient,
    spec: Spec,
    *,
    user: str,
    on_slurm: Sequence[SlurmJobs] = (),
    directory: Path | None = None,
) -> SubmittedWorkflow:
    """Creates the workflow for ``user`` and makes its first jobs ready for workers to claim.

    ``directory`` is where its jobs are to run. The number of requests grows with the workflow's
    stages and sets of requirements, not with its jobs. Deletes the workflow after a ServerError or
    a cancellation. Raises InvalidSpec, and creates nothing, for what the server could not keep.
    """
    refuse_what_is_lost(spec, client.api_version)
    workflow_id = await client.create_workflow(_workflow(spec, user, directory))
    try:
        rows = [await client.create_slurm_scheduler(workflow_id, group.row) for group in on_slurm]
        job_ids = await _create_parts(client, workflow_id, spec, _row_of_each_job(on_slurm, rows))
        await _create_actions(client, workflow_id, on_slurm, rows, job_ids)
        await _start_first_run(client, workflow_id)
    except anyio.get_cancelled_exc_class():
        await _delete_incomplete(client, workflow_id)
        raise
    except ServerError as error:
        raise type(error)(f"{error} {await _delete_incomplete(client, workflow_id)}") from error
    warnings = tuple(warnings_on_settings(spec, client.api_version))
    return SubmittedWorkflow(workflow_id, len(spec.jobs), tuple(rows), warnings)


def _workflow(spec: Spec, user: str, directory: Path | None) -> NewWorkflow:
    settings: dict[str, Any] = dict(spec.settings)
    settings["resource_monitor_config"] = settings.pop("resource_monitor", _MONITORING)
    description = settings.pop("description", None)
    return NewWorkflow(
        name=spec.name,
        user=user,
        description=description,
        submission_directory=None if directory is None else str(directory),
        env=spec.env,
        settings=settings,
    )


def _row_of_each_job(on_slurm: Sequence[SlurmJobs], rows: Sequence[int]) -> Mapping[str, int]:
    return {name: row for group, row in zip(on_slurm, rows, strict=True) for name in group.jobs}


async def _create_actions(
    client: TorcClient,
    workflow_id: int,
    on_slurm: Sequence[SlurmJobs],
    rows: Sequence[int],
    job_ids: Mapping[str, int],
) -> None:
    for group, row in zip(on_slurm, rows, strict=True):
        if group.allocations_when_ready:
            action = NewSchedulingAction(
                scheduler_config_id=row,
                allocations=group.allocations_when_ready,
                job_ids=tuple(job_ids[name] for name in group.first_jobs),
            )
            await create_scheduling_action(client.transport, workflow_id, action)


async def _create_parts(
    client: TorcClient, workflow_id: int, spec: Spec, row_of_each_job: Mapping[str, int]
) -> Mapping[str, int]:
    """Returns the ids of the jobs by name."""
    read = {name for job in spec.jobs for name in job.input_files}
    files = await to_thread.run_sync(_new_files, spec.files, read)
    user_data = [
        NewUserData(name=item.name, data=item.data, is_ephemeral=item.is_ephemeral)
        for item in spec.user_data
    ]
    ids = _Ids(
        files=_ids_by_name(
            [file.name for file in files], await client.create_files(workflow_id, files)
        ),
        user_data=_ids_by_name(
            [item.name for item in user_data], await client.create_user_data(workflow_id, user_data)
        ),
        requirements={
            item.name: await client.create_requirements(workflow_id, _new_requirements(item))
            for item in spec.requirements
        },
        scheduler_configs=row_of_each_job,
    )
    return await _create_jobs(client, workflow_id, spec.jobs, ids)


async def _create_jobs(
    client: TorcClient, workflow_id: int, jobs: Sequence[JobSpec], ids: _Ids
) -> Mapping[str, int]:
    job_ids: dict[str, int] = {}
    for stage in _stages(jobs):
        new_jobs = [_new_job(job, job_ids, ids) for job in stage]
        numbers = await client.create_jobs(workflow_id, new_jobs)
        job_ids |= _ids_by_name([job.name for job in stage], numbers)
    return job_ids


async def _start_first_run(client: TorcClient, workflow_id: int) -> None:
    # As in Torc's own client, the run is advanced before the jobs are initialized.
    workflow = await client.get_workflow(workflow_id)
    await client.advance_run(workflow_id, to_run=workflow.run_id + 1)
    await client.initialize_jobs(workflow_id, is_first_start=True)


async def _delete_incomplete(client: TorcClient, workflow_id: int) -> str:
    """Deletes the workflow; returns a sentence with the outcome."""
    with anyio.move_on_after(_DELETE_TIMEOUT, shield=True):
        try:
            await client.delete_workflow(workflow_id)
        except ServerError:
            pass
        else:
            return f"The incomplete workflow {workflow_id} was deleted."
    return f"Workflow {workflow_id} is incomplete and could not be deleted: delete it manually."


def _stages(jobs: Sequence[JobSpec]) -> Iterator[list[JobSpec]]:
    """Groups of consecutive jobs that depend only on jobs of earlier groups."""
    stage: list[JobSpec] = []
    names: set[str] = set()
    for job in jobs:
        if not names.isdisjoint(job.depends_on):
            yield stage
            stage, names = [], set()
        stage.append(job)
        names.add(job.name)
    yield stage


def _new_job(job: JobSpec, job_ids: Mapping[str, int], ids: _Ids) -> NewJob:
    return NewJob(
        name=job.name,
        command=job.command,
        invocation_script=job.invocation_script,
        depends_on_job_ids=_ids_of(job.depends_on, job_ids),
        input_file_ids=_ids_of(job.input_files, ids.files),
        output_file_ids=_ids_of(job.output_files, ids.files),
        input_user_data_ids=_ids_of(job.input_user_data, ids.user_data),
        output_user_data_ids=_ids_of(job.output_user_data, ids.user_data),
        requirements_id=None if job.requirements is None else ids.requirements[job.requirements],
        cancel_on_blocking_job_failure=job.cancel_on_blocking_job_failure,
        supports_termination=job.supports_termination,
        priority=job.priority or None,
        scheduler_config_id=ids.scheduler_configs.get(job.name),
        env=job.env,
    )


def _new_requirements(item: RequirementsSpec) -> NewRequirements:
    return NewRequirements(
        name=item.name,
        num_cpus=item.num_cpus,
        num_gpus=item.num_gpus,
        num_nodes=item.num_nodes,
        memory=item.memory,
        runtime=item.runtime,
    )


def _new_files(files: Sequence[FileSpec], read: Collection[str]) -> list[NewFile]:
    return [
        NewFile(name=file.name, path=file.path, modified=_modified(file, file.name in read))
        for file in files
    ]


def _modified(file: FileSpec, is_read: bool) -> float | None:
    """The time in the specification, else that of a file that jobs read: the mark of an input."""
    if file.modified is not None or not is_read:
        return file.modified
    try:
        return Path(file.path).stat().st_mtime
    except OSError:  # does not exist yet, or is not accessible
        return None


def _ids_by_name(names: Sequence[str], ids: Sequence[int]) -> dict[str, int]:
    return dict(zip(names, ids, strict=True))


def _ids_of(names: Sequence[str], ids: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(ids[name] for name in names)
