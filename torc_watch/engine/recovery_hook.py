"""The user's own program, run before unknown failures are retried."""

import os
import shlex
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from torc_watch.core.errors import HookFailed

_DRAIN = 1.0  # seconds for output that is still in the pipe when the hook has ended


async def run_hook(
    command: tuple[str, ...], *, workflow_id: int, api_url: str, show: Callable[[str], None]
) -> None:
    """Runs ``command`` with the workflow's id as its last argument; ``show`` gets each output line.

    TORC_WORKFLOW_ID and TORC_API_URL are set for it. Raises HookFailed unless it ends with 0. When
    the watch is cut off, the hook is stopped, with all that it started.
    """
    environment = {
        **os.environ,
        "TORC_WORKFLOW_ID": str(workflow_id),
        "TORC_API_URL": api_url,
    }
    try:
        process = await anyio.open_process(
            [*command, str(workflow_id)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            env=environment,
            # A session of its own: Ctrl-C is for the watch, and would look like a failed hook.
            start_new_session=True,
        )
    except OSError as error:
        raise HookFailed(f"The recovery hook {command[0]!r} cannot be run: {error}.") from error
    async with process:
        try:
            status = await _follow(process, show)
        except anyio.get_cancelled_exc_class():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            raise
    if status != 0:
        raise HookFailed(
            f"The recovery hook `{shlex.join(command)}` ended with status {status}: "
            "nothing was reset. Check its output, then watch the workflow again."
        )


async def _follow(process: Process, show: Callable[[str], None]) -> int:
    """Its exit status, after all its output was shown."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_show_output, process, show)
        status = await process.wait()
        # A process that it left running may keep the pipe open for ever.
        tasks.cancel_scope.deadline = anyio.current_time() + _DRAIN
    return status


async def _show_output(process: Process, show: Callable[[str], None]) -> None:
    assert process.stdout is not None  # noqa: S101 - open_process pipes it unless told otherwise
    rest = ""
    async for chunk in TextReceiveStream(process.stdout, errors="replace"):
        *lines, rest = (rest + chunk).split("\n")
        for line in lines:
            show(line)
    if rest:
        show(rest)
