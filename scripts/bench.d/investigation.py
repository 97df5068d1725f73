"""An assistant finds out why a workflow failed: with our tools, and with Torc's own.

Both investigate the same workflow on one real server, to the same conclusion: which jobs lacked
memory, which line made another fail, and what a recovery would change. What counts is what the
assistant reads: the list of the tools, and the answers. `scripts/bench mcp`.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import mcp
from real_torc import RealTorc, find_real_torc

from tests.rigs.real_torc import clean_environment, server_command, serving

SIZES = (100, 1000)  # jobs, of which each twentieth lacks memory, and one a module
OURS, THEIRS = "torc-watchd mcp", "torc-mcp-server"
OURS_IN_FULL = "torc-watchd mcp, as many calls"
_BYTES_OF_A_TOKEN = 4
_PROGRAM = "torc-mcp-server"
_MODULE = "no_such_module_of_anybody"

Calls = Sequence[tuple[str, dict[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Bytes that an assistant reads of one server, and what of them is the list of tools."""

    tools: int
    tools_bytes: int
    calls: int
    answers_bytes: int
    text: str

    @property
    def total(self) -> int:
        return self.tools_bytes + self.answers_bytes


async def measure() -> dict[str, float]:
    """Exits if Torc is not installed, or was built without its MCP server."""
    torc, program = find_real_torc(), _program_of_torc()
    values: dict[str, float] = {}
    rows: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serving(server_command(torc.server, folder), folder / "server.log") as url:
            for number, jobs in enumerate(SIZES, 1):
                _run_workflow(torc, url, folder, jobs)
                ours, theirs = _our_server(url, folder), _their_server(torc, program, url, folder)
                readings = {
                    OURS: await _read(ours, our_calls(number)),
                    OURS_IN_FULL: await _read(ours, as_many_calls(number)),
                    THEIRS: await _read(theirs, their_calls(number)),
                }
                _check_conclusions(readings)
                values |= _values(jobs, readings)
                rows += _rows(jobs, readings)
    print("\n".join(("", *_HEAD, *rows, "")))
    return values


def our_calls(workflow_id: int) -> Calls:
    """The prompt of our server asks for these."""
    return [("why", {"workflow_id": workflow_id}), ("plan", {"workflow_id": workflow_id})]


def as_many_calls(workflow_id: int) -> Calls:
    """What Torc's tools are asked, asked of ours."""
    of_workflow = {"workflow_id": workflow_id}
    return [
        ("status", of_workflow),
        ("why", of_workflow),
        ("jobs", of_workflow | {"status": ["failed"]}),
        ("utilization", of_workflow),
        ("job_output", {"job_id": _job_without_module(workflow_id), "lines": 20}),
        ("plan", of_workflow),
    ]


def their_calls(workflow_id: int) -> Calls:
    """In the order in which the descriptions of the tools ask for them."""
    of_workflow = {"workflow_id": workflow_id}
    log = {"job_id": _job_without_module(workflow_id), "run_id": 1, "log_type": "stderr"}
    return [
        ("get_workflow_status", of_workflow),
        ("list_failed_jobs", of_workflow),
        ("check_resource_utilization", of_workflow | {"include_failed": True}),
        ("analyze_workflow_logs", of_workflow),
        ("get_job_logs", of_workflow | log | {"tail_lines": 20}),
        ("recover_workflow", of_workflow | {"dry_run": True}),
    ]


def specification(jobs: int) -> dict[str, Any]:
    """The last job lacks a module; each twentieth of the others is killed for its memory."""
    hungry = "echo 'Loading samples' ; echo 'Killed' >&2; exit 137"
    plot = f"python3 -c 'import {_MODULE}'"
    commands = [hungry if number % 20 == 5 else "echo done" for number in range(jobs - 1)]
    return {
        "name": "training",
        "resource_requirements": [
            {"name": "small", "num_cpus": 1, "memory": "64m", "runtime": "PT10M"}
        ],
        "jobs": [
            {"name": f"job_{number}", "command": command, "resource_requirements": "small"}
            for number, command in enumerate([*commands, plot])
        ],
    }


def _job_without_module(workflow_id: int) -> int:
    """The server counts the jobs of all workflows."""
    return sum(SIZES[:workflow_id])


def _run_workflow(torc: RealTorc, url: str, folder: Path, jobs: int) -> None:
    path = folder / "training.json"
    path.write_text(json.dumps(specification(jobs)))
    words = [str(torc.client), "--url", url, "run", str(path), "-o", str(folder / "torc_output")]
    environment = clean_environment() | {"USER": "bench"}
    subprocess.run(
        [*words, "--poll-interval", "1", "--claim-backoff-max-secs", "1"],
        cwd=folder, env=environment, check=False, capture_output=True,
    )  # fmt: skip


def _our_server(url: str, folder: Path) -> mcp.StdioServerParameters:
    variables = {"TORC_WATCHD_HOME": str(folder / "home"), "XDG_CONFIG_HOME": str(folder)}
    return mcp.StdioServerParameters(
        command=sys.executable,
        args=["-m", "torc_watch", "mcp", "--url", url],
        env=variables | {"USER": "bench", "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
        cwd=str(folder),
    )


def _their_server(
    torc: RealTorc, program: str, url: str, folder: Path
) -> mcp.StdioServerParameters:
    """It starts ``torc``, which must be on the PATH."""
    path = f"{torc.client.parent}:{os.environ['PATH']}"
    return mcp.StdioServerParameters(
        command=program,
        args=["--api-url", url, "--output-dir", str(folder / "torc_output")],
        env={"PATH": path, "TORC_API_URL": url, "USER": "bench"},
        cwd=str(folder),
    )


def _program_of_torc() -> str:
    found = os.environ.get("TORC_MCP_SERVER") or shutil.which(_PROGRAM)
    if not found:
        sys.exit(
            "Build Torc's MCP server, and name it in TORC_MCP_SERVER: cargo install torc --version "
            "=1.0.0 --locked --no-default-features --features mcp-server --bin torc-mcp-server"
        )
    return found


async def _read(server: mcp.StdioServerParameters, calls: Calls) -> Reading:
    with _log_of_nobody() as errors:
        async with mcp.Client(mcp.stdio_client(server, errlog=errors)) as client:
            return await _read_as(client, calls)


@contextmanager
def _log_of_nobody() -> Iterator[TextIO]:
    with Path(os.devnull).open("w", encoding="utf-8") as file:
        yield file


async def _read_as(client: mcp.Client, calls: Calls) -> Reading:
    tools = (await client.list_tools()).tools
    shown = [[each.name, each.description, each.input_schema] for each in tools]
    listed = json.dumps(shown, ensure_ascii=False) + (client.instructions or "")
    texts = [await _text(client, name, arguments) for name, arguments in calls]
    return Reading(
        tools=len(tools),
        tools_bytes=len(listed.encode()),
        calls=len(calls),
        answers_bytes=sum(len(text.encode()) for text in texts),
        text="\n".join(texts),
    )


async def _text(client: mcp.Client, tool: str, arguments: dict[str, Any]) -> str:
    found = await client.call_tool(tool, arguments)
    text = "\n".join(each.text for each in found.content if each.type == "text")
    print(f"  {tool}: {len(text.encode()):,} bytes{' (error)' if found.is_error else ''}")
    return text


def _check_conclusions(readings: Mapping[str, Reading]) -> None:
    """That each assistant can know the cause of either kind, and with us what memory comes next.

    Torc's dry run says how many jobs would get more memory, but not how much. Exits if one cannot.
    """
    for name, reading in readings.items():
        words = ("137", _MODULE) if name == THEIRS else ("137", _MODULE, "64m -> 96m")
        for word in words:
            if word not in reading.text:
                sys.exit(f"{word} is not in the answers of {name}.")


_HEAD = (
    "| jobs | | tools | list of tools, bytes | calls | answers, bytes | total | tokens, about |",
    "|---|---|---|---|---|---|---|---|",
)


def _rows(jobs: int, readings: Mapping[str, Reading]) -> list[str]:
    return [
        f"| {jobs:,} | {name} | {each.tools} | {each.tools_bytes:,} | {each.calls} "
        f"| {each.answers_bytes:,} | {each.total:,} | {each.total // _BYTES_OF_A_TOKEN:,} |"
        for name, each in readings.items()
    ]


def _values(jobs: int, readings: Mapping[str, Reading]) -> dict[str, float]:
    values: dict[str, float] = {}
    for name, reading in readings.items():
        title = f"{name}, {jobs:,} jobs"
        values[f"{title}: bytes of the list of tools"] = reading.tools_bytes
        values[f"{title}: bytes of the answers"] = reading.answers_bytes
        values[f"{title}: calls"] = reading.calls
    return values
