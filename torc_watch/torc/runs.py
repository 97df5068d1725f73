"""Reads and changes a workflow's run, canceled and archived state in either API version.

Torc 0.12 keeps this state in a row of its own under ``/workflows/{id}/status``, which clients read,
change and write back as a whole, without protection against concurrent updates. On 1.0 it is part
of the workflow, only the server changes it, and ``/status`` has the number of jobs by status.
"""

from torc_watch.core.errors import Conflict, ServerFault
from torc_watch.core.model import Workflow
from torc_watch.torc import wire
from torc_watch.torc.answer_limits import LONG_CALL_SECONDS
from torc_watch.torc.pagination import fetch
from torc_watch.torc.transport import Transport


async def read_workflow(transport: Transport, row: wire.WorkflowRow) -> Workflow:
    """The workflow of ``row``, with a second request for its run on 0.12."""
    if row.run_id is not None:
        return row.to_model(row.run_id, row)
    status = await _status(transport, row.id)
    return row.to_model(status.run_id, status)


async def advance_on_0_12(transport: Transport, workflow_id: int, to_run: int) -> None:
    status = await _status(transport, workflow_id)
    _refuse_unless_next(workflow_id, status.run_id, to_run, is_archived=status.is_archived)
    if status.run_id != to_run:
        body = status.model_dump() | {"run_id": to_run}
        await transport.put(f"/workflows/{workflow_id}/status", body=body)
    # Also if the run is already right: an earlier call may have failed just before this.
    path = f"/workflows/{workflow_id}/reset_status"
    await transport.post(path, repeatable=True, patience=LONG_CALL_SECONDS)


async def advance_on_1_0(transport: Transport, workflow_id: int, to_run: int) -> None:
    path = f"/workflows/{workflow_id}"
    row = await fetch(transport, path, wire.WorkflowRunRow)
    _refuse_unless_next(workflow_id, row.run_id, to_run, is_archived=row.is_archived)
    if row.run_id == to_run:
        return
    # Never repeated: each request starts a run.
    await transport.post(f"{path}/reset_status", patience=LONG_CALL_SECONDS)
    run_id = (await fetch(transport, path, wire.WorkflowRunRow)).run_id
    if run_id != to_run:
        raise ServerFault(
            f"Workflow {workflow_id} is in run {run_id} after its reset, not in run {to_run}. "
            "The server's version of Torc may not be supported."
        )


def _refuse_unless_next(workflow_id: int, run_id: int, to_run: int, *, is_archived: bool) -> None:
    if is_archived:
        raise Conflict(f"Workflow {workflow_id} is archived. Unarchive it first.")
    if run_id not in (to_run - 1, to_run):
        raise Conflict(
            f"Workflow {workflow_id} is in run {run_id}, so its next run is not {to_run}. Another "
            "program or user started a run: check the workflow's current state first."
        )


async def _status(transport: Transport, workflow_id: int) -> wire.WorkflowStatusRow:
    return await fetch(transport, f"/workflows/{workflow_id}/status", wire.WorkflowStatusRow)
