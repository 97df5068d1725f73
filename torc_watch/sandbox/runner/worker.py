"""A worker process: it finds its allocation, and then serves one run of a workflow as a node.

An allocation that nobody has recorded belongs to nobody: such a worker leaves without touching the
workflow. Otherwise `node` tells the rest, or `torc_run` where Torc's own runner is to be the node.
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
from torc_watch.sandbox.runner.outage import FAREWELL, OutagePatience
from torc_watch.sandbox.runner.runner_log import log_file, log_to, open_log
from torc_watch.sandbox.runner.torc_run import run_torc
from torc_watch.schedulers.local.worker_settings import WorkerSettings
from torc_watch.torc.client import TorcClient
from torc_watch.torc.runner_api import RunnerApi
from torc_watch.torc.transport import Transport

GAVE_UP = 1
NOBODYS = 3


async def run_worker(settings: WorkerSettings) -> int:
    """Runs jobs of a workflow; SIGTERM and SIGINT end it in order, and its jobs with it.

    Returns 0 after an orderly end, 1 when the server was gone for good or refused, 3 when nobody
    recorded the allocation; with Torc's runner otherwise what that returned.
    """
    stop = anyio.Event()
    async with anyio.create_task_group() as tasks, Transport(settings.connection) as transport:
        await tasks.start(_stop_on_signals, stop)
        code = await serve(settings, transport, stop)
        tasks.cancel_scope.cancel()
    return code


async def serve(settings: WorkerSettings, transport: Transport, stop: anyio.Event) -> int:
    """``run_worker`` with its transport and its reason to stop from outside."""
    log = log_to(2)
    patience = OutagePatience(stop, log, farewell=0)  # nothing to say yet that is worth a delay
    try:
        client = await patience.outlast(partial(TorcClient.connect, transport))
        allocation = await _find_allocation(settings, transport, patience, stop)
        if allocation is None and settings.scheduler_id is not None:
            log.warning("allocation_unknown", scheduler_id=settings.scheduler_id)
            return NOBODYS
        # Allocations are submitted for a run that has begun: only now is its number the right one.
        workflow = await patience.outlast(partial(client.get_workflow, settings.workflow_id))
        if settings.torc_program is None:  # else the file of that name is Torc's
            log = _open_log(settings, workflow.run_id, log)
        assignment = Assignment(
            settings=settings,
            client=client,
            allocation=allocation,
            workflow=workflow,
            stop=stop,
            patience=OutagePatience(stop, log, farewell=FAREWELL),
            log=log,
        )
        return await _serve_allocation(assignment)
    except ServerError as error:
        log.warning("worker_gave_up", error=str(error))
        return GAVE_UP


async def _find_allocation(
    settings: WorkerSettings, transport: Transport, patience: OutagePatience, stop: anyio.Event
) -> Allocation | None:
    """Waits for the record of our allocation, which is made after the allocation itself."""
    if settings.scheduler_id is None:
        return None
    look = partial(
        RunnerApi(transport).find_allocation,
        settings.workflow_id,
        scheduler_id=settings.scheduler_id,
        scheduler_type=settings.scheduler_type,
    )
    deadline = anyio.current_time() + settings.wait_for_allocation
    while (allocation := await patience.outlast(look)) is None:
        if stop.is_set() or anyio.current_time() >= deadline:
            return None
        with anyio.move_on_after(settings.poll_interval):
            await stop.wait()
    return allocation


async def _serve_allocation(assignment: Assignment) -> int:
    """What ``run_worker`` returns; meanwhile the allocation's row says active, then complete."""
    settings = assignment.settings
    await _show(assignment, "active")
    if settings.torc_program is None:
        code = 0 if await serve_run(assignment) else GAVE_UP
    else:
        code = await run_torc(settings.torc_program, settings, assignment.stop, assignment.log)
        if code:
            # In the server's books its jobs still run. An open row that nobody is behind tells.
            return code
    with suppress(ServerError):
        await _show(assignment, "complete")
    return code


async def _show(assignment: Assignment, status: str) -> None:
    if assignment.allocation is not None:
        show = assignment.client.set_allocation_status
        await assignment.patience.outlast(partial(show, assignment.allocation, status))


def _open_log(
    settings: WorkerSettings, run_id: int, otherwise: FilteringBoundLogger
) -> FilteringBoundLogger:
    path = log_file(settings.output_dir, socket.gethostname(), settings.workflow_id, run_id)
    try:
        log = open_log(path)
    except OSError as error:
        otherwise.warning("no_log_file", path=str(path), error=str(error))
        return otherwise
    return log.bind(workflow_id=settings.workflow_id, scheduler_id=settings.scheduler_id)


async def _stop_on_signals(
    stop: anyio.Event, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            stop.set()
