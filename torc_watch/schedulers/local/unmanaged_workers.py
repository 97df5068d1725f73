"""Workers outside of allocations, such as ``torc run``: nobody but their process can say more.

``torc run`` registers itself as process 1, whatever its number is. While it lives it keeps its log
open for writing, and the log's name says for which workflow: that is how it is found here.
"""

import os
import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread

from torc_watch.core.allocation import AllocationState
from torc_watch.core.model import ComputeNode
from torc_watch.torc.client import TorcClient

_NO_NUMBER = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Strays:
    """Workers outside of allocations that have not said good-bye.

    ``idle_elsewhere`` are apart: on another machine nobody can look for them, but they hold no job.
    """

    known: tuple[tuple[ComputeNode, AllocationState], ...]
    idle_elsewhere: tuple[ComputeNode, ...]


async def find_strays(client: TorcClient, workflow_id: int) -> Strays:
    known: list[tuple[ComputeNode, AllocationState]] = []
    idle_elsewhere: list[ComputeNode] = []
    for node in await client.list_compute_nodes(workflow_id):
        if node.allocation_id is not None or node.has_ended:
            continue
        if node.hostname == socket.gethostname():
            known.append((node, await _state_of(node, workflow_id)))
        elif await client.list_active_jobs_on(node.id, workflow_id):
            known.append((node, AllocationState.UNKNOWN))
        else:
            idle_elsewhere.append(node)
    return Strays(known=tuple(known), idle_elsewhere=tuple(idle_elsewhere))


async def _state_of(node: ComputeNode, workflow_id: int) -> AllocationState:
    """Of a worker on this machine."""
    if node.pid == _NO_NUMBER:
        return await to_thread.run_sync(state_of_torc_run, workflow_id)
    return AllocationState.ALIVE if _process_exists(node.pid) else AllocationState.GONE


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


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
    """A person who only reads the log runs nothing."""
    flags = re.search(r"^flags:\s*([0-7]+)", descriptor.read_text(), re.MULTILINE)
    return flags is not None and int(flags[1], 8) & os.O_ACCMODE != os.O_RDONLY


def _may_run_jobs(process: Path) -> bool:
    with suppress(OSError):
        program, *words = os.fsdecode((process / "cmdline").read_bytes()).split("\0")
        return Path(program).name == "torc" and not {"run", "exec"}.isdisjoint(words)
    return False
