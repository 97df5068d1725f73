"""What earlier submissions of a workflow left behind: held jobs of Slurm, and rows that are open.

A submission that was killed leaves held jobs that the server has no row of. Allocations that have
ended leave their rows, until a watch closes them.
"""

from collections.abc import Iterable
from pathlib import Path

from anyio import to_thread

from torc_watch.core.allocation_tokens import token_stem
from torc_watch.core.model import Allocation, ComputeNode, JobStatus
from torc_watch.daemon.watch_history import watches_of
from torc_watch.schedulers.base import Scheduler
from torc_watch.schedulers.slurm.interrupted_submission import find_interrupted
from torc_watch.torc.client import TorcClient


async def find_held(
    client: TorcClient, workflow_id: int, rows: Iterable[Allocation], home: Path
) -> tuple[int, ...]:
    """The held jobs that have no row, by their numbers. Raises SchedulerError and JournalError.

    Those of a round in the journal of the state folder ``home`` are left to the watch that goes on
    with it.
    """
    found = await find_interrupted(
        client.transport.connection.url,
        workflow_id,
        prefix=token_stem(workflow_id, ""),
        recorded={row.scheduler_id for row in rows},
    )
    if not found:
        return ()
    watches = await to_thread.run_sync(watches_of, home, workflow_id)
    planned = {
        spec.token
        for watch in watches
        for each in watch.rounds
        if each.ended is None and each.plan is not None
        for spec in each.plan.allocations
    }
    return tuple(number for number, name in found.items() if name not in planned)


async def cancel_held(scheduler: Scheduler, numbers: Iterable[int]) -> None:
    """Raises SchedulerError."""
    for number in numbers:
        await scheduler.cancel(number)


async def close_rows(
    client: TorcClient, workflow_id: int, ended: Iterable[Allocation]
) -> tuple[Allocation, ...]:
    """Closes the rows of allocations that have ended, and returns them.

    Others are left to a watch: those whose worker may have left a job running. Raises ServerError.
    """
    rows = tuple(ended)
    nodes = await client.list_compute_nodes(workflow_id) if rows else []
    closed = []
    for row in rows:
        workers = [node for node in nodes if node.allocation_id == row.id and not node.has_ended]
        if workers and await _may_hold_jobs(client, workflow_id, workers):
            continue
        for node in workers:
            await client.end_compute_node(workflow_id, node.id)
        await client.set_allocation_status(row, "complete")
        closed.append(row)
    return tuple(closed)


async def _may_hold_jobs(
    client: TorcClient, workflow_id: int, workers: Iterable[ComputeNode]
) -> bool:
    if await client.list_jobs(workflow_id, JobStatus.PENDING):  # the server does not say whose
        return True
    return any([await client.list_active_jobs_on(node.id, workflow_id) for node in workers])
