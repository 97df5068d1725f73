"""The actions of a workflow by which its workers submit allocations to Slurm themselves."""

from contextlib import suppress

from torc_watch.core.errors import Conflict, ServerFault
from torc_watch.core.model import ON_JOBS_COMPLETE, SchedulingAction
from torc_watch.torc import wire
from torc_watch.torc.answer_limits import LIST_BYTES
from torc_watch.torc.requests import NewSchedulingAction
from torc_watch.torc.transport import Transport


async def list_scheduling_actions(
    transport: Transport, workflow_id: int
) -> tuple[SchedulingAction, ...]:
    """Those whose allocations are of Slurm, and that one worker alone executes."""
    rows = await _list_actions(transport, workflow_id)
    return tuple(row.to_model() for row in rows if row.schedules)


async def list_jobs_counted_at_their_end(transport: Transport, workflow_id: int) -> frozenset[int]:
    """The IDs of jobs for the ends of which an action waits. The server counts each end of them."""
    rows = await _list_actions(transport, workflow_id)
    waits = [row.job_ids or [] for row in rows if row.trigger_type == ON_JOBS_COMPLETE]
    return frozenset().union(*waits)


async def _list_actions(transport: Transport, workflow_id: int) -> list[wire.ActionRow]:
    path = f"/workflows/{workflow_id}/actions"
    answer = await transport.get(path, most=LIST_BYTES)
    if not isinstance(answer, list):
        raise ServerFault(f"The answer to {path} is not a list.")
    return [wire.parse(wire.ActionRow, item, path) for item in answer]


async def create_scheduling_action(
    transport: Transport, workflow_id: int, action: NewSchedulingAction
) -> None:
    path = f"/workflows/{workflow_id}/actions"
    await transport.post(path, body=action.body(workflow_id))


async def claim_action(transport: Transport, workflow_id: int, action_id: int) -> None:
    """Takes an action away from the workers, unless one of them has it already."""
    path = f"/workflows/{workflow_id}/actions/{action_id}/claim"
    with suppress(Conflict):
        await transport.post(path, body={}, repeatable=True)
