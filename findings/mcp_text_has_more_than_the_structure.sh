#!/bin/sh
# The MCP SDK for Python 2.3.0.
#
# Expected: the two forms of one answer, the text for the model and the structured content for programs, hold
# the same values; the structured one is what the declared return type lets through.
# Seen: a tool whose return type is a TypedDict drops keys that the type does not have from the structured
# content, which its tests see. The text is made from the value as it was returned, with these keys, and the
# text is what the model reads.
# Why it matters: a return type looks like a filter on what an assistant gets to see, and tests of the
# structured content agree, while all of the row is in the conversation, at twice the size.
set -eu
. "$(dirname "$0")/mcp_in_a_folder.sh"

check "structured: {'name': 'train', 'peak': 8}
text: {\"name\": \"train\", \"peak\": 8, \"internal_note\": \"ask Kim\"}" <<'PYTHON'
import asyncio
import json
from typing import TypedDict

import mcp
from mcp.server import MCPServer

ROW = {"name": "train", "peak": 8, "internal_note": "ask Kim"}
server = MCPServer("rows")


class Row(TypedDict):
    name: str
    peak: int


@server.tool()
def row() -> Row:
    return ROW  # as rows of a database come: with more than the caller needs


async def main() -> None:
    async with mcp.Client(server) as client:
        answer = await client.call_tool("row", {})
        print("structured:", answer.structured_content)
        print("text:", json.dumps(json.loads(answer.content[0].text)))


asyncio.run(main())
PYTHON
