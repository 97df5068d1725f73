"""Where a workflow stands (its run, canceled, archived), and how that is changed in each dialect.

Torc 0.12 keeps it in a row of its own under ``/workflows/{id}/status``, which its clients read,
change and write back whole; nothing guards against two who do so at once. On 0.35 it is part of
the workflow, only the server changes it, and ``/status`` is a summary of something else.
"""

from torc_watch.core.errors import Conflict, ServerFault
from torc_watch.core.model import Workflow
from torc_watch.torc import wire
from torc_watch.torc.api_version import ApiVersion
from torc_watch.torc.pagination import fetch
from torc_watch.torc.transport import Transport


async def read_workflow(transport: Transport, row: wire.WorkflowRow) -> Workflow:
    """The workflow of ``row``, with its run from wherever the server keeps it."""
    if row.run_id is not None:
        return row.to_model(row.run_id, row)
    status = await _status(transport, row.id)
    return row.to_model(status.run_id, status)


async def archive(transport: Transport, dialect: ApiVersion, workflow_id: int) -> None:
    if dialect is ApiVersion.V0_12:
        status = await _status(transport, workflow_id)
        await _put_status(transport, status, workflow_id, is_archived=True)
    else:
        path = f"/workflows/{workflow_id}/archive"
        await transport.post(path, body={"is_archived": True}, repeatable=True)


async def advance_on_0_12(transport: Transport, workflow_id: int, to_run: int) -> None:
    status = await _status(transport, workflow_id)
    _refuse_unless_next(workflow_id, status.run_id, to_run, is_archived=status.is_archived)
    if status.run_id != to_run:
        await _put_status(transport, status, workflow_id, run_id=to_run)
    # Also when the run was right already: we may have been stopped just before this.
    await transport.post(f"/workflows/{workflow_id}/reset_status", repeatable=True)


async def advance_on_1_0(transport: Transport, workflow_id: int, to_run: int) -> None:
    path = f"/workflows/{workflow_id}"
    row = await fetch(transport, path, wire.WorkflowRunRow)
    _refuse_unless_next(workflow_id, row.run_id, to_run, is_archived=row.is_archived)
    if row.run_id == to_run:
        return
    await transport.post(f"{path}/reset_status")  # never sent twice: each arrival is a run
    run_id = (await fetch(transport, path, wire.WorkflowRunRow)).run_id
    if run_id != to_run:
        raise ServerFault(
            f"Workflow {workflow_id} is in run {run_id} after its reset, and not in run {to_run}. "
            "The server's version of Torc may not be supported."
        )


def _refuse_unless_next(workflow_id: int, run_id: int, to_run: int, *, is_archived: bool) -> None:
    if is_archived:
        raise Conflict(f"Workflow {workflow_id} is archived. Take it out of the archive first.")
    if run_id not in (to_run - 1, to_run):
        raise Conflict(
            f"Workflow {workflow_id} is in run {run_id}, so its next run is not {to_run}. Somebody "
            "else started a run: look at the workflow's present state first."
        )


async def _status(transport: Transport, workflow_id: int) -> wire.WorkflowStatusRow:
    return await fetch(transport, f"/workflows/{workflow_id}/status", wire.WorkflowStatusRow)


async def _put_status(
    transport: Transport, status: wire.WorkflowStatusRow, workflow_id: int, **changes: int
) -> None:
    body = status.model_dump() | changes
    await transport.put(f"/workflows/{workflow_id}/status", body=body)
