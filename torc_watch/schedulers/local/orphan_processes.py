"""Orphan processes: jobs of dead workers that still run on this machine.

A runner that is killed leaves its jobs running. Torc's runners and ours put into a job's
environment which job it is, and for which server they ran; children inherit it.
"""

import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from torc_watch.core.errors import SchedulerError
from torc_watch.host.processes import Process, all_processes, end_all, environment_of
from torc_watch.torc.server_url import is_same_server

_KILL_PATIENCE = 5.0  # seconds for SIGKILL to show


def end_orphan_processes(server: str, workflow_id: int, job_ids: Iterable[int]) -> int:
    """Kills what runs here of these jobs, by this user; how many processes that were.

    ``server`` is a normalized URL. Raises SchedulerError when something does not end.
    """
    ids = frozenset(str(job_id) for job_id in job_ids)
    ended = end_all(partial(_orphans_of, server, str(workflow_id), ids), patience=_KILL_PATIENCE)
    if ended is None:
        raise SchedulerError(
            f"Jobs of workflow {workflow_id} outlived their worker on {socket.gethostname()}, and "
            "do not end when they are killed. Nothing is started beside them: recover the "
            "workflow when they are gone."
        )
    return ended


def _orphans_of(server: str, workflow_id: str, job_ids: frozenset[str]) -> list[Process]:
    # A watch that runs within a job is no orphan of it, and neither is what it started.
    wanted = job_ids - {_job_of(os.getpid(), server, workflow_id)}
    return [
        process
        for process in all_processes()
        if not process.is_dead
        and is_ours(process.pid)
        and _job_of(process.pid, server, workflow_id) in wanted
    ]


def is_ours(pid: int) -> bool:
    """Whether it is of this user; root could read and end those of all users."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return os.stat(f"/proc/{pid}").st_uid == os.geteuid()  # noqa: PTH116 - half the time
    return False


def _job_of(pid: int, server: str, workflow_id: str) -> str | None:
    """The job of this workflow that a process belongs to."""
    entries = map(os.fsdecode, environment_of(pid))
    environment = dict(entry.partition("=")[::2] for entry in entries)
    if environment.get("TORC_WORKFLOW_ID") != workflow_id or "TORC_JOB_ID" not in environment:
        return None
    is_here = is_same_server(server, environment.get("TORC_API_URL", ""))
    return environment["TORC_JOB_ID"] if is_here else None
