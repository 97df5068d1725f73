"""Runs system commands with a timeout and captures their output."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import anyio
from anyio.abc import Process

_TIMEOUT = 10.0  # seconds; the network or bus that a command uses may be down
NOT_FOUND, TIMED_OUT = 127, 124  # the exit statuses of a shell and of timeout(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """A command's exit status and its stripped output."""

    status: int
    stdout: str = ""
    stderr: str = ""

    @property
    def succeeded(self) -> bool:
        return self.status == 0


class RunCommand(Protocol):
    """Runs a command and waits until it ends."""

    async def __call__(self, *command: str) -> CommandResult: ...


async def start_session(
    command: Sequence[str], *, environment: Mapping[str, str], stderr: int = subprocess.PIPE
) -> Process:
    """Starts a command without input in a session of its own. Raises OSError.

    A cancellation waits until the caller has the process: else nobody could end what it started.
    """
    with anyio.CancelScope(shield=True):
        process = await anyio.open_process(
            command,
            stdin=subprocess.DEVNULL,
            stderr=stderr,
            env=environment,
            start_new_session=True,
        )
    return process  # noqa: RET504 - for mypy, which thinks that a scope may swallow what is raised


async def run_command(*command: str) -> CommandResult:
    """Runs a command in the C locale. Status 124 on timeout, 127 if it cannot be started."""
    try:
        with anyio.fail_after(_TIMEOUT):
            process = await anyio.run_process(
                command, check=False, env=session_environment(os.environ) | {"LC_ALL": "C"}
            )
    except TimeoutError:
        return CommandResult(status=TIMED_OUT, stderr=f"{command[0]} did not answer.")
    except OSError as error:
        return CommandResult(status=NOT_FOUND, stderr=f"{command[0]}: {error.strerror}.")
    return CommandResult(
        status=process.returncode,
        stdout=process.stdout.decode(errors="replace").strip(),
        stderr=process.stderr.decode(errors="replace").strip(),
    )


def session_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` with XDG_RUNTIME_DIR, which some login methods do not set."""
    runtime = Path(f"/run/user/{os.getuid()}")
    if "XDG_RUNTIME_DIR" in environment or not runtime.is_dir():
        return dict(environment)
    return {**environment, "XDG_RUNTIME_DIR": str(runtime)}
