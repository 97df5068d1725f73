#!/bin/sh
# The MCP SDK for Python 2.3.0.
#
# Expected: a call with an argument that the tool does not have is refused, as a call with a wrong type is
# (an answer with is_error and the reason), so that the model corrects itself.
# Seen: the argument is dropped without a word, on both sides, and the tool runs with the default of the one
# that was meant. The published schema does not say "additionalProperties": false either, so no other client
# can know better.
# Why it matters: models misspell optional arguments ("job" for "jobs"). A filter that is lost this way turns
# "these two jobs" into "all jobs", and the answer looks like a success.
set -eu
. "$(dirname "$0")/mcp_in_a_folder.sh"

check "arguments that the schema allows beside its own: None
jobs=[7]: chosen 1 of 100, is_error: False
jobs='many': is_error: True
job=[7]: chosen 100 of 100, is_error: False" <<'PYTHON'
import asyncio

import mcp
from mcp.server import MCPServer

server = MCPServer("jobs")


@server.tool()
def choose(workflow: int, jobs: list[int] | None = None) -> str:
    return f"chosen {100 if jobs is None else len(jobs)} of 100"


async def main() -> None:
    async with mcp.Client(server) as client:
        (tool,) = (await client.list_tools()).tools
        extra = tool.input_schema.get("additionalProperties")
        print("arguments that the schema allows beside its own:", extra)
        right = await client.call_tool("choose", {"workflow": 42, "jobs": [7]})
        print(f"jobs=[7]: {right.content[0].text}, is_error: {right.is_error}")
        wrong_type = await client.call_tool("choose", {"workflow": 42, "jobs": "many"})
        print("jobs='many': is_error:", wrong_type.is_error)
        misspelled = await client.call_tool("choose", {"workflow": 42, "job": [7]})
        print(f"job=[7]: {misspelled.content[0].text}, is_error: {misspelled.is_error}")


asyncio.run(main())
PYTHON
