#!/bin/sh
# The MCP SDK for Python 2.3.0.
#
# Expected: a tool that returns a value of the type that it declares gives an answer that fits the schema
# which the server publishes for it; or the server says in its answer that the value cannot be sent.
# Seen: a tool that declares `float` and returns NaN or infinity is answered with null, for which the
# server's own schema has no place ("type": "number"). The server reports no error. The client of the same
# SDK checks the answer and raises RuntimeError in the caller: the whole answer is lost, not one number.
# Why it matters: measurements have such values (a ratio of two unmeasured times). One of them in a list of
# a thousand jobs makes the list unreadable, and the server's log says nothing.
set -eu
. "$(dirname "$0")/mcp_in_a_folder.sh"

check "declared: {'additionalProperties': {'type': 'number'}, 'title': 'usageDictOutput', 'type': 'object'}
measured: {'cpu': 0.5} is_error: False
not a number: RuntimeError: Invalid structured content returned by tool usage: None is not of type 'number'
infinity: RuntimeError: Invalid structured content returned by tool usage: None is not of type 'number'" <<'PYTHON'
import asyncio

import mcp
from mcp.server import MCPServer

server = MCPServer("usage")


@server.tool()
def usage(cpu: str) -> dict[str, float]:
    return {"cpu": float(cpu)}


async def main() -> None:
    async with mcp.Client(server) as client:
        (tool,) = (await client.list_tools()).tools
        print("declared:", tool.output_schema)
        answer = await client.call_tool("usage", {"cpu": "0.5"})
        print("measured:", answer.structured_content, "is_error:", answer.is_error)
        for name, value in (("not a number", "nan"), ("infinity", "inf")):
            try:
                print(name, await client.call_tool("usage", {"cpu": value}))
            except RuntimeError as error:
                print(f"{name}: RuntimeError:", str(error).splitlines()[0])


asyncio.run(main())
PYTHON
