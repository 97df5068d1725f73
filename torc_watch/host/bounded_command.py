"""Runs a program that may hang, with text for it to read and a limit on what it says."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import anyio
from anyio.abc import Process

_MAX_OUTPUT = 64 * 1024  # bytes that are kept; the rest is read all the same
_DRAIN = 1.0  # seconds for output that is still in the pipe when the program has ended


@dataclass(frozen=True, slots=True)
class CommandEnd:
    """``status`` is None where the program was ended at the time limit; ``output`` has the start of
    both of its streams, stripped."""

    status: int | None
    output: str = ""


async def run_bounded(
    command: Sequence[str], text: bytes, *, limit: float, environment: Mapping[str, str]
) -> CommandEnd:
    """Gives ``text`` to a program on its standard input; ``limit`` is in seconds.

    It runs in a session of its own, which is killed at the limit, with all that it started, and
    when the caller is canceled. Raises OSError where it cannot be started.
    """
    with anyio.CancelScope(shield=True):  # else nobody could end what was started
        process = await anyio.open_process(
            command, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
    output = bytearray()
    status: int | None = None
    async with process:
        try:
            with anyio.move_on_after(limit):
                status = await _converse(process, text, output)
        finally:
            _kill(process)
    return CommandEnd(status, output.decode(errors="replace").strip())


async def _converse(process: Process, text: bytes, output: bytearray) -> int:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_write, process, text)
        tasks.start_soon(_read, process, output)
        status = await process.wait()
        # A process that it left running may keep the pipes open for ever.
        tasks.cancel_scope.deadline = anyio.current_time() + _DRAIN
    return status


async def _write(process: Process, text: bytes) -> None:
    """Not all of it where the program does not read it."""
    assert process.stdin is not None  # noqa: S101 - open_process pipes it
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        await process.stdin.send(text)
    await process.stdin.aclose()


async def _read(process: Process, output: bytearray) -> None:
    assert process.stdout is not None  # noqa: S101
    async for chunk in process.stdout:
        output += chunk[: _MAX_OUTPUT - len(output)]


def _kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
