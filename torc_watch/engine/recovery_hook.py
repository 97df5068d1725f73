"""Runs the user's recovery hook: a program of which neither output nor end is certain."""

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
from torc_watch.host.subprocesses import start_session

_LIMIT = 4 * 3600.0  # seconds that a hook may take
_GRACE = 10.0  # seconds between SIGTERM and SIGKILL
_DRAIN = 1.0  # seconds for output that is still in the pipe when the hook has ended
_MAX_LINE = 10_000  # characters of a line that are shown
_MAX_OUTPUT = 2**20  # characters that are shown in all


async def run_hook(
    command: tuple[str, ...], *, workflow_id: int, api_url: str, show: Callable[[str], None]
) -> None:
    """Runs ``command`` with the workflow's id as its last argument; ``show`` gets each output line.

    TORC_WORKFLOW_ID and TORC_API_URL are set for it. Raises HookFailed unless it ends with 0, and
    in time. When it does not, or the watch is cut off, the hook is stopped, with all that it
    started.
    """
    environment = {
        **os.environ,
        "TORC_WORKFLOW_ID": str(workflow_id),
        "TORC_API_URL": api_url,
    }
    try:
        # A session of its own: Ctrl-C is for the watch, and would look like a failed hook.
        process = await start_session(
            [*command, str(workflow_id)], environment=environment, stderr=subprocess.STDOUT
        )
    except OSError as error:
        raise HookFailed(f"The recovery hook {command[0]!r} cannot be run: {error}.") from error
    async with process:
        try:
            with anyio.fail_after(_LIMIT):
                status = await _follow(process, _Output(show))
        except TimeoutError:
            await _end(process)
            raise HookFailed(
                f"The recovery hook `{shlex.join(command)}` did not end within {_LIMIT / 3600:g} "
                "hours and was stopped: nothing was reset. Let it start long work in the "
                "background, then watch the workflow again."
            ) from None
        except anyio.get_cancelled_exc_class():
            _signal(process, signal.SIGTERM)
            raise
    if status != 0:
        raise HookFailed(
            f"The recovery hook `{shlex.join(command)}` ended with status {status}: "
            "nothing was reset. Check its output, then watch the workflow again."
        )


class _Output:
    """Passes lines on to ``show``, in bounds: the log keeps each of them."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._left = _MAX_OUTPUT

    @property
    def is_full(self) -> bool:
        return self._left <= 0

    def line(self, text: str) -> None:
        if self.is_full:
            return
        shown = text[:_MAX_LINE]
        self._left -= len(shown) + 1
        self._show(f"{shown}…" if len(text) > _MAX_LINE else shown)
        if self._left <= 0:
            self._show("… (the hook's further output is not shown)")


async def _follow(process: Process, output: _Output) -> int:
    """Its exit status, after all its output was shown."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_show_output, process, output)
        status = await process.wait()
        # A process that it left running may keep the pipe open for ever.
        tasks.cancel_scope.deadline = anyio.current_time() + _DRAIN
    return status


async def _show_output(process: Process, output: _Output) -> None:
    assert process.stdout is not None  # noqa: S101 - open_process pipes it unless told otherwise
    rest = ""
    async for chunk in TextReceiveStream(process.stdout, errors="replace"):
        if output.is_full:
            continue  # it is read all the same: else the hook would wait for ever
        *lines, rest = (rest + chunk).split("\n")
        for line in lines:
            output.line(line)
        rest = rest[: _MAX_LINE + 1]  # no more of a line is shown
    if rest:
        output.line(rest)


async def _end(process: Process) -> None:
    _signal(process, signal.SIGTERM)
    with anyio.move_on_after(_GRACE):
        await process.wait()
    _signal(process, signal.SIGKILL)


def _signal(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
