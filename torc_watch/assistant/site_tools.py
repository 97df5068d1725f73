"""Tools that tell of the site: allocations, nodes that fail jobs, and the rules for failures."""

from itertools import starmap
from typing import Annotated

from mcp.server.mcpserver import Context
from mcp_types import CallToolResult
from pydantic import Field

from torc_watch.app.composition import rules
from torc_watch.app.node_scores import scored_nodes
from torc_watch.app.workflow_observation import observe_now
from torc_watch.assistant.access import ServerAccess
from torc_watch.assistant.answer_size import page_of
from torc_watch.assistant.progress_report import ProgressReport
from torc_watch.assistant.site_values import (
    AllocationsAnswer,
    NodesAnswer,
    RulesAnswer,
    allocation_entry,
    node_entry,
    rule_entry,
)
from torc_watch.assistant.tool_arguments import FirstEntry, MostEntries, WorkflowNumber
from torc_watch.assistant.tool_set import answer, errors_for_assistants


class SiteTools:
    def __init__(self, access: ServerAccess) -> None:
        self._access = access

    async def allocations(
        self,
        workflow_id: WorkflowNumber,
        context: Context,
        limit: MostEntries = 50,
        offset: FirstEntry = 0,
    ) -> Annotated[CallToolResult, AllocationsAnswer]:
        """The open allocations of a workflow, with what the scheduler says of each: running,
        queued and why, ended and why."""
        access = self._access
        with errors_for_assistants():
            async with ProgressReport(context, "Asking the scheduler"):
                seen = await observe_now(workflow_id, access.settings, access.connection)
        rows = list(starmap(allocation_entry, seen.allocations))
        page = page_of(rows, limit=limit, offset=offset)
        return answer(
            AllocationsAnswer(
                workflow_id=workflow_id, allocations=page.entries, total=page.total, more=page.more
            )
        )

    def nodes(
        self, limit: MostEntries = 50, offset: FirstEntry = 0
    ) -> Annotated[CallToolResult, NodesAnswer]:
        """Nodes that failed jobs lately in any workflow of the user, the worst first. From a score
        of 0.75 on new allocations keep away from a node."""
        with errors_for_assistants():
            scores = scored_nodes(self._access.home)
        excludes = self._access.settings.exclude_nodes
        rows = [node_entry(score, excludes=excludes) for score in scores]
        page = page_of(rows, limit=limit, offset=offset)
        return answer(NodesAnswer(nodes=page.entries, total=page.total, more=page.more))

    def rules(
        self,
        name: Annotated[
            str | None, Field(description="Only this rule, with its pattern and example")
        ] = None,
        limit: MostEntries = 50,
        offset: FirstEntry = 0,
    ) -> Annotated[CallToolResult, RulesAnswer]:
        """The rules by which lines of output become causes of failures."""
        with errors_for_assistants():
            found = [rule for rule in rules() if name in (None, rule.name)]
        rows = [rule_entry(rule, in_full=name is not None) for rule in found]
        page = page_of(rows, limit=limit, offset=offset)
        return answer(RulesAnswer(rules=page.entries, total=page.total, more=page.more))
