"""A worker process: finds its allocation, then serves one run of a workflow.

A worker whose allocation is not recorded on the server exits without touching the workflow.
Otherwise it runs `node`, or `torc_run` if Torc's own runner is configured.
"""

import signal
import socket
from contextlib import suppress
from functools import partial

import anyio
from anyio.abc import TaskStatus
from structlog.typing import FilteringBoundLogger

from torc_watch.core.errors import ServerError
from torc_watch.core.model import Allocation
from torc_watch.sandbox.runner.assignment import Assignment
from torc_watch.sandbox.runner.node import serve_run
from torc_watch.sandbox.runner.outage import SHUTDOWN_GRACE, OutageRetry
from torc_watch.sandbox.runner.runner_log import log_file, log_to, open_log
from torc_watch.sandbox.runner.torc_run import run_torc
from torc_watch.schedulers.local.worker_settings import WorkerSettings
from torc_watch.torc.client import TorcClient
from torc_watch.torc.runner_api import RunnerApi
from torc_watch.torc.transport import Transport

EXIT_SERVER_FAILED = 1
EXIT_ALLOCATION_UNKNOWN = 3


async def run_worker(settings: WorkerSettings) -> int:
    """Runs jobs of a workflow; SIGTERM and SIGINT stop the jobs and shut down the worker.

    Returns 0 after a normal end, 1 if the server was unreachable or refused a request, 3 if the
    allocation is not recorded; with Torc's runner otherwise the status of that.
    """
    stop = anyio.Event()
    async with anyio.create_task_group() as tasks, Transport(settings.connection) as transport:
        await tasks.start(_stop_on_signals, stop)
        code = await serve(settings, transport, stop)
        tasks.cancel_scope.cancel()
    return code


async def serve(settings: WorkerSettings, transport: Transport, stop: anyio.Event) -> int:
    """``run_worker`` with a given transport and stop event."""
    log = log_to(2)
    outage_retry = OutageRetry(stop, log, shutdown_grace=0)  # nothing to report yet
    try:
        client = await outage_retry.call(partial(TorcClient.connect, transport))
        allocation = await _find_allocation(settings, transport, outage_retry, stop)
        if allocation is None and settings.scheduler_id is not None:
            log.warning("allocation_unknown", scheduler_id=settings.scheduler_id)
            return EXIT_ALLOCATION_UNKNOWN
        # Only now: the allocation is recorded after its run has started, so the run id is final.
        workflow = await outage_retry.call(partial(client.get_workflow, settings.workflow_id))
        if settings.torc_program is None:  # otherwise Torc's runner writes a file of that name
            log = _open_log(settings, workflow.run_id, log)
        assignment = Assignment(
            settings=settings,
            client=client,
            allocation=allocation,
            workflow=workflow,
            stop=stop,
            outage_retry=OutageRetry(stop, log, shutdown_grace=SHUTDOWN_GRACE),
            log=log,
        )
        return await _serve_allocation(assignment)
    except ServerError as error:
        log.warning("worker_gave_up", error=str(error))
        return EXIT_SERVER_FAILED


async def _find_allocation(
    settings: WorkerSettings, transport: Transport, outage_retry: OutageRetry, stop: anyio.Event
) -> Allocation | None:
    """Waits for the record of this allocation, which is created after the allocation itself."""
    if settings.scheduler_id is None:
        return None
    find = partial(
        RunnerApi(transport).find_allocation,
        settings.workflow_id,
        scheduler_id=settings.scheduler_id,
        scheduler_type=settings.scheduler_type,
    )
    deadline = anyio.current_time() + settings.wait_for_allocation
    while (allocation := await outage_retry.call(find)) is None:
        if stop.is_set() or anyio.current_time() >= deadline:
            return None
        with anyio.move_on_after(settings.poll_interval):
            await stop.wait()
    return allocation


async def _serve_allocation(assignment: Assignment) -> int:
    """Serves the run; the allocation's status is active meanwhile, then complete."""
    settings = assignment.settings
    await _set_status(assignment, "active")
    if settings.torc_program is None:
        code = 0 if await serve_run(assignment) else EXIT_SERVER_FAILED
    else:
        code = await run_torc(settings.torc_program, settings, assignment.stop, assignment.log)
        if code:
            # On the server its jobs still run. The open allocation shows that the worker died.
            return code
    with suppress(ServerError):
        await _set_status(assignment, "complete")
    return code


async def _set_status(assignment: Assignment, status: str) -> None:
    if assignment.allocation is not None:
        set_status = assignment.client.set_allocation_status
        await assignment.outage_retry.call(partial(set_status, assignment.allocation, status))


def _open_log(
    settings: WorkerSettings, run_id: int, fallback: FilteringBoundLogger
) -> FilteringBoundLogger:
    path = log_file(settings.output_dir, socket.gethostname(), settings.workflow_id, run_id)
    try:
        log = open_log(path)
    except OSError as error:
        fallback.warning("no_log_file", path=str(path), error=str(error))
        return fallback
    return log.bind(workflow_id=settings.workflow_id, scheduler_id=settings.scheduler_id)


async def _stop_on_signals(
    stop: anyio.Event, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            stop.set()
