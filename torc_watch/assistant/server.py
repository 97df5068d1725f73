"""The MCP server of one user: its tools, resources and prompts, over standard input and output."""

from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver.tools import Tool

from torc_watch.assistant.access import ServerAccess, open_access
from torc_watch.assistant.acting_tools import ActingTools
from torc_watch.assistant.guidance import instructions, investigation
from torc_watch.assistant.job_tools import JobTools
from torc_watch.assistant.plan_tools import PlanTools
from torc_watch.assistant.resources import add_resources
from torc_watch.assistant.site_tools import SiteTools
from torc_watch.assistant.standard_input import replaced_standard_input, when_canceled
from torc_watch.assistant.tool_set import CHANGES_WORKFLOWS, tool
from torc_watch.assistant.workflow_tools import WorkflowTools
from torc_watch.config.settings import Settings


def make_server(access: ServerAccess, *, allows_actions: bool = False) -> MCPServer:
    """Its tools; without ``allows_actions`` none that changes anything."""
    server = MCPServer(
        "torc-watch",
        title="torc-watch",
        description="Workflows of Torc on Slurm: why jobs failed, and their recovery.",
        version=version("torc-watch"),
        instructions=instructions(access, allows_actions=allows_actions),
        tools=[*_reading_tools(access), *_planning_tools(access, allows_actions=allows_actions)],
        log_level="WARNING",
    )
    add_resources(server, access)

    @server.prompt(description="Why a workflow failed, and what to do about it.")
    def investigate(workflow_id: str) -> str:
        return investigation(workflow_id, allows_actions=allows_actions)

    return server


def _reading_tools(access: ServerAccess) -> Iterator[Tool]:
    workflows, jobs, site = WorkflowTools(access), JobTools(access), SiteTools(access)
    functions: tuple[Callable[..., Any], ...] = (
        workflows.why,
        workflows.status,
        workflows.workflows,
        workflows.history,
        jobs.jobs,
        jobs.job_output,
        jobs.utilization,
        site.allocations,
        site.nodes,
        site.rules,
    )
    yield from map(tool, functions)


def _planning_tools(access: ServerAccess, *, allows_actions: bool) -> Iterator[Tool]:
    if not allows_actions:
        yield tool(PlanTools(access).plan)
        return
    acting = ActingTools(access)
    yield tool(acting.plan)
    yield tool(acting.apply, CHANGES_WORKFLOWS)


async def serve(settings: Settings, url: str | None, *, allows_actions: bool) -> None:
    """Until the client closes standard input. Raises InvalidInput for an unusable configuration."""
    server = make_server(open_access(settings, url), allows_actions=allows_actions)
    with replaced_standard_input() as close:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(when_canceled, close)
            tasks.start_soon(_serve_until_end, server, tasks.cancel_scope)


async def _serve_until_end(server: MCPServer, scope: anyio.CancelScope) -> None:
    await server.run_stdio_async()
    scope.cancel()
