"""What jobs of dead workers still run on this machine.

A runner that is killed leaves its jobs running. Torc's runners and ours put into a job's
environment which job it is, and for which server they ran; children inherit it.
"""

import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

import httpx

from torc_watch.core.errors import InvalidInput, SchedulerError
from torc_watch.host.processes import Process, all_processes, end_all, environment_of
from torc_watch.torc.transport import normalize_url

_KILL_PATIENCE = 5.0  # seconds for SIGKILL to show


def end_leftovers(server: str, workflow_id: int, job_ids: Iterable[int]) -> int:
    """Kills what runs here of these jobs, by this user; how many processes that were.

    ``server`` is a normalised URL. Raises SchedulerError when something does not end.
    """
    ids = frozenset(str(job_id) for job_id in job_ids)
    ended = end_all(partial(_left_of, server, str(workflow_id), ids), patience=_KILL_PATIENCE)
    if ended is None:
        raise SchedulerError(
            f"Jobs of workflow {workflow_id} outlived their worker on {socket.gethostname()}, and "
            "do not end when they are killed. Nothing is started beside them: recover the "
            "workflow when they are gone."
        )
    return ended


def _left_of(server: str, workflow_id: str, job_ids: frozenset[str]) -> list[Process]:
    # Whoever watches from within a job is no leftover of it, and neither is what he started.
    wanted = job_ids - {_job_of(os.getpid(), server, workflow_id)}
    return [
        process
        for process in all_processes()
        if not process.is_dead
        and _is_ours(process.pid)
        and _job_of(process.pid, server, workflow_id) in wanted
    ]


def _is_ours(pid: int) -> bool:
    """Whether it is of this user; root could read and end everybody's."""
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


def is_same_server(server: str, written: str) -> bool:
    """Whether a URL that somebody wrote leads to ``server``, perhaps by another name of its host.

    False where nobody knows: another server's job of the same number is not ours to end.
    """
    try:
        one, other = httpx.URL(server), httpx.URL(normalize_url(written))
    except InvalidInput:
        return False
    if (one.scheme, one.port, one.path) != (other.scheme, other.port, other.path):
        return False
    return one.host == other.host or not _addresses(one.host).isdisjoint(_addresses(other.host))


def _addresses(host: str) -> set[object]:
    with suppress(OSError, UnicodeError):  # a name that nobody knows, or that is none
        return {info[4][0] for info in socket.getaddrinfo(host, None)}
    return set()
