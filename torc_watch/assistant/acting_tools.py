"""Tools that change workflows: a plan is shown with an ID, and only such a plan is carried out."""

from typing import Annotated, Literal, assert_never

import anyio
from mcp.server.mcpserver import Context
from mcp_types import CallToolResult
from pydantic import Field

from torc_watch.assistant.access import ServerAccess
from torc_watch.assistant.allocation_change import cancel, plan_cancellation
from torc_watch.assistant.daemon_change import plan_command, send_command
from torc_watch.assistant.plan_tools import job_choice
from torc_watch.assistant.plan_values import AppliedPlan, ShownPlan
from torc_watch.assistant.planned_changes import (
    PlannedAnswer,
    PlannedCancellation,
    PlannedChange,
    PlannedCommand,
    PlannedRound,
    ShownPlans,
)
from torc_watch.assistant.progress_report import ProgressReport
from torc_watch.assistant.proposal_change import give_answer, plan_answer
from torc_watch.assistant.round_change import carry_out_round, plan_round
from torc_watch.assistant.tool_arguments import (
    ChosenJobs,
    LeastMemory,
    LeastMinutes,
    WorkflowNumber,
)
from torc_watch.assistant.tool_set import answer, errors_for_assistants
from torc_watch.core.errors import InvalidInput
from torc_watch.daemon.commands import Action

ChangeName = Literal[
    "recover", "raise", "reset", "pause", "resume", "cancel_allocation", "approve", "reject"
]
_ROUNDS = ("recover", "raise", "reset")
_ANSWERS = {"approve": True, "reject": False}
_COMMANDS = {"pause": Action.PAUSE, "resume": Action.RESUME}


class ActingTools:
    def __init__(self, access: ServerAccess) -> None:
        self._access = access
        self._shown = ShownPlans()

    async def plan(
        self,
        workflow_id: WorkflowNumber,
        context: Context,
        *,
        action: ChangeName = "recover",
        jobs: ChosenJobs = None,
        memory: LeastMemory = None,
        runtime_minutes: LeastMinutes = None,
        allocation: Annotated[
            int | None, Field(gt=0, description="Slurm's number, for cancel_allocation")
        ] = None,
        reason: Annotated[str, Field(max_length=500, description="For approve and reject")] = "",
    ) -> Annotated[CallToolResult, ShownPlan]:
        """What an action would change, exactly, with its price, and an ID for apply. Changes
        nothing. recover: one round for all failed jobs; raise: for some, with more memory or run
        time; reset: for some. pause and resume: the daemon's watch. approve and reject: the plan of
        a watch that waits for the user (status has it as proposal)."""
        with errors_for_assistants():
            _check(action, jobs, memory, runtime_minutes, allocation)
            change: PlannedChange
            if action in _COMMANDS:
                change = PlannedCommand(workflow_id=workflow_id, action=_COMMANDS[action])
            elif action in _ANSWERS:
                approves = _ANSWERS[action]
                change = PlannedAnswer(workflow_id=workflow_id, approves=approves, reason=reason)
            elif action == "cancel_allocation":
                change = PlannedCancellation(workflow_id=workflow_id, number=allocation or 0)
            else:
                choice = job_choice(jobs, memory, runtime_minutes)
                change = PlannedRound(workflow_id=workflow_id, choice=choice)
            planned, change = await self._plan(change, action, context)
        if planned.plan_id:
            self._shown.remember(planned.plan_id, change)
        return answer(planned)

    async def _plan(
        self, change: PlannedChange, action: str, context: Context
    ) -> tuple[ShownPlan, PlannedChange]:
        match change:
            case PlannedRound():
                return await plan_round(self._access, change, action, context)
            case PlannedCommand():
                return plan_command(self._access, change), change
            case PlannedCancellation():
                return await plan_cancellation(self._access, change, context), change
            case PlannedAnswer():
                return plan_answer(self._access, change), change
            case _:
                assert_never(change)

    async def apply(
        self,
        plan_id: Annotated[str, Field(description="As plan returned it, after the user agreed")],
        context: Context,
    ) -> Annotated[CallToolResult, AppliedPlan]:
        """Carry out a plan that you have shown to the user. Makes the plan again first, and refuses
        when the workflow has changed since."""
        with errors_for_assistants():
            change = self._shown.find(plan_id)
            async with ProgressReport(context, "Checking the plan") as progress:
                # What has begun is finished, whatever becomes of the call.
                with anyio.CancelScope(shield=True):
                    done = await self._apply(plan_id.strip().lower(), change, progress)
        return answer(done)

    async def _apply(
        self, plan_id: str, change: PlannedChange, progress: ProgressReport
    ) -> AppliedPlan:
        match change:
            case PlannedRound():
                return await carry_out_round(self._access, plan_id, change, progress)
            case PlannedCommand():
                return await send_command(self._access, plan_id, change)
            case PlannedCancellation():
                return await cancel(self._access, plan_id, change)
            case PlannedAnswer():
                return await give_answer(self._access, plan_id, change)
            case _:
                assert_never(change)


def _check(
    action: str,
    jobs: list[str] | None,
    memory: str | None,
    minutes: int | None,
    allocation: int | None,
) -> None:
    """Raises InvalidInput for what does not fit together."""
    if action == "raise" and (not jobs or (memory is None and minutes is None)):
        raise InvalidInput("raise needs jobs, and memory or runtime_minutes.")
    if action == "reset" and not jobs:
        raise InvalidInput("reset needs jobs. For all failed jobs, use recover.")
    if action not in _ROUNDS and (jobs or memory is not None or minutes is not None):
        raise InvalidInput(f"{action} has no jobs, memory or runtime_minutes.")
    if (action == "cancel_allocation") != (allocation is not None):
        raise InvalidInput("allocation is needed for cancel_allocation, and only for that.")
