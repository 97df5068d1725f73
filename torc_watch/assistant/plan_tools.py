"""The tool that shows what a round of recovery would do, for assistants that may change nothing."""

from typing import Annotated

from mcp.server.mcpserver import Context
from mcp_types import CallToolResult

from torc_watch.app import inspection
from torc_watch.app.inspection import Inspection
from torc_watch.assistant.access import ServerAccess
from torc_watch.assistant.plan_values import ShownPlan, round_answer
from torc_watch.assistant.progress_report import ProgressReport
from torc_watch.assistant.tool_arguments import (
    ChosenJobs,
    LeastMemory,
    LeastMinutes,
    WorkflowNumber,
)
from torc_watch.assistant.tool_set import answer, errors_for_assistants
from torc_watch.core.job_choice import JobChoice
from torc_watch.core.units import parse_memory


def job_choice(jobs: list[str] | None, memory: str | None, minutes: int | None) -> JobChoice | None:
    """Raises InvalidQuantity."""
    if not jobs and memory is None and minutes is None:
        return None
    return JobChoice(
        jobs=tuple(jobs or ()),
        memory=None if memory is None else parse_memory(memory),
        runtime=None if minutes is None else minutes * 60,
    )


async def inspect_round(
    access: ServerAccess, workflow_id: int, choice: JobChoice | None, context: Context
) -> Inspection:
    """What one round as a user asks for it would do. Raises every kind of TorcWatchError."""
    settings = await access.settings_of_round(workflow_id)
    async with ProgressReport(context, "Making the plan"):
        return await inspection.plan(workflow_id, settings, access.connection, choice)


class PlanTools:
    def __init__(self, access: ServerAccess) -> None:
        self._access = access

    async def plan(
        self,
        workflow_id: WorkflowNumber,
        context: Context,
        jobs: ChosenJobs = None,
        memory: LeastMemory = None,
        runtime_minutes: LeastMinutes = None,
    ) -> Annotated[CallToolResult, ShownPlan]:
        """What one round of recovery would do, with its price; changes nothing. Only the user can
        carry it out: this server was started without --allow-actions."""
        with errors_for_assistants():
            choice = job_choice(jobs, memory, runtime_minutes)
            seen = await inspect_round(self._access, workflow_id, choice, context)
        command = f"torc-watchd recover {workflow_id} --plan {seen.plan_id}"
        more = " with the same --job, --memory and --runtime" if choice else ""
        to_apply = f"The user can run: {command}{more}"
        return answer(round_answer(self._access.url, seen, "recover", to_apply))
