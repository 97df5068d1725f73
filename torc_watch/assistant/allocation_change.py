"""The cancellation of an allocation by an assistant: what it would end, and doing it."""

from mcp.server.mcpserver import Context

from torc_watch.app.allocation_cancellation import cancel_allocation
from torc_watch.app.workflow_observation import observe_now
from torc_watch.assistant.access import ServerAccess
from torc_watch.assistant.plan_values import AppliedPlan, ShownPlan, change_id
from torc_watch.assistant.planned_changes import PlannedCancellation, refuse_another
from torc_watch.assistant.progress_report import ProgressReport
from torc_watch.assistant.site_values import AllocationEntry, allocation_entry
from torc_watch.core.allocation import AllocationState
from torc_watch.core.errors import InvalidInput
from torc_watch.core.model import Allocation

_HANDED_OVER = (
    "The daemon takes this for a decision of the user: it then hands the workflow over and submits "
    "nothing more, until the user resumes it or asks for a recovery."
)


async def plan_cancellation(
    access: ServerAccess, change: PlannedCancellation, context: Context
) -> ShownPlan:
    """Raises SchedulerError, ServerError, and InvalidInput for one that is not open."""
    async with ProgressReport(context, "Asking the scheduler"):
        _, row = await _find(access, change)
    running = row.began is not None
    effect = "the jobs that it runs are ended" if running else "it leaves the queue"
    return ShownPlan(
        server=access.url,
        workflow_id=change.workflow_id,
        action="cancel_allocation",
        plan_id=_id_of(access, change, row),
        changes=[f"Cancel allocation {row.number} ({row.status}, {row.state}): {effect}."],
        notes=[_HANDED_OVER] if access.is_watched(change.workflow_id) else None,
    )


async def _find(
    access: ServerAccess, change: PlannedCancellation
) -> tuple[Allocation, AllocationEntry]:
    seen = await observe_now(change.workflow_id, access.settings, access.connection)
    for allocation, status in seen.allocations:
        is_alive = status.state is not AllocationState.GONE
        if allocation.scheduler_id == change.number and is_alive:
            return allocation, allocation_entry(allocation, status)
    raise InvalidInput(
        f"Workflow {change.workflow_id} has no open allocation {change.number}. See allocations."
    )


def _id_of(access: ServerAccess, change: PlannedCancellation, row: AllocationEntry) -> str:
    """Of one that has begun meanwhile it is another: jobs run in it."""
    return change_id(change, access.url, row.scheduler, row.began)


async def cancel(access: ServerAccess, plan_id: str, change: PlannedCancellation) -> AppliedPlan:
    """Raises PlanChanged, SchedulerError, ServerError, InvalidInput."""
    allocation, row = await _find(access, change)
    refuse_another(plan_id, _id_of(access, change, row), change)
    await cancel_allocation(allocation, access.settings)
    return AppliedPlan(
        workflow_id=change.workflow_id,
        action="cancel_allocation",
        outcome="done",
        done=[f"The scheduler ends allocation {row.number}; its jobs may have some time to end."],
    )
