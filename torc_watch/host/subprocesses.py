"""Commands of the machine, asked for what they know. None of them is waited for for long."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import anyio

_PATIENCE = 10.0  # seconds; a network or a bus behind a command may be gone
ABSENT, SILENT = 127, 124  # statuses, as a shell and timeout(1) give them


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """A command's exit status, and what it printed on each stream, stripped."""

    status: int
    output: str = ""
    complaint: str = ""

    @property
    def is_good(self) -> bool:
        return self.status == 0


class RunCommand(Protocol):
    """Runs a command to its end."""

    async def __call__(self, *command: str) -> CommandResult: ...


async def ask(*command: str) -> CommandResult:
    try:
        with anyio.fail_after(_PATIENCE):
            done = await anyio.run_process(
                command, check=False, env=session_environment(os.environ) | {"LC_ALL": "C"}
            )
    except TimeoutError:
        return CommandResult(status=SILENT, complaint=f"{command[0]} did not answer.")
    except OSError as error:
        return CommandResult(status=ABSENT, complaint=f"{command[0]}: {error.strerror}.")
    return CommandResult(
        status=done.returncode,
        output=done.stdout.decode(errors="replace").strip(),
        complaint=done.stderr.decode(errors="replace").strip(),
    )


def session_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` with XDG_RUNTIME_DIR, which some ways to log in leave out."""
    runtime = Path(f"/run/user/{os.getuid()}")
    if "XDG_RUNTIME_DIR" in environment or not runtime.is_dir():
        return dict(environment)
    return {**environment, "XDG_RUNTIME_DIR": str(runtime)}
