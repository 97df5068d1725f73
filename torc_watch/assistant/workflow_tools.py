"""Tools that tell of workflows: which there are, how they stand, why jobs failed, what was done."""

from typing import Annotated

from mcp.server.mcpserver import Context
from mcp_types import CallToolResult
from pydantic import Field

from torc_watch.app.explained_failures import explain_failures
from torc_watch.app.inspection import inspect_stored, past_watches
from torc_watch.app.waiting_commands import waiting_commands
from torc_watch.app.workflow_list import list_workflows
from torc_watch.assistant.access import ServerAccess
from torc_watch.assistant.answer_size import page_of
from torc_watch.assistant.progress_report import ProgressReport
from torc_watch.assistant.tool_arguments import FirstEntry, MostEntries, WorkflowNumber
from torc_watch.assistant.tool_set import answer, errors_for_assistants
from torc_watch.assistant.workflow_values import (
    HistoryAnswer,
    StatusAnswer,
    WhyAnswer,
    WorkflowsAnswer,
    failure_entries,
    round_entries,
    status_answer,
    why_answer,
    workflow_entry,
)
from torc_watch.daemon.status_file import find_view, read_status
from torc_watch.render.status_table import watch_states


class WorkflowTools:
    def __init__(self, access: ServerAccess) -> None:
        self._access = access

    async def workflows(
        self, context: Context, limit: MostEntries = 20, offset: FirstEntry = 0
    ) -> Annotated[CallToolResult, WorkflowsAnswer]:
        """List the workflows on the server, the newest first: state, jobs by status, and what the
        daemon does with each."""
        access = self._access
        with errors_for_assistants():
            async with ProgressReport(context, f"Asking {access.url}"):
                found = await list_workflows(access.connection)
            watched = self._watched()
        rows = [workflow_entry(each, watched.get(each.workflow.id)) for each in reversed(found)]
        page = page_of(rows, limit=limit, offset=offset)
        return answer(
            WorkflowsAnswer(
                server=access.url, workflows=page.entries, total=page.total, more=page.more
            )
        )

    def _watched(self) -> dict[int, str]:
        home = self._access.home
        daemon = read_status(home)
        states = watch_states(daemon.workflows if daemon else (), waiting_commands(home))
        return {
            key.workflow_id: state
            for key, state in states.items()
            if key.server == self._access.url
        }

    async def status(
        self, workflow_id: WorkflowNumber, context: Context
    ) -> Annotated[CallToolResult, StatusAnswer]:
        """How a workflow stands: jobs by status, failures by cause, open allocations, what the
        daemon does, and what comes next."""
        access, key = self._access, self._access.key(workflow_id)
        with errors_for_assistants():
            record = access.stored_watch(workflow_id)
            is_watched = access.is_watched(workflow_id)
            async with ProgressReport(context, f"Asking {access.url}"):
                seen = await inspect_stored(key, record, access.settings, is_watched=is_watched)
            view = find_view(read_status(access.home), key)
            waiting = waiting_commands(access.home).get(key, ())
        return answer(status_answer(access.url, seen, view, waiting))

    async def why(
        self,
        workflow_id: WorkflowNumber,
        context: Context,
        job: Annotated[str | None, Field(description="ID or name of one job")] = None,
        limit: MostEntries = 20,
        offset: FirstEntry = 0,
    ) -> Annotated[CallToolResult, WhyAnswer]:
        """Why jobs failed, with the evidence, in groups of the same reason, and what the next round
        of recovery would do about each (`next`: action and number of jobs). Begin here."""
        access = self._access
        with errors_for_assistants():
            async with ProgressReport(context, "Reading what the failed jobs have written"):
                found = await explain_failures(workflow_id, job, access.url, access.settings)
        page = page_of(failure_entries(workflow_id, found), limit=limit, offset=offset)
        return answer(why_answer(workflow_id, found, page))

    def history(
        self, workflow_id: WorkflowNumber, limit: MostEntries = 10, offset: FirstEntry = 0
    ) -> Annotated[CallToolResult, HistoryAnswer]:
        """The rounds of recovery that were carried out or refused, the newest first, with their
        changes."""
        with errors_for_assistants():
            watches = past_watches(self._access.home, workflow_id, self._access.url)
        page = page_of(round_entries(watches), limit=limit, offset=offset)
        return answer(
            HistoryAnswer(
                workflow_id=workflow_id, rounds=page.entries, total=page.total, more=page.more
            )
        )
