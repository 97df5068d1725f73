"""Workers on this machine outside of allocations, such as ``torc run``, and what dead ones left.

``torc run`` registers itself as process 1, whatever its number is. While it lives it keeps its log
open for writing, and the log's name says for which workflow: that is how it is found here.
"""

import os
import re
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from anyio import to_thread

from torc_watch.core.allocation import AllocationState
from torc_watch.core.model import ComputeNode
from torc_watch.host.processes import process_exists
from torc_watch.schedulers.base import EndedAttempts
from torc_watch.schedulers.local.attempt_processes import end_attempt_processes
from torc_watch.schedulers.local.orphan_processes import end_orphan_processes

_NO_NUMBER = 1


class ThisMachine:
    """The processes of this machine, as far as this user may see them."""

    async def worker_state(self, node: ComputeNode, workflow_id: int) -> AllocationState | None:
        """None for a worker on another machine."""
        if node.hostname != socket.gethostname():
            return None
        if node.pid == _NO_NUMBER:
            return await to_thread.run_sync(state_of_torc_run, workflow_id)
        return AllocationState.ALIVE if process_exists(node.pid) else AllocationState.GONE

    async def end_orphan_processes(
        self, server: str, workflow_id: int, job_ids: Iterable[int]
    ) -> int:
        """Raises SchedulerError when something does not end."""
        return await to_thread.run_sync(end_orphan_processes, server, workflow_id, job_ids)

    async def end_remnants(self, attempts: EndedAttempts) -> int:
        """Raises SchedulerError where something may be left."""
        return await to_thread.run_sync(end_attempt_processes, attempts)


def state_of_torc_run(workflow_id: int) -> AllocationState:
    """Whether a ``torc run`` of the workflow lives on this machine.

    UNKNOWN when another user's process, of which its files cannot be seen, may be one.
    """
    log = re.compile(rf"job_runner_{re.escape(socket.gethostname())}_wf{workflow_id}_r[0-9]+\.log")
    state = AllocationState.GONE
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if _writes_to(log, process):
                return AllocationState.ALIVE
        except PermissionError:
            if _may_run_jobs(process):
                state = AllocationState.UNKNOWN
    return state


def _writes_to(log: re.Pattern[str], process: Path) -> bool:
    """Whether a process, a folder of /proc, has a file of that name open for writing."""
    with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        for descriptor in (process / "fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                name = descriptor.readlink().name.removesuffix(" (deleted)")
                if log.fullmatch(name) and _is_written(process / "fdinfo" / descriptor.name):
                    return True
    return False


def _is_written(descriptor: Path) -> bool:
    """A process that only reads the log runs nothing."""
    flags = re.search(r"^flags:\s*([0-7]+)", descriptor.read_text(), re.MULTILINE)
    return flags is not None and int(flags[1], 8) & os.O_ACCMODE != os.O_RDONLY


def _may_run_jobs(process: Path) -> bool:
    with suppress(OSError):
        program, *words = os.fsdecode((process / "cmdline").read_bytes()).split("\0")
        return Path(program).name == "torc" and not {"run", "exec"}.isdisjoint(words)
    return False
