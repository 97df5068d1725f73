"""The actions of a workflow by which its workers submit allocations to Slurm themselves."""

from contextlib import suppress

from torc_watch.core.errors import Conflict, ServerFault
from torc_watch.core.model import SchedulingAction
from torc_watch.torc import wire
from torc_watch.torc.answer_limits import LIST_BYTES
from torc_watch.torc.requests import NewSchedulingAction
from torc_watch.torc.transport import Transport


async def list_scheduling_actions(
    transport: Transport, workflow_id: int
) -> tuple[SchedulingAction, ...]:
    """Those whose allocations are of Slurm, and that one worker alone executes."""
    path = f"/workflows/{workflow_id}/actions"
    answer = await transport.get(path, most=LIST_BYTES)
    if not isinstance(answer, list):
        raise ServerFault(f"The answer to {path} is not a list.")
    rows = [wire.parse(wire.ActionRow, item, path) for item in answer]
    return tuple(row.to_model() for row in rows if row.schedules)


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
