"""Commands to the daemon by an assistant: what they would change, and sending them."""

from torc_watch.app import command_delivery
from torc_watch.assistant.access import ServerAccess
from torc_watch.assistant.answer_size import sentence
from torc_watch.assistant.plan_values import AppliedPlan, ShownPlan, change_id
from torc_watch.assistant.planned_changes import PlannedCommand, refuse_another
from torc_watch.core.errors import InvalidInput
from torc_watch.daemon.commands import (
    Action,
    Command,
    WatchedWorkflow,
    WatchState,
    apply_command,
    note_for,
)
from torc_watch.daemon.watch_history import known_workflows

_EFFECTS = {
    Action.PAUSE: "The daemon stops watching the workflow until it is resumed. A round of recovery "
    "that is in progress ends first.",
    Action.RESUME: "The daemon watches the workflow again.",
}
_STATES = {
    WatchState.WATCHED: "The daemon watches the workflow now.",
    WatchState.PAUSED: "The watch is paused now.",
    WatchState.ENDED: "The watch has ended.",
    WatchState.UNREADABLE: "Another version of the daemon stored this watch.",
}
_NO_PRICE = "nothing is submitted now"


def plan_command(access: ServerAccess, change: PlannedCommand) -> ShownPlan:
    """Without an ID where nothing would change. Raises JournalError, and InvalidInput for a
    workflow that the daemon does not know."""
    workflow = _watched(access, change)
    command = Command(action=change.action, server=access.url, workflow_id=change.workflow_id)
    has_effect = apply_command(workflow, command) != workflow
    note = note_for(workflow, change.action)
    repeats = change.action is Action.RESUME and bool(note)  # it ends a wait for retries
    return ShownPlan(
        server=access.url,
        workflow_id=change.workflow_id,
        action=change.action.value,
        plan_id=_id_of(access, change, workflow) if has_effect or repeats else None,
        changes=[
            _STATES[workflow.state],
            _EFFECTS[change.action] if has_effect or repeats else "Nothing would change.",
        ],
        price=_NO_PRICE,
        notes=[sentence(note)] if note else None,
    )


def _watched(access: ServerAccess, change: PlannedCommand) -> WatchedWorkflow:
    workflow = known_workflows(access.home).get(access.key(change.workflow_id))
    if workflow is None:
        raise InvalidInput(
            f"The daemon does not watch workflow {change.workflow_id} of {access.url}."
        )
    return workflow


def _id_of(access: ServerAccess, change: PlannedCommand, workflow: WatchedWorkflow) -> str:
    return change_id(change, access.url, workflow.state, workflow.verdict)


async def send_command(access: ServerAccess, plan_id: str, change: PlannedCommand) -> AppliedPlan:
    """Raises PlanChanged, JournalError, InvalidInput."""
    refuse_another(plan_id, _id_of(access, change, _watched(access, change)), change)
    sent = await command_delivery.send(access.home, change.action, [change.workflow_id], access.url)
    return AppliedPlan(
        workflow_id=change.workflow_id,
        action=change.action.value,
        outcome="waits for the daemon" if sent.pending else "done",
        done=[sentence(text) for text in (sent.pending, sent.trouble) if text],
    )
