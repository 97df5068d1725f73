"""Puts the parts together: it and `service` know which client, scheduler and journal it is."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from anyio import to_thread

from torc_watch.config.settings import Settings
from torc_watch.core.allocation import AllocationRequest
from torc_watch.core.errors import InvalidInput, NotFound, SchedulerError
from torc_watch.core.events import Event, ServerUnfamiliar, WatchEnded
from torc_watch.daemon.commands import WatchedWorkflow
from torc_watch.engine.allocations import start_allocation
from torc_watch.engine.journal import Journal
from torc_watch.engine.supervisor import EngineContext, supervise
from torc_watch.engine.watch import WatchRequest
from torc_watch.schedulers.local.local_scheduler import LocalAllocations
from torc_watch.torc.api_version import caution
from torc_watch.torc.client import TorcClient
from torc_watch.torc.transport import Connection, Transport


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


@asynccontextmanager
async def open_client(connection: Connection) -> AsyncIterator[TorcClient]:
    """A client that has asked the server for its version. Raises ServerError."""
    async with Transport(connection) as transport:
        yield await TorcClient.connect(transport)


def local_allocations(settings: Settings, connection: Connection) -> LocalAllocations:
    """Raises InvalidInput when the program that should run their jobs is not there."""
    return LocalAllocations(
        settings.home / "allocations", connection, torc_program=settings.torc_program()
    )


async def submit(
    specification: Path, settings: Settings, connection: Connection, shape: LocalShape
) -> Submission:
    """Creates the workflow and starts its allocations. Raises InvalidSpec and the like."""
    # Here, because nothing else needs to read YAML, which takes a while to load.
    from torc_watch.spec import submission  # noqa: PLC0415
    from torc_watch.spec.spec_file import read_spec  # noqa: PLC0415

    spec = await to_thread.run_sync(read_spec, specification)
    scheduler = local_allocations(settings, connection)
    async with open_client(connection) as client:
        submitted = await submission.submit(client, spec, user=settings.user_name())
        try:
            numbers = await _start_allocations(client, scheduler, submitted.workflow_id, shape)
        except SchedulerError as error:
            raise SchedulerError(
                f"{error} Workflow {submitted.workflow_id} was created, but nothing runs it. "
                f"When that is put right: torc-watchd recover {submitted.workflow_id}"
            ) from error
    return Submission(
        workflow_id=submitted.workflow_id,
        jobs=submitted.job_count,
        allocations=numbers,
        warnings=tuple(spec.warnings),
    )


async def _start_allocations(
    client: TorcClient, scheduler: LocalAllocations, workflow_id: int, shape: LocalShape
) -> tuple[int, ...]:
    if not shape.allocations:
        return ()
    capacity = await scheduler.capacity()
    num_cpus = shape.num_cpus or max(1, capacity.num_cpus // shape.allocations)
    memory = capacity.memory // shape.allocations
    config_id = await client.create_local_scheduler(
        workflow_id, name="local", num_cpus=num_cpus, memory=memory
    )
    numbers = []
    for _ in range(shape.allocations):
        request = AllocationRequest(
            token=f"torc-wf{workflow_id}-{uuid4().hex[:12]}",
            workflow_id=workflow_id,
            scheduler_config_id=config_id,
            num_cpus=num_cpus,
            memory=memory,
            output_dir=str(shape.output_dir.absolute()),
        )
        numbers.append(await start_allocation(client, scheduler, request))
    return tuple(numbers)


def watch_request(workflow_id: int, settings: Settings) -> WatchRequest:
    """A watch as it is configured: for as long as it takes, whatever the server does."""
    return WatchRequest(
        workflow_id=workflow_id,
        recovery=settings.recovery() if settings.auto_recover else None,
        poll_interval=settings.poll_interval,
        show_job_counts=True,
        output_dir=settings.output_dir.absolute(),
        hook=settings.recovery_hook,
    )


def round_request(workflow_id: int, settings: Settings) -> WatchRequest:
    """One round of recovery, now, which a person asks for."""
    return WatchRequest(
        workflow_id=workflow_id,
        recovery=replace(settings.recovery(), max_retries=None),
        poll_interval=1,
        show_job_counts=False,
        output_dir=settings.output_dir.absolute(),
        hook=settings.recovery_hook,
        patience=0,
        once=True,
    )


def request_for(workflow: WatchedWorkflow, settings: Settings) -> WatchRequest:
    """How the daemon watches: as was asked for, else as is configured.

    Where neither says in which folder its output belongs, it is kept beside the daemon's state:
    the folder in which a daemon was started means nothing.
    """
    chosen = settings.chosen(workflow.options)
    request = watch_request(workflow.workflow_id, chosen)
    return replace(request, output_dir=settings.home.absolute() / chosen.output_dir)


async def watch(
    request: WatchRequest,
    settings: Settings,
    connection: Connection,
    report: Callable[[Event], None],
) -> WatchEnded:
    """Watches one workflow to its verdict; every TorcWatchError may be raised."""
    scheduler = local_allocations(settings, connection)
    with closing(Journal(settings.home / "journal.db")) as journal:
        async with open_client(connection) as client:
            surroundings = EngineContext(
                client=client,
                scheduler=scheduler,
                journal=journal,
                locks=settings.home / "locks",
                report=report,
            )
            if words := caution(client.version):
                report(ServerUnfamiliar(workflow_id=request.workflow_id, caution=words))
            with unknown_id_refused(request.workflow_id, connection):
                verdicts = await supervise([request], surroundings)
    return verdicts[request.workflow_id]


@contextmanager
def unknown_id_refused(workflow_id: int, connection: Connection) -> Iterator[None]:
    """Raises InvalidInput for NotFound."""
    try:
        yield
    except NotFound as error:
        raise InvalidInput(
            f"There is no workflow {workflow_id} on {connection.url}. "
            "List what there is with: torc-watchd workflows"
        ) from error
