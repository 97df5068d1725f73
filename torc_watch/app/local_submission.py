"""Creates a workflow from its specification, and starts local allocations that run it."""

from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from anyio import to_thread

from torc_watch.app.composition import local_scheduler, open_client
from torc_watch.config.settings import Settings
from torc_watch.core.allocation import AllocationShape, AllocationSpec
from torc_watch.core.allocation_tokens import allocation_token, token_stem
from torc_watch.core.errors import SchedulerError
from torc_watch.engine.allocation_submission import submit_allocations
from torc_watch.schedulers.base import WorkerAssignment
from torc_watch.schedulers.local.local_scheduler import LocalScheduler
from torc_watch.spec.spec_file import read_spec
from torc_watch.spec.submission import submit as create_workflow
from torc_watch.torc.client import TorcClient
from torc_watch.torc.transport import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalShape:
    """How many local allocations to start, and with how many CPUs each; None for all there are."""

    allocations: int
    num_cpus: int | None
    output_dir: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A workflow that was created, and the numbers of the allocations that run it.

    ``warnings`` name what its specification says that nothing here makes use of.
    """

    workflow_id: int
    jobs: int
    allocations: tuple[int, ...]
    warnings: tuple[str, ...]


async def submit(
    specification: Path, settings: Settings, connection: Connection, shape: LocalShape
) -> Submission:
    """Creates the workflow and starts its allocations. Raises InvalidSpec and the like."""
    spec = await to_thread.run_sync(read_spec, specification)
    scheduler = local_scheduler(settings)
    async with open_client(connection) as client:
        submitted = await create_workflow(
            client, spec, user=settings.user_name(), directory=Path.cwd()
        )
        try:
            numbers = await _start_allocations(client, scheduler, submitted.workflow_id, shape)
        except SchedulerError as error:
            raise SchedulerError(
                f"{error} Workflow {submitted.workflow_id} was created, but nothing runs it. "
                f"When that is fixed: torc-watchd recover {submitted.workflow_id}"
            ) from error
    return Submission(
        workflow_id=submitted.workflow_id,
        jobs=submitted.job_count,
        allocations=numbers,
        warnings=(*spec.warnings, *submitted.warnings),
    )


async def _start_allocations(
    client: TorcClient, scheduler: LocalScheduler, workflow_id: int, shape: LocalShape
) -> tuple[int, ...]:
    if not shape.allocations:
        return ()
    (node,) = await scheduler.node_classes()
    each = AllocationShape(
        num_cpus=shape.num_cpus or max(1, node.num_cpus // shape.allocations),
        memory=node.memory // shape.allocations,
    )
    work = WorkerAssignment(
        connection=client.transport.connection,
        workflow_id=workflow_id,
        scheduler_config_id=await client.create_scheduler_config(
            workflow_id, scheduler.type, name="local", shape=each
        ),
        output_dir=shape.output_dir.absolute(),
    )
    stem = token_stem(workflow_id, uuid4().hex)
    specs = [
        AllocationSpec(
            token=allocation_token(stem, place), num_cpus=each.num_cpus, memory=each.memory
        )
        for place in range(1, shape.allocations + 1)
    ]
    numbers, refusal = await submit_allocations(client, scheduler, specs, work)
    if refusal is not None:
        raise refusal
    return tuple(numbers.values())
