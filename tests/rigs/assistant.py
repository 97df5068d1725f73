"""An assistant's side of MCP: the SDK's own client, and the server as a real process."""

import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mcp


@dataclass(slots=True)
class Assistant:
    """Calls tools, and counts what it has read: the text of each answer, in bytes."""

    client: mcp.Client
    calls: list[tuple[str, int]] = field(default_factory=list)

    async def ask(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """What an answer holds, which its text and its object say alike."""
        text, found = await self._call(tool, arguments)
        assert not found.is_error, text
        assert isinstance(found.structured_content, dict)
        assert json.loads(text) == found.structured_content
        return found.structured_content

    async def refused(self, tool: str, **arguments: Any) -> str:
        """The text of the error."""
        text, found = await self._call(tool, arguments)
        assert found.is_error, text
        return text

    async def tools(self) -> dict[str, Any]:
        return {each.name: each for each in (await self.client.list_tools()).tools}

    async def _call(self, tool: str, arguments: Mapping[str, Any]) -> tuple[str, Any]:
        found = await self.client.call_tool(tool, dict(arguments))
        text = "".join(each.text for each in found.content if each.type == "text")
        self.calls.append((tool, len(text.encode())))
        return text, found


@asynccontextmanager
async def assistant_of(
    folder: Path, url: str, *options: str, pid_file: Path | None = None
) -> AsyncIterator[Assistant]:
    """Starts ``torc-watchd mcp`` as an assistant does, with few variables of its environment."""
    words = ["-m", "torc_watch", "mcp", "--url", url, *options]
    command, args = sys.executable, words
    if pid_file:
        program = 'echo $$ >"$0"; exec "$@"'
        command, args = "/bin/sh", ["-c", program, str(pid_file), sys.executable, *words]
    variables = {
        "TORC_WATCHD_HOME": str(folder / "home"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_CONFIG_DIRS": str(folder / "etc"),
        "TORC_WATCHD_OUTPUT_DIR": "output",
        "USER": "tester",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }
    parameters = mcp.StdioServerParameters(
        command=command, args=args, env=variables, cwd=str(folder)
    )
    with (folder / "mcp.err").open("a") as errors:
        transport = mcp.stdio_client(parameters, errlog=errors)
        async with mcp.Client(transport) as client:
            yield Assistant(client)
